/** @file Random Graphs over the whole op set: user and item features, parameters, constants, views and every anchor. */
import { GraphBuilder } from "../../src/ir/build.ts";
import type { Graph, Operand } from "../../src/ir/graph.ts";
import { type IndexMap, permuteMap, reshapeMap, selectMap, sliceMap } from "../../src/ir/indexmap.ts";
import { seeded } from "./random.ts";

const UNARY = ["neg", "relu", "gelu", "sigmoid", "tanh", "silu", "abs"] as const;
const BINARY = ["add", "sub", "mul", "max", "min"] as const;

export function randomGraph(seed: number, size: number): Graph {
  const random = seeded(seed);
  const below = (n: number): number => Math.floor(random() * n);
  const pick = <T>(items: readonly T[]): T => items[below(items.length)];
  const b = new GraphBuilder();
  const table = { path: "table", rows: 7 };
  b.declareParam(param("table", [7, 4], true));
  const pool: Operand[] = [];
  const shape = (o: Operand): number[] => b.typeOf(o).shape as number[];
  const put = (o: Operand): void => {
    const s = shape(o);
    if (s.length <= 4 && s.reduce((p, x) => p * x, 1) <= 400) pool.push(o);
  };
  let count = 0;
  const path = (): string => `v${count++}`;
  const newParam = (s: number[]): Operand => b.param(param(`p${count++}`, s, false));
  for (const stage of ["user", "item"] as const) {
    put(b.feature({ name: `${stage}_dense`, stage, dtype: "f32", shape: [3, 4] }));
    put(b.feature({ name: `${stage}_wide`, stage, dtype: "f32", shape: [6] }));
    const ids = b.feature({ name: `${stage}_ids`, stage, dtype: "i32", shape: [3], table });
    put(b.add({ kind: "lookup" }, [b.param(param("table", [7, 4], true)), ids], { path: `${stage}_emb` }));
  }
  put(newParam([3, 4]));

  const same = (s: readonly number[]): Operand[] => pool.filter((o) => shape(o).join() === s.join());
  const steps: (() => Operand | undefined)[] = [
    () => b.pointwise(pick(UNARY), [pick(pool)], path()),
    () => {
      const x = pick(pool);
      return b.pointwise(pick(BINARY), [x, pick(same(shape(x)))], path());
    },
    () => b.pointwise(pick(["add", "mul"] as const), [pick(pool), b.constant(pick([0, 1, 0.5, -2]))], path()),
    () => {
      const x = pick(pool);
      return b.view(x, viewOf(shape(x)), path());
    },
    () => {
      const x = pick(pool);
      if (shape(x).length === 0) return undefined;
      const axis = below(shape(x).length);
      return b.add({ kind: "concat", axis }, [x, pick(same(shape(x))), ...(random() < 0.3 ? [x] : [])], {
        path: path(),
      });
    },
    () => {
      const x = pick(pool);
      if (shape(x).length === 0) return undefined;
      return b.add(
        { kind: "pad", axis: below(shape(x).length), before: below(2), after: below(3), fill: 0 },
        [x],
        { path: path() },
      );
    },
    () => {
      const x = pick(pool);
      const s = shape(x);
      if (s.length === 0) return undefined;
      const labels = s.map((_, i) => i);
      const k = below(s.length);
      const w = newParam([
        ...(random() < 0.5 && s.length > 1 ? [s[(k + 1) % s.length]] : []),
        s[k],
        pick([1, 3, 5, 8]),
      ]);
      const shared = shape(w).length === 3 ? [(k + 1) % s.length] : [];
      const out = [...labels.filter((l) => l !== k), 9];
      return b.einsum(
        [
          [x, labels],
          [w, [...shared, k, 9]],
        ],
        out,
        path(),
      );
    },
    () => {
      const x = pick(pool);
      const y = pick(pool);
      const [p, q] = [shape(x), shape(y)];
      if (p.length < 1 || p.length > 2 || q.length < 1 || q.length > 2) return undefined;
      if (p[p.length - 1] !== q[q.length - 1]) return undefined;
      const labelsX = p.length === 2 ? [0, 5] : [5];
      const labelsY = q.length === 2 ? [1, 5] : [5];
      return b.einsum(
        [
          [x, labelsX],
          [y, labelsY],
        ],
        [...labelsX, ...labelsY].filter((l) => l !== 5),
        path(),
      );
    },
    () => {
      const x = pick(pool);
      const s = shape(x);
      if (s.length === 0) return undefined;
      return b.add(
        {
          kind: "reduce",
          fn: pick(["sum", "mean", "max", "min"] as const),
          axes: [below(s.length)],
          keep: random() < 0.3,
        },
        [x],
        { path: path() },
      );
    },
    () => {
      const x = pick(pool);
      if (shape(x).length === 0) return undefined;
      return b.add({ kind: "normalize", norm: pick(["layer", "rms", "l2"] as const), eps: 1e-3 }, [x], {
        path: path(),
      });
    },
    () => {
      const x = pick(pool);
      if (shape(x).length === 0) return undefined;
      return b.add({ kind: "softmax", axis: below(shape(x).length) }, [x], { path: path() });
    },
    () => {
      const x = pick(pool);
      const s = shape(x);
      const mask = b.data(
        Uint8Array.from({ length: s.reduce((p, v) => p * v, 1) }, () => below(2)),
        s,
      );
      return b.pointwise("where", [mask, x, b.constant(0)], path());
    },
    () => {
      const x = pick(pool);
      const s = shape(x);
      if (s.length === 0) return undefined;
      const axis = below(s.length);
      const k = 1 + below(s[axis]);
      const mask = b.add({ kind: "top_k_mask", k, axis }, [x], { path: path() });
      return b.pointwise("where", [mask, x, b.constant(0)], path());
    },
    () => {
      const x = pick(pool);
      const s = shape(x);
      if (s.length < 1 || s.length > 2) return undefined;
      const axis = s.length - 1;
      const index = b.add({ kind: "top_k_index", k: 1 + below(s[axis]), axis }, [x], { path: path() });
      return b.add({ kind: "take", axis }, [x, index], { path: path() });
    },
  ];
  function viewOf(s: readonly number[]): IndexMap {
    const choice = s.length === 0 ? 1 : below(4);
    if (choice === 0) return permuteMap(s, shuffled(s.map((_, i) => i)));
    if (choice === 1) {
      const total = s.reduce((p, v) => p * v, 1);
      const inner = pick([1, 2, 3, 4, 6].filter((d) => total % d === 0));
      return reshapeMap(s, [total / inner, inner]);
    }
    const axis = below(s.length);
    if (choice === 2 && s.length > 1) return selectMap(s, axis, below(s[axis]));
    const start = below(s[axis]);
    return sliceMap(s, axis, start, 1 + below(s[axis] - start));
  }
  function shuffled(items: number[]): number[] {
    for (let i = items.length - 1; i > 0; i--) {
      const j = below(i + 1);
      [items[i], items[j]] = [items[j], items[i]];
    }
    return items;
  }

  while (b.size < size) {
    const made = pick(steps)();
    if (made) put(made);
  }
  const last = pool.slice(-3);
  return b.finish({
    name: `random${seed}`,
    outputs: last.map((o, i) => ({
      name: `task${i}`,
      value: { id: o.id, ...(o.map ? { map: o.map } : {}) },
      shape: shape(o),
    })),
    precision: { compute: "f32", parts: [], derived: [] },
    serve: { requests: 4, candidates: 64 },
  });
}

function param(path: string, shape: readonly number[], table: boolean): Parameters<GraphBuilder["param"]>[0] {
  return {
    path,
    shape,
    init: { kind: "normal", std: 1 },
    table,
    training: false,
    storage: { element: "f32" },
  };
}
