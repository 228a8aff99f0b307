import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { decodeModel } from "../../backends/onnx/schema.ts";
import { codesIn, folder, rmxc } from "../support/cli.ts";
import { openModel } from "../support/onnxruntime.ts";

const spec = `
model m(D: int = 300) {
  item { x: f32[D] }
  param w: [D, 4]
  task score = sigmoid(sum(einsum("d, d e -> e", x, w)))
}`;

it("writes one file, and says what is in it", () => {
  const dir = folder({ "m.rmx": spec });
  const ran = rmxc(["export", "m.rmx", "-o", "m.onnx", "--json"], { cwd: dir });
  expect(ran.status, ran.stderr).toBe(0);
  expect(JSON.parse(ran.stdout)).toMatchObject({
    model: "m",
    opset: 21,
    files: ["m.onnx"],
    inputs: [{ name: "x", dims: ["N", 300] }],
    outputs: [{ name: "score", dims: ["N"] }],
    operators: { MatMul: 1, Sigmoid: 1 },
  });
  expect(readdirSync(dir).sort()).toEqual(["m.onnx", "m.rmx"]);
  expect(decodeModel(readFileSync(join(dir, "m.onnx"))).name).toBe("m");
});

it("puts weights beside the model where asked, and ONNX Runtime finds them", async () => {
  const dir = folder({ "m.rmx": spec });
  const ran = rmxc(["export", "m.rmx", "-o", "m.onnx", "--external-data"], { cwd: dir });
  expect(ran.status, ran.stderr).toBe(0);
  expect(readdirSync(dir).sort()).toEqual(["m.onnx", "m.onnx.data", "m.rmx"]);
  expect(statSync(join(dir, "m.onnx.data")).size).toBe(300 * 4 * 4);
  const session = await openModel(join(dir, "m.onnx"));
  expect(session.inputNames).toEqual(["x"]);
  await session.release();
});

it("is the same file from the same seed, and another from another", () => {
  const dir = folder({ "m.rmx": spec });
  const bytes = (seed: string): Buffer => {
    const ran = rmxc(["export", "m.rmx", "-o", `${seed}.onnx`, "--seed", seed], { cwd: dir });
    expect(ran.status, ran.stderr).toBe(0);
    return readFileSync(join(dir, `${seed}.onnx`));
  };
  const first = bytes("1");
  expect(bytes("1").equals(first)).toBe(true);
  expect(bytes("2").equals(first)).toBe(false);
});

it("refuses a place that cannot be written, and a name that would mean two things", () => {
  const dir = folder({
    "m.rmx": spec,
    "twice.rmx": "model m() {\n  item { request: f32[3] }\n  task y = sum(request)\n}\n",
  });
  const nowhere = rmxc(["export", "m.rmx", "-o", "no/such/m.onnx"], { cwd: dir });
  expect([nowhere.status, codesIn(nowhere)]).toEqual([1, ["RMX0510"]]);
  const twice = rmxc(["export", "twice.rmx", "-o", "twice.onnx"], { cwd: dir });
  expect([twice.status, codesIn(twice)]).toEqual([1, ["RMX0530"]]);
  expect(readdirSync(dir).sort()).toEqual(["m.rmx", "twice.rmx"]);
});
