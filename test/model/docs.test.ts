import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { opDef } from "../../src/ir/ops/index.ts";
import { families } from "../../src/model/builtins/index.ts";
import { defaultLimits } from "../../src/model/limits.ts";
import { codesOf } from "./harness.ts";

const page = readFileSync("docs/language.md", "utf8");

test("the reference lists every primitive as the compiler knows it", () => {
  for (const { signature, doc } of Object.values(families).flat()) {
    expect(page).toContain(`| \`${signature}\` | ${doc} |`);
  }
});

test("the reference prints the stage rule of every op", () => {
  const kinds = [
    "param",
    "feature",
    "const",
    "data",
    "iota",
    "pointwise",
    "view",
    "concat",
    "pad",
    "einsum",
    "reduce",
  ] as const;
  const more = ["normalize", "softmax", "top_k_mask", "top_k_index", "take", "lookup"] as const;
  for (const kind of [...kinds, ...more])
    expect(page).toContain(`| \`${kind}\` | ${opDef(kind).stageRule} |`);
});

test("the reference names every limit with its value", () => {
  for (const [name, value] of Object.entries(defaultLimits)) {
    const power = Math.log2(value);
    const shown = Number.isInteger(power) ? `2^${power}` : value.toLocaleString("en");
    expect(page).toContain(`| \`${name}\` | ${shown} |`);
  }
});

test("the whole model of the reference elaborates", () => {
  const [, text = ""] = /```rmx\n(use std[\s\S]*?)```/.exec(page) ?? [];
  expect(text).toContain("model rankmixer_100m");
  expect(codesOf(text)).toEqual([]);
});
