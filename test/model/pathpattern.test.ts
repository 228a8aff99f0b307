import { expect, test } from "vitest";
import { matchesPath } from "../../src/ir/pathpattern.ts";

test.each([
  ["layers.0.block.ffn.w1", "layers.0.block.ffn.w1", true],
  ["**.ffn.w*", "layers.0.block.ffn.w1", true],
  ["**.ffn.w*", "ffn.w2", true],
  ["**.ffn.w*", "layers.0.block.ffn.b1", false],
  ["*.w", "finish.linear.w", false],
  ["*.*.w", "finish.linear.w", true],
  ["layers.**", "layers.0.block.norm1.gain", true],
  ["layers.**", "layers", true],
  ["layers.*.norm", "layers.0.block.norm", false],
  ["**", "anything.at.all", true],
  ["w*1", "w11", true],
  ["w*1", "w1x", false],
])("%s and %s: %s", (pattern, path, matches) => {
  expect(matchesPath(pattern, path)).toBe(matches);
});

test("a pattern of many stars is as quick as any", () => {
  const start = performance.now();
  expect(matchesPath(`${"**.".repeat(200)}x`, `${"a.".repeat(200)}y`)).toBe(false);
  expect(performance.now() - start).toBeLessThan(200);
});
