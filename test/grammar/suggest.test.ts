import { expect, test } from "vitest";
import { closest } from "../../grammar/suggest.ts";

test.each([
  ["mena", ["mean", "max"], "mean"],
  ["head", ["heads", "read"], "heads"],
  ["rankmixer_blok", ["rankmixer_block", "mixer"], "rankmixer_block"],
  ["Softmax", ["softmax"], "softmax"],
  ["T", ["D", "U"], undefined],
  ["pooled", ["finish"], undefined],
  ["x", [], undefined],
  ["same", ["same"], undefined],
])("%s among %j", (name, candidates, expected) => {
  expect(closest(name, candidates)).toBe(expected);
});
