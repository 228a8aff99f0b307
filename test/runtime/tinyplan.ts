/**
 * @file A plan written by hand that touches every kind of home: y[n] = Σ_d (x[n, d] + u[r, d] · w[d]) + big[id[n]][0] + L[n mod 6],
 * where r is the candidate's request, L[j] = Σ_d p[j, d] is computed at load from slices of p, and rows are padded to 4.
 */
import type { FeatureInfo, ParamInfo, Stage } from "../../src/ir/graph.ts";
import type { Element, Home, KernelText, Plan, PlanValue } from "../../src/ir/plan.ts";
import type { Profile } from "../../src/ir/profile.ts";
import type { GridAxis, Slicing, TileKernel } from "../../src/ir/tile.ts";

export const BIG_ROWS = 100;

const features: FeatureInfo[] = [
  { name: "u", stage: "user", dtype: "f32", shape: [3] },
  { name: "x", stage: "item", dtype: "f32", shape: [3] },
  { name: "id", stage: "item", dtype: "i32", shape: [], table: { path: "big", rows: BIG_ROWS } },
];

function param(path: string, shape: number[], table = false): ParamInfo {
  return {
    path,
    shape,
    table,
    training: false,
    init: { kind: "normal", std: 1 },
    storage: { element: "f32" },
  };
}

export const params = [param("w", [3]), param("p", [6, 3]), param("big", [BIG_ROWS, 4], true)];

const values: PlanValue[] = [];
function value(
  name: string,
  shape: PlanValue["shape"],
  strides: number[],
  unit: number,
  home: Home,
  element: Element = "f32",
): number {
  values.push({ id: values.length, name, element, shape, strides, unit, home });
  return values.length - 1;
}
export const W = value("w", [3], [1], 4, { kind: "param", path: "w" });
export const U = value("u", ["R", 3], [4, 1], 4, { kind: "input", feature: "u", stage: "user" });
export const SLOTS = value("slots", ["R"], [1], 1, { kind: "slots" }, "i32");
export const K = value("k", ["R", 3], [4, 1], 4, { kind: "kept" });
export const X = value("x", ["N", 3], [4, 1], 4, { kind: "input", feature: "x", stage: "item" });
export const REQUEST = value("request", ["N"], [1], 1, { kind: "request" }, "i32");
export const T = value("t", ["N", 3], [4, 1], 4, { kind: "temp", stage: "item", slot: 0 });
export const Y = value("y", ["N"], [1], 1, { kind: "output", task: "y" });
export const ID = value("id", ["N"], [1], 1, { kind: "input", feature: "id", stage: "item" }, "i32");
export const BIG = value("big", ["N", 4], [4, 1], 4, {
  kind: "rows",
  path: "big",
  stage: "item",
  features: ["id"],
});
export const P = value("p", [6, 3], [4, 1], 24, { kind: "param", path: "p" });
export const L = value("L", [6], [1], 6, { kind: "load" });

const TILE = 64;

function kernel(name: string, stage: Stage, axis: Omit<GridAxis, "tile">, slicing?: Slicing): TileKernel {
  return {
    name,
    stage,
    grid: [{ ...axis, tile: TILE }],
    inner: [],
    body: [],
    buffers: [],
    lowering: { kind: "element", threads: TILE, vector: 1 },
    about: { fused: [], flops: 0, bytes: { fixed: 0, perRow: 0 } },
    roots: [],
    ...(slicing && { slicing }),
  };
}

const ranges = [
  { from: 0, to: 2 },
  { from: 2, to: 4 },
  { from: 4, to: 6 },
];

export function tinyPlan(profile: Profile): Plan {
  return {
    format: 1,
    name: "tiny",
    profile,
    values,
    kernels: {
      load: [kernel("row_sums", "load", { name: "j", extent: 6 }, { axis: "j", values: [P], ranges })],
      user: [kernel("weigh", "user", { name: "r", extent: { of: "R", times: 1 } })],
      item: [
        kernel("join", "item", { name: "n", extent: { of: "N", times: 1 } }),
        kernel("finish", "item", { name: "n", extent: { of: "N", times: 1 } }),
      ],
    },
    arenas: [
      { stage: "load", units: [] },
      { stage: "user", units: [] },
      { stage: "item", units: [4] },
    ],
    params,
    features,
    outputs: [
      { task: "y", shape: [], value: Y },
      { task: "y#logit", shape: [], value: Y },
    ],
    serve: { requests: 2, candidates: 8 },
  };
}

function text(
  name: string,
  stage: Stage,
  bindings: [number, "read" | "read_write", string][],
  body: string,
): KernelText {
  const declared = bindings.map(
    ([id, access, type], i) =>
      `@group(0) @binding(${i + 1}) var<storage, ${access}> ${values[id]?.name}_: array<${type}>;`,
  );
  return {
    name,
    stage,
    language: "wgsl",
    workgroup: TILE,
    bindings: bindings.map(([id, access]) => ({ value: id, access })),
    text: `struct Call { rows: i32, start: i32, end: i32, one: i32 }
@group(0) @binding(0) var<uniform> call: Call;
${declared.join("\n")}
@compute @workgroup_size(${TILE})
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = i32((wid.y * count.x + wid.x) * ${TILE}u + lane);
${body}
}
`,
  };
}

export const kernels: KernelText[] = [
  text(
    "row_sums",
    "load",
    [
      [P, "read", "vec4f"],
      [L, "read_write", "f32"],
    ],
    "  if (call.start + i >= call.end) { return; }\n  let v = p_[i]; L_[call.start + i] = v.x + v.y + v.z;",
  ),
  text(
    "weigh",
    "user",
    [
      [W, "read", "f32"],
      [U, "read", "f32"],
      [SLOTS, "read", "i32"],
      [K, "read_write", "f32"],
    ],
    "  if (i >= call.rows) { return; }\n  for (var d = 0; d < 3; d++) { k_[slots_[i] * 4 + d] = u_[i * 4 + d] * w_[d]; }",
  ),
  text(
    "join",
    "item",
    [
      [X, "read", "f32"],
      [REQUEST, "read", "i32"],
      [K, "read", "f32"],
      [T, "read_write", "f32"],
    ],
    "  if (i >= call.rows) { return; }\n  for (var d = 0; d < 3; d++) { t_[i * 4 + d] = x_[i * 4 + d] + k_[request_[i] * 4 + d]; }",
  ),
  text(
    "finish",
    "item",
    [
      [T, "read_write", "f32"],
      [ID, "read", "i32"],
      [BIG, "read", "vec4f"],
      [L, "read", "f32"],
      [Y, "read_write", "f32"],
    ],
    "  if (i >= call.rows) { return; }\n  y_[i] = t_[i * 4] + t_[i * 4 + 1] + t_[i * 4 + 2] + big_[id_[i]].x + L_[i % 6];",
  ),
];

/** The same in f64, by the formula at the head of this file. `first` is the candidate's number in its chunk's start. */
export function expected(
  read: (path: string, start: number, count: number) => ArrayLike<number>,
  u: ArrayLike<number>,
  x: ArrayLike<number>,
  id: ArrayLike<number>,
  request: ArrayLike<number>,
  chunk = Number.MAX_SAFE_INTEGER,
): number[] {
  const w = read("w", 0, 3);
  const p = read("p", 0, 18);
  return Array.from({ length: id.length }, (_, n) => {
    const j = (n % chunk) % 6;
    let y = Number(read("big", Number(id[n]) * 4, 1)[0]);
    for (let d = 0; d < 3; d++) {
      y += Number(x[n * 3 + d]) + Number(u[Number(request[n]) * 3 + d]) * Number(w[d]) + Number(p[j * 3 + d]);
    }
    return y;
  });
}
