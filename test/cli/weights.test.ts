/** @file Weights and inputs that do not fit, through the command line: everything wrong is listed, exit 1. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { codesIn, folder, type Ran, rmxc } from "../support/cli.ts";
import { type RawTensor, readFloats, safetensors } from "../support/safetensors.ts";

/** One table, one weight, one bias: the score of a candidate is its embedding's product with `w`, plus `b`. */
const spec = `model tiny {
  table things(rows = 5, dim = 3)
  item {
    thing: id in things
    boost: f32
  }
  task score = sum(thing * w) + b + boost
}
`.replace("  task", "  param w: [3]\n  param b: [] = zeros\n  task");

const things: RawTensor = { dtype: "F32", shape: [5, 3], values: Array.from({ length: 15 }, (_, i) => i) };
const w: RawTensor = { dtype: "F64", shape: [3], values: [1, 10, 100] };
const b: RawTensor = { dtype: "F32", shape: [], values: [0.5] };
const weights = { things, w, b };
const inputs = {
  thing: { dtype: "I64", shape: [2], values: [4, 1] },
  boost: { dtype: "F32", shape: [2], values: [0, 1000] },
} as const satisfies Record<string, RawTensor>;

function run(given: { weights?: Uint8Array; inputs?: Uint8Array }): Ran {
  const cwd = folder({
    "m.rmx": spec,
    "w.safetensors": given.weights ?? safetensors(weights),
    "in.safetensors": given.inputs ?? safetensors(inputs),
  });
  const files = ["--weights", "w.safetensors", "--input", "in.safetensors", "--output", "out.safetensors"];
  const ran = rmxc(["run", "m.rmx", ...files, "--device", "reference"], { cwd });
  if (ran.status === 0) {
    const out = readFloats(readFileSync(join(cwd, "out.safetensors")));
    return { ...ran, stdout: JSON.stringify(Object.fromEntries(out)) };
  }
  return ran;
}

function expectError(ran: Ran, code: string, ...parts: readonly (string | RegExp)[]): void {
  expect(codesIn(ran)).toEqual([code]);
  expect(ran.status).toBe(1);
  for (const part of parts) expect(ran.stderr).toMatch(part);
}

describe("weights and inputs that fit", () => {
  it("score what the model says", () => {
    // Row 4 is 12, 13, 14; row 1 is 3, 4, 5.
    const ran = run({});
    expect(ran.stderr).toBe("");
    expect(JSON.parse(ran.stdout)).toEqual({
      score: { shape: [2], values: [12 + 130 + 1400 + 0.5, 3 + 40 + 500 + 0.5 + 1000] },
    });
  });

  it("may hold no candidate at all", () => {
    const none = {
      thing: { dtype: "I64", shape: [0], values: [] },
      boost: { dtype: "F32", shape: [0], values: [] },
    } as const;
    const ran = run({ inputs: safetensors(none) });
    expect(ran.status).toBe(0);
    expect(JSON.parse(ran.stdout)).toEqual({ score: { shape: [0], values: [] } });
  });
});

describe("weights that do not fit", () => {
  it("are truncated", () => {
    const whole = safetensors(weights);
    expectError(run({ weights: whole.subarray(0, whole.length - 5) }), "RMX0601", /w\.safetensors/);
    expectError(run({ weights: whole.subarray(0, 20) }), "RMX0601");
    expectError(run({ weights: whole.subarray(0, 3) }), "RMX0601");
    expectError(run({ weights: new Uint8Array() }), "RMX0601");
  });

  it("have a wrong shape, lack one and have one too many: all listed", () => {
    const ran = run({ weights: safetensors({ things, w: { ...w, shape: [3, 1] }, bias: b }) });
    expectError(ran, "RMX0602", /wrong shape: `w`.*\[3, 1\].*\[3\]/, /missing: `b`/, /`bias`/);
  });

  it("hold NaN, in a weight or in a table's row that is read", () => {
    const broken = { ...w, values: [1, Number.NaN, 100] };
    expectError(run({ weights: safetensors({ ...weights, w: broken }) }), "RMX0603", /`w`|w\[/, /NaN/);
    const row = { ...things, values: things.values.map((value, i) => (i === 12 ? Number.NaN : value)) };
    expectError(run({ weights: safetensors({ ...weights, things: row }) }), "RMX0603", /things/, /NaN/);
  });

  it("are not there", () => {
    const cwd = folder({ "m.rmx": spec });
    const ran = rmxc(["run", "m.rmx", "--weights", "nowhere.safetensors"], { cwd });
    expectError(ran, "RMX0601", /nowhere\.safetensors/);
  });
});

describe("inputs that do not fit", () => {
  it("hold an id outside its table: feature, row and value", () => {
    for (const id of [5, -1]) {
      const thing = { ...inputs.thing, values: [4, id] };
      expectError(
        run({ inputs: safetensors({ ...inputs, thing }) }),
        "RMX0704",
        /`thing`/,
        /candidate 1 is/,
        new RegExp(`${id}`),
      );
    }
  });

  it("hold an id that 32 bits do not", () => {
    const thing = { ...inputs.thing, values: [4, 2 ** 40] };
    expectError(run({ inputs: safetensors({ ...inputs, thing }) }), "RMX0705", /1099511627776/);
  });

  it("hold NaN", () => {
    const boost = { ...inputs.boost, values: [0, Number.NaN] };
    expectError(run({ inputs: safetensors({ ...inputs, boost }) }), "RMX0708", /`boost`/, /candidate 1/);
  });

  it("lack a feature, have an unknown one and a wrong shape: all listed", () => {
    const ran = run({
      inputs: safetensors({ thing: { ...inputs.thing, shape: [2, 1] }, bost: inputs.boost }),
    });
    expectError(ran, "RMX0703", /wrong shape: `thing`/, /missing: `boost`/, /unknown: `bost`/);
  });

  it("disagree about the number of candidates", () => {
    const boost = { dtype: "F32", shape: [3], values: [0, 1, 2] } as const;
    expectError(run({ inputs: safetensors({ ...inputs, boost }) }), "RMX0703", /candidates/);
  });

  it("are a directory or truncated", () => {
    expectError(run({ inputs: safetensors(inputs).subarray(0, 60) }), "RMX0701");
  });
});
