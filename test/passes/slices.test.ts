/** Parameters above one binding keep their meaning when they are read in runs of rows, by the interpreter as well. */
import { expect, it } from "vitest";
import { software } from "../../src/ir/profiles.ts";
import { graphOf } from "../model/harness.ts";
import { expectEquivalent } from "../support/equivalence.ts";

/** Bindings of 64 numbers. */
const small = { ...software, limits: { ...software.limits, storageBinding: 256 } };

it.each([
  ["a lookup", "values: [19, 5]", "lookup(values, (7 * i) % 19)", 3],
  ["a lookup of several axes", "values: [9, 3, 4]", "lookup(values, (2 * i) % 9)", 3],
  ["a product", "values: [29, 7]", 'einsum("t k, k d -> t d", broadcast(x, "k -> t k", t = 2), values)', 4],
  ["a product of the user's", "values: [29, 3]", 'u * sum(gelu(einsum("k, k d -> d", u, values)))', 2],
])("%s", (_, declared, expression, runs) => {
  const graph = graphOf(`
model m {
  user { u: f32[29] }
  item {
    i: i32[3]
    x: f32[29]
  }
  param ${declared}
  task y = ${expression}
}`);
  const { plan } = expectEquivalent(graph, { requests: 2, candidates: 5 }, 3, { profile: small });
  const rows = plan.values.flatMap(({ home }) =>
    home.kind === "param" && home.path === "values" ? [home.rows] : [],
  );
  expect(rows.length).toBe(runs);
  expect(rows.every((run) => run !== undefined)).toBe(true);
});
