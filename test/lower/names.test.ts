/** Names of the model's own parts in kernel text, where they meet the names that the printer uses. */
import { expect, it } from "vitest";
import { compileFor } from "../../src/compile.ts";
import { software } from "../../src/ir/profiles.ts";
import { graphOf } from "../model/harness.ts";

it("reads elements of a feature whose name is the printer's own", () => {
  const graph = graphOf(`
model m {
  user { u: f32[8] }
  item { i: f32[21] }
  x = concat(u, i)
  task y = x * linear(x, 29)
}`);
  const text = compileFor(graph, software)
    .kernels.map((kernel) => kernel.text)
    .join("\n");
  expect(text).toContain("fn i_element(j: i32) -> f32 {\n  return i[u32(j) / 4][u32(j) % 4];\n}");
});
