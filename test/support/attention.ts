/** @file Attention in many forms as a Graph: queries and keys of either stage, masks and biases as expressions, softmax or not. */
import { GraphBuilder } from "../../src/ir/build.ts";
import type { Graph, Operand } from "../../src/ir/graph.ts";
import { broadcastMap } from "../../src/ir/indexmap.ts";

export const MASKS = ["causal", "window", "prefix", "length", "class", "nothing"] as const;
export type Mask = (typeof MASKS)[number];

export interface AttentionForm {
  readonly queries: "user" | "item";
  /** `both`: the user's keys, then the item's. */
  readonly keys: "user" | "item" | "both";
  /** Heads; 0: no such axis. */
  readonly H: number;
  /** Queries; 0: one, without an axis. */
  readonly I: number;
  readonly J: number;
  readonly K: number;
  readonly E: number;
  readonly fn: "softmax" | "silu";
  readonly masks?: readonly Mask[];
  /** Adds a bias looked up by the clamped distance of i and j. */
  readonly bias?: boolean;
  /** Multiplies the weights afterwards by a value of (i, j). */
  readonly gain?: boolean;
  /** Activation and residual after the product. */
  readonly epilogue?: boolean;
}

const [BATCH_FREE_H, I_LABEL, J_LABEL, K_LABEL, E_LABEL] = [0, 1, 2, 3, 4];

/** o[h, i, e] = Σ_j f(q[h, i] · k[h, j], i, j) v[h, j, e], one output `o`. */
export function attention(form: AttentionForm): Graph {
  const { H, I, J, K, E, fn, masks = [] } = form;
  const b = new GraphBuilder();
  const heads = H > 0 ? [H] : [];
  const rows = I > 0 ? [I] : [];
  const h = H > 0 ? [BATCH_FREE_H] : [];
  const i = I > 0 ? [I_LABEL] : [];
  const value = (name: string, stage: "user" | "item", shape: number[]): Operand =>
    b.feature({ name, stage, dtype: "f32", shape });
  const keyed = (name: string, width: number): Operand => {
    if (form.keys !== "both") return value(name, form.keys, [J, ...heads, width]);
    const user = value(`${name}_user`, "user", [J - 1, ...heads, width]);
    const item = value(`${name}_item`, "item", [1, ...heads, width]);
    return b.add({ kind: "concat", axis: 0 }, [user, item], { path: name });
  };
  const q = value("q", form.queries, [...rows, ...heads, K]);
  const k = keyed("k", K);
  const v = keyed("v", E);
  let s: Operand = b.einsum(
    [
      [q, [...i, ...h, K_LABEL]],
      [k, [J_LABEL, ...h, K_LABEL]],
    ],
    [...h, ...i, J_LABEL],
    "scores",
  );
  s = b.pointwise("mul", [s, b.constant(1 / Math.sqrt(K))], "scaled");
  const pair = [...rows, J];
  const qpos = b.view(
    b.add({ kind: "iota" }, [], { path: "i", type: { shape: [Math.max(1, I)], dtype: "i32" } }),
    I > 0 ? broadcastMap([I], pair, [0]) : broadcastMap([1], pair, [0]),
    "qpos",
  );
  const kpos = b.view(
    b.add({ kind: "iota" }, [], { path: "j", type: { shape: [J], dtype: "i32" } }),
    broadcastMap([J], pair, [pair.length - 1]),
    "kpos",
  );
  const integer = (n: number): Operand => b.constant(n, [], "i32");
  if (form.bias) {
    const table = param(b, "bias", [4]);
    const away = b.pointwise("abs", [b.pointwise("sub", [qpos, kpos], "away")], "away");
    const bucket = b.pointwise("min", [away, integer(3)], "bucket");
    s = b.pointwise("add", [s, b.add({ kind: "lookup" }, [table, bucket], { path: "bias" })], "biased");
  }
  if (fn === "silu") s = b.pointwise("silu", [s], "activated");
  const length =
    masks.includes("length") &&
    b.feature({ name: "hist.length", stage: "user", dtype: "i32", shape: [], lengthOf: { max: J } });
  const keep = (mask: Mask): Operand => {
    switch (mask) {
      case "causal":
        return b.pointwise("le", [kpos, qpos], mask);
      case "window":
        return b.pointwise("lt", [b.pointwise("sub", [qpos, kpos], mask), integer(3)], mask);
      case "prefix":
        return b.pointwise(
          "or",
          [b.pointwise("lt", [kpos, integer(2)], mask), b.pointwise("ge", [qpos, kpos], mask)],
          mask,
        );
      case "length":
        if (!length) throw new Error("no length");
        return b.pointwise("lt", [kpos, length], mask);
      case "class":
        return b.data(
          Uint8Array.from({ length: Math.max(1, I) * J }, (_, n) => ((n * 7) % 5 < 3 ? 1 : 0)),
          pair,
          mask,
        );
      case "nothing":
        return b.pointwise("ne", [qpos, integer(0)], mask);
    }
  };
  const nothing = b.constant(fn === "softmax" ? Number.NEGATIVE_INFINITY : 0);
  for (const mask of masks) s = b.pointwise("where", [keep(mask), s, nothing], `${mask}_masked`);
  const last = H > 0 ? pair.length : pair.length - 1;
  if (fn === "softmax") s = b.add({ kind: "softmax", axis: last }, [s], { path: "weights" });
  if (form.gain) {
    const factor = b.pointwise("to_num", [b.pointwise("add", [qpos, kpos], "gain")], "gain");
    s = b.pointwise("mul", [s, b.pointwise("mul", [factor, b.constant(0.25)], "gain")], "gained");
  }
  let o: Operand = b.einsum(
    [
      [s, [...h, ...i, J_LABEL]],
      [v, [J_LABEL, ...h, E_LABEL]],
    ],
    [...i, ...h, E_LABEL],
    "attended",
  );
  const shape = [...rows, ...heads, E];
  if (form.epilogue) {
    o = b.pointwise("relu", [b.pointwise("add", [o, param(b, "b", [E])], "shifted")], "activated");
    o = b.pointwise("add", [o, value("residual", form.queries, shape)], "residual");
  }
  return b.finish({
    name: "attention",
    outputs: [{ name: "o", value: o.map ? { id: o.id, map: o.map } : { id: o.id }, shape }],
    precision: { compute: "f32", parts: [], derived: [] },
    serve: { requests: 4, candidates: 64 },
  });
}

function param(b: GraphBuilder, path: string, shape: readonly number[]): Operand {
  return b.param({
    path,
    shape,
    init: { kind: "normal", std: 1 },
    table: false,
    training: false,
    storage: { element: "f32" },
  });
}
