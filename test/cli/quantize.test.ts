/** @file `rmxc quantize` and `--precision` as a user meets them. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { codesIn, folder, rmxc } from "../support/cli.ts";
import { safetensors } from "../support/safetensors.ts";

const spec = `model m() {
  item { x: f32[40] }
  param w: [40, 3]
  h = relu(einsum("d, d k -> k", x, w))
  param v: [3, 1]
  task score = sigmoid(sum(einsum("k, k e -> e", h, v)))
  precision { "w" = int8 per channel }
}
`;

/** A weight of 40 · 3 whose value at [7, 1] is far out. */
const weights = safetensors({
  w: {
    dtype: "F32",
    shape: [40, 3],
    values: Array.from({ length: 120 }, (_, i) => (i === 22 ? 300 : Math.sin(i))),
  },
  v: { dtype: "F32", shape: [3, 1], values: [0.5, -0.25, 1] },
});

describe("quantize", () => {
  it("reports parameters, scores and the layer that stands out", () => {
    const cwd = folder({ "m.rmx": spec, "w.safetensors": weights });
    const ran = rmxc(["quantize", "m.rmx", "--weights", "w.safetensors"], { cwd });
    expect(ran).toMatchObject({ status: 0, stderr: "" });
    expect(ran.stdout).toMatch(/^w +int8 per channel +\S+ +\S+ % +\S+ dB +1 +132 B +3\.64×$/m);
    expect(ran.stdout).toContain(
      "1 parameter converted, 1 stay in f32: 492 B before, 144 B now, 348 B saved",
    );
    expect(ran.stdout).toMatch(/^64 candidates of 1 request, in the reference:\ntask +max error/m);
    expect(readdirSync(cwd).sort()).toEqual(["m.rmx", "w.safetensors"]);
  });

  it("writes a file that run and quantize read back, and a plot", () => {
    const cwd = folder({ "m.rmx": spec, "w.safetensors": weights });
    const args = [
      "quantize",
      "m.rmx",
      "--weights",
      "w.safetensors",
      "-o",
      "q.safetensors",
      "--plot",
      "q.svg",
    ];
    const ran = rmxc([...args, "--json"], { cwd });
    expect([ran.status, ran.stderr]).toEqual([0, "wrote q.svg\nwrote q.safetensors\n"]);
    const said = JSON.parse(ran.stdout);
    expect(said.parameters[0]).toMatchObject({
      path: "w",
      type: "int8 per channel",
      bytes: { before: 480, after: 132 },
      error: { outliers: 1, worst: { element: 22 } },
    });
    expect(said.scores).toMatchObject({ candidates: 64, tasks: [{ task: "score" }] });
    const svg = readFileSync(join(cwd, "q.svg"), "utf8");
    expect(svg.match(/<circle/g)).toHaveLength(64);
    expect(svg).toContain(">w, int8 per channel</text>");
    const again = rmxc(["quantize", "m.rmx", "--weights", "q.safetensors", "--json"], { cwd });
    expect(JSON.parse(again.stdout).parameters[0].error.relativeError).toBeLessThan(1e-6);
    expect(
      rmxc(["run", "m.rmx", "--weights", "q.safetensors", "--device", "reference"], { cwd }).status,
    ).toBe(0);
  });

  it("calibrates activations where the spec quantises them", () => {
    const x = Array.from({ length: 80 }, (_, i) => (i === 50 ? -8.96 : Math.cos(i)));
    const inputs = safetensors({ x: { dtype: "F32", shape: [2, 40], values: x } });
    const cwd = folder({ "m.rmx": spec, "in.safetensors": inputs });
    const args = [
      "quantize",
      "m.rmx",
      "--calibrate",
      "in.safetensors",
      "--inputs",
      "in.safetensors",
      "--json",
    ];
    const ran = rmxc([...args, "--precision", '"w" = fp8_e4m3 inputs fp8_e4m3'], { cwd });
    expect(JSON.parse(ran.stdout).inputScales.w).toBeCloseTo(0.02, 6);
    expect(JSON.parse(ran.stdout).scores.candidates).toBe(2);
    const none = rmxc(args.slice(0, -1), { cwd });
    expect([none.status, codesIn(none)]).toEqual([1, ["RMX0604"]]);
  });

  it("refuses what is wrong, and leaves no file", () => {
    const cwd = folder({ "m.rmx": spec, "in.safetensors": "nothing" });
    const failing = (...args: string[]) =>
      rmxc(["quantize", "m.rmx", "-o", "q.safetensors", ...args], { cwd });
    expect(codesIn(failing("--precision", '"nobody" = f16'))).toEqual(["RMX0404"]);
    expect(codesIn(failing("--weights", "none.safetensors"))).toEqual(["RMX0601"]);
    expect(codesIn(failing("--calibrate", "in.safetensors"))).toEqual(["RMX0604"]);
    expect(failing("--inputs", "in.safetensors", "--candidates", "3").status).toBe(2);
    expect(codesIn(rmxc(["quantize", "m.rmx", "-o", "no/q.safetensors"], { cwd }))).toEqual(["RMX0702"]);
    expect(existsSync(join(cwd, "q.safetensors"))).toBe(false);
  });
});

describe("--precision", () => {
  it("changes what params and cost say", () => {
    const cwd = folder({ "m.rmx": spec });
    const params = rmxc(["params", "m.rmx", "--precision", '"w" = int8 per group(8) asymmetric; "v" = f16'], {
      cwd,
    });
    // 120 codes and 5 · 3 scales of five bytes; 3 halves.
    expect(params.stdout).toMatch(/^w +\[40, 3\] +int8 per group\(8\) asymmetric +120 +195 B/m);
    expect(params.stdout).toMatch(/^v +\[3, 1\] +f16 +3 +6 B/m);
    const cost = (precision: string) =>
      JSON.parse(rmxc(["cost", "m.rmx", "--json", "--precision", precision], { cwd }).stdout);
    expect(cost("").parameters.stored.dense).toBe(132 + 12);
    expect(cost('"**" = f16').parameters.stored.dense).toBe(2 * 123);
    const fixedBytes = (precision: string) => cost(precision).stages.item.fixedBytes;
    // Rows are padded to the same number of elements, but for the last vector.
    expect(fixedBytes('"**" = f32') / fixedBytes('"**" = f16')).toBeCloseTo(2, 1);
  });

  it("is checked by compile and run", () => {
    const cwd = folder({ "m.rmx": spec });
    for (const command of ["compile", "run"]) {
      const ran = rmxc([command, "m.rmx", "--precision", "compute = f64"], { cwd });
      expect([ran.status, codesIn(ran)]).toEqual([1, ["RMX0017"]]);
      expect(ran.stderr).toContain("--precision:1:11");
    }
  });
});
