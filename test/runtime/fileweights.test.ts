import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { InputError } from "../../src/ir/error.ts";
import type { ParamInfo } from "../../src/ir/graph.ts";
import { fileWeights } from "../../src/runtime/fileweights.ts";
import { type TensorData, writeSafetensors } from "../../src/runtime/safetensors.ts";

const folder = mkdtempSync(join(tmpdir(), "rmxc-weights-"));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, "w.safetensors");

function param(name: string, shape: number[], more: Partial<ParamInfo> = {}): ParamInfo {
  const init = { kind: "zeros" } as const;
  return {
    path: name,
    shape,
    init,
    table: false,
    training: false,
    storage: { element: "f32" },
    ...more,
  };
}

const params = [
  param("linear.w", [2, 3]),
  param("linear.b", [3]),
  param("users", [4, 2], { table: true }),
  param("aux.w", [2], { training: true }),
];

const good: Record<string, TensorData> = {
  "linear.w": { shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) },
  "linear.b": { shape: [3], data: Float64Array.of(0.1, 0.2, 0.3) },
  users: { shape: [4, 2], data: Float32Array.from({ length: 8 }, (_, i) => i) },
};

function write(tensors: Record<string, TensorData>): void {
  writeSafetensors(path, new Map(Object.entries(tensors)));
}

function failure(tensors: Record<string, TensorData>): InputError {
  write(tensors);
  try {
    fileWeights(path, params).close();
  } catch (error) {
    return error as InputError;
  }
  throw new Error("the file was accepted");
}

describe("a file that fits", () => {
  it("is read by path, whole, in part and by row", () => {
    write(good);
    const weights = fileWeights(path, params);
    const whole = weights.read("linear.w", 0, 6);
    expect(whole).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6));
    expect(weights.read("linear.w", 2, 2)).toEqual(Float32Array.of(3, 4));
    expect(weights.read("linear.w", 2, 2).buffer).toBe(whole.buffer);
    expect(weights.read("linear.b", 0, 3)).toEqual(Float32Array.of(0.1, 0.2, 0.3));
    expect(weights.read("users", 6, 2)).toEqual(Float32Array.of(6, 7));
    expect([weights.has("linear.w"), weights.has("aux.w")]).toEqual([true, false]);
    weights.close();
  });

  it("may hold what only training needs", () => {
    write({ ...good, "aux.w": { shape: [2], data: Float32Array.of(1, 2) } });
    const weights = fileWeights(path, params);
    expect(weights.has("aux.w")).toBe(true);
    weights.close();
  });
});

it("everything that does not fit is listed at once", () => {
  const { users } = good;
  const error = failure({
    "linear.w": { shape: [3, 2], data: new Float32Array(6) },
    "liner.b": { shape: [3], data: new Float32Array(3) },
    users: { shape: [4, 2], data: Int32Array.from(users?.data as Float32Array) },
    "aux.w": { shape: [], data: new Float32Array(1) },
    zzzzzzzz: { shape: [], data: new Float32Array(1) },
  });
  expect(error).toMatchObject({ code: "RMX0602", exit: 1 });
  expect(error.notes).toEqual([
    "missing: `linear.b` [3]",
    "wrong shape: `linear.w` has shape [3, 2], the model declares [2, 3]",
    "wrong type: `users` is I32; a parameter is one of F64, F32, F16, BF16, F8_E4M3, F8_E5M2 and I8",
    "wrong shape: `aux.w` has shape [], the model declares [2]",
    "unknown: `liner.b` (did you mean `linear.b`?)",
    "unknown: `zzzzzzzz`",
  ]);
});

describe("a value that is not finite", () => {
  const fails = (tensors: Record<string, TensorData>, name: string, start: number, count: number): void => {
    write(tensors);
    const weights = fileWeights(path, params);
    try {
      weights.read(name, start, count);
    } finally {
      weights.close();
    }
  };
  const message = expect.objectContaining({ code: "RMX0603" });

  it("in a parameter is named with its index", () => {
    const w = { shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, NaN, 6) };
    expect(() => fails({ ...good, "linear.w": w }, "linear.w", 0, 6)).toThrow(message);
    expect(() => fails({ ...good, "linear.w": w }, "linear.w", 3, 3)).toThrow(
      expect.objectContaining({ notes: ["`linear.w` is NaN at [1, 1]"] }),
    );
  });

  it("in a table is found when its row is read, and not before", () => {
    const users = { shape: [4, 2], data: Float32Array.of(0, 1, 2, 3, 4, Infinity, 6, 7) };
    expect(() => fails({ ...good, users }, "users", 2, 2)).not.toThrow();
    expect(() => fails({ ...good, users }, "users", 4, 2)).toThrow(
      expect.objectContaining({ notes: ["`users` is Infinity at [2, 1]"] }),
    );
  });

  it("arises from an f64 beyond the range of f32", () => {
    const b = { shape: [3], data: Float64Array.of(0, 1e300, 0) };
    expect(() => fails({ ...good, "linear.b": b }, "linear.b", 0, 3)).toThrow(message);
  });
});
