/** Division of compile-time numbers: ints stay exact, and the way out that the message names works. */
import { expect, test } from "vitest";
import { elaborateText, graphOf } from "./harness.ts";

const model = (value: string): string => `
model m {
  let half = ${value}
  item { x: f32[3] }
  task y = x * half
}`;

test("an int that does not divide is an error; float() divides", () => {
  const { diagnostics } = elaborateText(model("3 / 2"));
  expect(diagnostics.map(({ code }) => code)).toEqual(["RMX0203"]);
  const [, advised] = /`([^`]*)` is a float/.exec(diagnostics[0]?.help ?? "") ?? [];
  expect(advised).toBe("float(a) / b");
  const constants = graphOf(model("float(3) / 2")).nodes.flatMap(({ op }) =>
    op.kind === "const" ? [op.value] : [],
  );
  expect(constants).toEqual([1.5]);
});
