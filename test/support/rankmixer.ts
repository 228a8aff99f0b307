/** @file RankMixer as a Graph built by hand, for tests of passes that should not depend on the language. */

import { GraphBuilder } from "../../src/ir/build.ts";
import { add, axis, floordiv, int, mod, mul } from "../../src/ir/expr.ts";
import type { Graph, Operand } from "../../src/ir/graph.ts";

export interface RankMixerSizes {
  readonly T: number;
  readonly U: number;
  readonly D: number;
  readonly L: number;
}

/** X ← LN(Mix(X) + X); X ← LN(FFN(X) + X), L times, over U user and T − U item tokens; one sigmoid task on the mean. */
export function rankMixer({ T, U, D, L }: RankMixerSizes): Graph {
  const b = new GraphBuilder();
  const param = (path: string, ...shape: number[]): Operand =>
    b.param({
      path,
      shape,
      init: { kind: "normal", std: 1 },
      table: false,
      training: false,
      storage: { element: "f32" },
    });
  const tokens = (name: string, stage: "user" | "item", rows: number): Operand => {
    const x = b.feature({ name, stage, dtype: "f32", shape: [8] });
    const w = param(`x.${name}.w`, rows, 8, D);
    return b.einsum(
      [
        [x, [1]],
        [w, [0, 1, 2]],
      ],
      [0, 2],
      `x.${name}`,
    );
  };
  let x: Operand = b.add(
    { kind: "concat", axis: 0 },
    [tokens("user_tokens", "user", U), tokens("item_tokens", "item", T - U)],
    { path: "x" },
  );
  const e = D / T;
  const mixing = {
    out: [T, D],
    index: [floordiv(axis("i1", D), int(e)), add(mul(axis("i0", T), int(e)), mod(axis("i1", D), int(e)))],
  };
  const norm = (value: Operand, path: string): Operand => {
    const n = b.add({ kind: "normalize", norm: "layer", eps: 1e-5 }, [value], { path });
    const scaled = b.pointwise("mul", [n, param(`${path}.gain`, D)], path);
    return b.pointwise("add", [scaled, param(`${path}.bias`, D)], path);
  };
  for (let l = 0; l < L; l++) {
    const at = `layers.${l}.block`;
    const mixed = b.view(x, mixing, `${at}.token_mixing`);
    const s = norm(b.pointwise("add", [mixed, x], at), `${at}.norm1`);
    const up = b.einsum(
      [
        [s, [0, 1]],
        [param(`${at}.ffn.w1`, T, D, 2 * D), [0, 1, 2]],
      ],
      [0, 2],
      `${at}.ffn.h`,
    );
    const h = b.pointwise(
      "gelu",
      [b.pointwise("add", [up, param(`${at}.ffn.b1`, T, 2 * D)], `${at}.ffn.h`)],
      `${at}.ffn.h`,
    );
    const down = b.einsum(
      [
        [h, [0, 1]],
        [param(`${at}.ffn.w2`, T, 2 * D, D), [0, 1, 2]],
      ],
      [0, 2],
      `${at}.ffn`,
    );
    const y = b.pointwise("add", [down, param(`${at}.ffn.b2`, T, D)], `${at}.ffn`);
    x = norm(b.pointwise("add", [y, s], at), `${at}.norm2`);
  }
  const pooled = b.add({ kind: "reduce", fn: "mean", axes: [0], keep: false }, [x], { path: "pooled" });
  const logit = b.einsum(
    [
      [pooled, [0]],
      [param("finish.linear.w", D, 1), [0, 1]],
    ],
    [1],
    "finish.linear",
  );
  const score = b.pointwise("sigmoid", [logit], "finish");
  return b.finish({
    name: "rankmixer",
    outputs: [{ name: "finish", value: { id: score.id }, shape: [1], logit: { id: logit.id } }],
    precision: { compute: "f32", parts: [], derived: [] },
    serve: { requests: 4, candidates: 64 },
  });
}
