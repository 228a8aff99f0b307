import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { InputError } from "../../src/ir/error.ts";
import type { FeatureInfo } from "../../src/ir/graph.ts";
import { readInputs, writeInputs, writeOutputs } from "../../src/runtime/datafiles.ts";
import { drawnInputs } from "../../src/runtime/drawninputs.ts";
import { checkInputs, checkRequest, type FeatureValues, sliceRows } from "../../src/runtime/inputs.ts";
import { SafetensorsFile, type TensorData, writeSafetensors } from "../../src/runtime/safetensors.ts";

const folder = mkdtempSync(join(tmpdir(), "rmxc-inputs-"));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, "in.safetensors");

const videos = { path: "videos", rows: 10 };
const features: FeatureInfo[] = [
  { name: "uid", stage: "user", dtype: "i32", shape: [], table: { path: "users", rows: 5 } },
  { name: "watched", stage: "user", dtype: "i32", shape: [3], table: videos, length: "watched.length" },
  { name: "watched.length", stage: "user", dtype: "i32", shape: [], lengthOf: { max: 3 } },
  { name: "hist.when", stage: "user", dtype: "f32", shape: [2, 2], length: "hist.length" },
  { name: "hist.length", stage: "user", dtype: "i32", shape: [], lengthOf: { max: 2 } },
  { name: "vid", stage: "item", dtype: "i32", shape: [], table: videos },
  { name: "stats", stage: "item", dtype: "f32", shape: [2] },
];

const user: FeatureValues = {
  uid: [0, 4],
  watched: [1, 2, 3, 9, -1, 77],
  "watched.length": [3, 1],
  "hist.when": [1, 2, 3, 4, 5, 6, NaN, 8],
  "hist.length": [2, 1],
};
const item: FeatureValues = { vid: [0, 9, 3], stats: [1, 2, 3, 4, 5, 6] };

function failure(run: () => unknown): { code: string; notes: readonly string[] } {
  try {
    run();
  } catch (error) {
    if (error instanceof InputError) return { code: error.code, notes: error.notes };
    throw error;
  }
  throw new Error("the input was accepted");
}

const userWith = (changed: FeatureValues) => () => checkInputs(features, "user", { ...user, ...changed });
const itemWith = (changed: FeatureValues) => () => checkInputs(features, "item", { ...item, ...changed });

describe("inputs that fit", () => {
  it("get the declared element types, and zeros behind a list's length", () => {
    const { rows, features: checked } = checkInputs(features, "user", user);
    expect(rows).toBe(2);
    expect(checked.get("watched")).toEqual(Int32Array.of(1, 2, 3, 9, 0, 0));
    expect(checked.get("hist.when")).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6, 0, 0));
    expect(checked.get("watched.length")).toEqual(Int32Array.of(3, 1));
  });

  it("leave the caller's arrays as they were", () => {
    const watched = Int32Array.of(1, 2, 3, 9, -1, 77);
    userWith({ watched })();
    expect(watched).toEqual(Int32Array.of(1, 2, 3, 9, -1, 77));
  });

  it("may leave lengths out: all entries are real", () => {
    const { "watched.length": _, ...rest } = user;
    expect(failure(() => checkInputs(features, "user", rest))).toMatchObject({ code: "RMX0704" });
    const { features: checked } = checkInputs(features, "user", { ...rest, watched: [1, 2, 3, 4, 5, 6] });
    expect(checked.get("watched.length")).toEqual(Int32Array.of(3, 3));
  });

  it("may hold no rows", () => {
    expect(checkInputs(features, "item", { vid: [], stats: [] }).rows).toBe(0);
  });

  it("say nothing where there are no features", () => {
    expect(checkInputs([], "user", {}).rows).toBe(1);
    expect(checkInputs([], "item", {}, 4).rows).toBe(4);
    expect(failure(() => checkInputs([], "item", {}))).toMatchObject({ code: "RMX0703" });
  });

  it("are cut into rows without copying", () => {
    const checked = checkInputs(features, "item", item);
    const cut = sliceRows(features, checked, 1, 3);
    expect(cut.rows).toBe(2);
    expect(cut.features.get("stats")).toEqual(Float32Array.of(3, 4, 5, 6));
    expect(cut.features.get("stats")?.buffer).toBe(checked.features.get("stats")?.buffer);
  });
});

describe("inputs that do not fit", () => {
  it.each<[string, () => unknown, string, string]>([
    [
      "an id beyond its table",
      itemWith({ vid: [0, 10, 3] }),
      "RMX0704",
      "candidate 1 is 10; the table `videos` has the rows 0 to 9",
    ],
    [
      "a negative id",
      userWith({ uid: [0, -1] }),
      "RMX0704",
      "request 1 is -1; the table `users` has the rows 0 to 4",
    ],
    [
      "an id inside a list",
      userWith({ watched: [1, 2, 10, 9, 0, 0] }),
      "RMX0704",
      "request 0, entry 2 is 10; the table `videos` has the rows 0 to 9",
    ],
    ["a fractional id", itemWith({ vid: [0, 1.5, 3] }), "RMX0705", "candidate 1 is 1.5"],
    ["an id beyond 32 bits", itemWith({ vid: [0, 2 ** 31, 3] }), "RMX0705", "candidate 1 is 2147483648"],
    ["a length beyond the maximum", userWith({ "watched.length": [4, 0] }), "RMX0706", "request 0 is 4"],
    ["a negative length", userWith({ "hist.length": [0, -1] }), "RMX0706", "request 1 is -1"],
    ["NaN", itemWith({ stats: [1, 2, 3, NaN, 5, 6] }), "RMX0708", "candidate 1, entry 1 is NaN"],
    [
      "an f64 beyond f32",
      itemWith({ stats: [1, 2, 3, 4, 5, 1e300] }),
      "RMX0708",
      "candidate 2, entry 1 is Infinity",
    ],
  ])("%s", (_, run, code, note) => expect(failure(run)).toEqual({ code, notes: [note] }));

  it("names and sizes are listed at once", () => {
    const wrong = { stats: [1, 2, 3], vdi: [1], extra: [1] };
    expect(failure(() => checkInputs(features, "item", wrong))).toEqual({
      code: "RMX0703",
      notes: [
        "missing: `vid` i32 [N]",
        "wrong size: `stats` has 3 values, no multiple of 2 a candidate",
        "unknown: `vdi` is no item feature of the model",
        "unknown: `extra` is no item feature of the model",
      ],
    });
    expect(failure(itemWith({ vid: [1] }))).toEqual({
      code: "RMX0703",
      notes: ["wrong size: `stats` has 3 candidates, `vid` has 1"],
    });
  });

  it("requests of candidates", () => {
    expect(checkRequest(undefined, 3, 1)).toEqual(Int32Array.of(0, 0, 0));
    expect(checkRequest([1, 0, 1], 3, 2)).toEqual(Int32Array.of(1, 0, 1));
    expect(failure(() => checkRequest(undefined, 3, 2)).code).toBe("RMX0707");
    expect(failure(() => checkRequest([0, 2, 0], 3, 2))).toEqual({
      code: "RMX0707",
      notes: ["candidate 1 says 2; the requests are 0 to 1"],
    });
    expect(failure(() => checkRequest([0, 0], 3, 2)).code).toBe("RMX0703");
  });
});

describe("drawn inputs", () => {
  const drawn = drawnInputs(features, { requests: 400, candidates: 2000, seed: 5 });
  const of = (name: string) => drawn.features.get(name) ?? new Int32Array();

  it("pass the checks and cover what is allowed", () => {
    for (const stage of ["user", "item"] as const) {
      const values: Record<string, ArrayLike<number>> = {};
      for (const feature of features) if (feature.stage === stage) values[feature.name] = of(feature.name);
      expect(checkInputs(features, stage, values).rows).toBe(stage === "user" ? 400 : 2000);
    }
    expect(new Set(of("vid")).size).toBe(10);
    expect(new Set(of("watched.length"))).toEqual(new Set([0, 1, 2, 3]));
    const stats = Array.from(of("stats"));
    expect(Math.abs(stats.reduce((a, b) => a + b, 0) / stats.length)).toBeLessThan(
      5 / Math.sqrt(stats.length),
    );
  });

  it("hold zeros behind a list's length", () => {
    const lengths = of("watched.length");
    const watched = of("watched");
    lengths.forEach((length, r) => {
      for (let i = length; i < 3; i++) expect(watched[r * 3 + i]).toBe(0);
    });
  });

  it("spread candidates over requests, in order or shuffled", () => {
    const options = { requests: 3, candidates: 7 };
    expect(drawnInputs(features, options).request).toEqual(Int32Array.of(0, 0, 0, 1, 1, 2, 2));
    const { request } = drawnInputs(features, { requests: 40, candidates: 400, shuffled: true });
    expect(request.toSorted()).toEqual(drawnInputs(features, { requests: 40, candidates: 400 }).request);
    expect(request).not.toEqual(request.toSorted());
  });
});

describe("files", () => {
  const write = (tensors: Record<string, TensorData>): void =>
    writeSafetensors(path, new Map(Object.entries(tensors)));
  const tensors: Record<string, TensorData> = {
    uid: { shape: [2], data: BigInt64Array.of(0n, 4n) },
    watched: { shape: [2, 3], data: Int32Array.of(1, 2, 3, 4, 5, 6) },
    "hist.when": { shape: [2, 2, 2], data: Float64Array.of(1, 2, 3, 4, 5, 6, 7, 8) },
    vid: { shape: [3], data: Uint8Array.of(0, 9, 3) },
    stats: { shape: [3, 2], data: Float32Array.of(1, 2, 3, 4, 5, 6) },
    request: { shape: [3], data: BigInt64Array.of(1n, 0n, 1n) },
  };

  it("are read as they were written", () => {
    const drawn = drawnInputs(features, { requests: 3, candidates: 5, seed: 2, shuffled: true });
    writeInputs(path, drawn, features);
    expect(readInputs(path, features)).toEqual(drawn);
  });

  it("may hold other element types and leave lengths out", () => {
    write(tensors);
    const inputs = readInputs(path, features);
    expect(inputs).toMatchObject({ requests: 2, candidates: 3, request: Int32Array.of(1, 0, 1) });
    expect(inputs.features.get("uid")).toEqual(Int32Array.of(0, 4));
    expect(inputs.features.get("watched.length")).toEqual(Int32Array.of(3, 3));
    expect(inputs.features.get("hist.when")).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8));
  });

  it("may hold no candidates", () => {
    write({
      ...tensors,
      vid: { shape: [0], data: new Int32Array() },
      stats: { shape: [0, 2], data: new Float32Array() },
      request: { shape: [0], data: new Int32Array() },
    });
    expect(readInputs(path, features)).toMatchObject({ requests: 2, candidates: 0 });
  });

  it("list everything that does not fit", () => {
    write({
      ...tensors,
      uid: { shape: [2], data: Float32Array.of(0, 1) },
      stats: { shape: [3], data: Float32Array.of(1, 2, 3) },
      request: { shape: [3, 1], data: new Int32Array(3) },
      watchd: { shape: [1], data: new Int32Array(1) },
    });
    expect(failure(() => readInputs(path, features))).toEqual({
      code: "RMX0703",
      notes: [
        "wrong type: `uid` is F32 [2], the model declares i32 [R]",
        "wrong shape: `stats` is F32 [3], the model declares f32 [N, 2]",
        "wrong: `request` is I32 [3, 1], it must be integers [N]",
        "unknown: `watchd` is no feature of the model",
      ],
    });
  });

  it("say where an id does not fit 32 bits, and that requests are missing", () => {
    write({ ...tensors, uid: { shape: [2], data: BigInt64Array.of(0n, -(2n ** 40n)) } });
    expect(failure(() => readInputs(path, features))).toEqual({
      code: "RMX0705",
      notes: ["request 1 is -1099511627776"],
    });
    const { request: _, ...rest } = tensors;
    write(rest);
    expect(failure(() => readInputs(path, features)).code).toBe("RMX0707");
  });

  it("scores are written by task, [] and [1] as [N]", () => {
    const scores = new Map([
      ["like", Float32Array.of(1, 2)],
      ["one", Float32Array.of(3, 4)],
      ["many", Float32Array.of(1, 2, 3, 4, 5, 6)],
    ]);
    writeOutputs(path, scores, [
      { task: "like", shape: [] },
      { task: "one", shape: [1] },
      { task: "many", shape: [3] },
    ]);
    const file = SafetensorsFile.open(path, { code: "RMX0701", noun: "file" });
    expect(["like", "one", "many"].map((name) => file.info(name).shape)).toEqual([[2], [2], [2, 3]]);
    expect(file.readFloats("many")).toEqual(scores.get("many"));
    file.close();
    expect(failure(() => writeOutputs(join(folder, "no/where"), scores, [])).code).toBe("RMX0702");
  });
});
