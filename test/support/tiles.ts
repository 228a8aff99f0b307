/**
 * @file Tile kernels for tests, and what they mean: `meaningOf` visits every grid point and evaluates the body in f64 by
 * the definitions of `src/ir/tile.ts`, with no regard to how a device would do it.
 */
import type { AxisExtent, Expr, Extent } from "../../src/ir/expr.ts";
import type { PlanValue } from "../../src/ir/plan.ts";
import type { Profile } from "../../src/ir/profile.ts";
import { evaluateExpr } from "../../src/ir/scalar.ts";
import type { TileKernel, TileStmt } from "../../src/ir/tile.ts";

export const SOFTWARE: Profile = {
  name: "software",
  limits: {
    storageBinding: 1 << 27,
    bufferSize: 1 << 28,
    storageBuffers: 16,
    offsetAlignment: 256,
    workgroupMemory: 32768,
    workgroupSize: 1024,
    workgroups: 65535,
  },
  subgroup: { min: 8, max: 8 },
  features: { f16: false, software: true, timestamps: false },
};

/** A parameter, or an output, of a shape; rows of the last axis padded to multiples of `pad`. */
export function value(
  id: number,
  name: string,
  shape: readonly Extent[],
  options: { pad?: number; output?: boolean; element?: "f32" | "i32" } = {},
): PlanValue {
  const strides: number[] = [];
  let size = 1;
  for (let j = shape.length - 1; j >= 0; j--) {
    strides[j] = size;
    const extent = shape[j] ?? 1;
    if (typeof extent !== "number") break;
    size *=
      j === shape.length - 1 && options.pad !== undefined
        ? Math.ceil(extent / options.pad) * options.pad
        : extent;
  }
  return {
    id,
    name,
    element: options.element ?? "f32",
    shape,
    strides,
    unit: size,
    home: options.output === true ? { kind: "output", task: name } : { kind: "param", path: name },
  };
}

export function elementsOf(v: PlanValue, rows: number): number {
  return typeof v.shape[0] === "string" ? v.unit * rows : v.unit;
}

export function kernel(
  parts: Partial<TileKernel> & Pick<TileKernel, "grid" | "body" | "buffers" | "lowering">,
): TileKernel {
  return {
    name: "k",
    stage: "item",
    inner: [],
    about: { fused: ["a test"], flops: 0, bytes: { fixed: 0, perRow: 0 } },
    roots: [],
    ...parts,
  };
}

/** What the kernel writes, by value id; elements that it does not write are NaN. */
export function meaningOf(
  k: TileKernel,
  values: readonly PlanValue[],
  inputs: ReadonlyMap<number, ArrayLike<number>>,
  rows: number,
  range?: { from: number; to: number },
): Map<number, Float64Array> {
  const outputs = new Map<number, Float64Array>();
  for (const b of k.buffers) {
    const v = values[b.value] as PlanValue;
    if (b.access === "write") outputs.set(b.value, new Float64Array(elementsOf(v, rows)).fill(Number.NaN));
  }
  const size = (e: AxisExtent): number => (typeof e === "number" ? e : e.times * rows);
  const at = new Map<string, number>();
  const tiles = new Map<string, number>();
  const offset = (id: number, index: readonly number[]): number => {
    const v = values[id] as PlanValue;
    return index.reduce((sum, i, j) => sum + i * (v.strides[j] ?? 0), 0);
  };
  const evaluate = (e: Expr): number =>
    evaluateExpr(e, {
      axis: (name) => at.get(name) ?? Number.NaN,
      tile: (name) => tiles.get(name) ?? Number.NaN,
      load: (id, index) => inputs.get(id)?.[offset(id, index)] ?? Number.NaN,
    });
  const over = (names: readonly string[], visit: () => void): void => {
    const [first, ...rest] = names;
    if (first === undefined) {
      visit();
      return;
    }
    const extent = k.inner.find((a) => a.name === first)?.extent ?? 0;
    for (let i = 0; i < extent; i++) {
      at.set(first, i);
      over(rest, visit);
    }
  };
  const run = (s: TileStmt): void => {
    const list: number[] = [];
    switch (s.kind) {
      case "let":
        tiles.set(s.out, evaluate(s.value));
        return;
      case "dot":
        over([s.k], () => list.push(evaluate(s.a) * evaluate(s.b)));
        tiles.set(
          s.out,
          list.reduce((a, b) => a + b, 0),
        );
        return;
      case "reduce":
        over(s.over, () => list.push(evaluate(s.value)));
        tiles.set(
          s.out,
          s.fn === "sum"
            ? list.reduce((a, b) => a + b, 0)
            : s.fn === "max"
              ? Math.max(...list)
              : Math.min(...list),
        );
        return;
      case "moments": {
        over(s.over, () => list.push(evaluate(s.value)));
        const mean = list.reduce((a, b) => a + b, 0) / list.length;
        tiles.set(s.mean, mean);
        tiles.set(
          s.m2,
          list.reduce((a, b) => a + (b - mean) ** 2, 0),
        );
        return;
      }
      case "score": {
        const terms: number[] = [];
        over([s.j], () => {
          let score = 0;
          over([s.k], () => {
            score += evaluate(s.a) * evaluate(s.b);
          });
          tiles.set(s.score, score);
          list.push(evaluate(s.weight));
          terms.push(evaluate(s.v) * (s.gain === undefined ? 1 : evaluate(s.gain)));
        });
        // A row whose weights are all −∞ sees nothing: exp(−∞ − most) must not become exp(NaN).
        const most = s.norm === "softmax" ? Math.max(...list) : 0;
        const shares =
          s.norm === "softmax"
            ? list.map((w) => (w === most && most === Number.NEGATIVE_INFINITY ? 0 : Math.exp(w - most)))
            : list;
        const total = s.norm === "softmax" ? shares.reduce((a, b) => a + b, 0) : 1;
        const sum = shares.reduce((a, p, i) => a + (p === 0 ? 0 : p * (terms[i] as number)), 0);
        tiles.set(s.out, total === 0 ? 0 : sum / total);
        return;
      }
      case "store":
        over(s.over, () => {
          const target = outputs.get(s.target) as Float64Array;
          target[offset(s.target, s.index.map(evaluate))] = evaluate(s.value);
        });
        return;
      default:
        s satisfies never;
    }
  };
  const points = (i: number): void => {
    const axis = k.grid[i];
    if (axis === undefined) {
      for (const s of k.body) run(s);
      return;
    }
    const sliced = k.slicing?.axis === axis.name && range !== undefined;
    for (let p = sliced ? range.from : 0; p < (sliced ? range.to : size(axis.extent)); p++) {
      at.set(axis.name, p);
      points(i + 1);
    }
  };
  points(0);
  return outputs;
}

/** Numbers in [-1, 1) from a seed. */
export function noise(count: number, seed: number): Float32Array {
  let state = seed * 2654435761 + 1;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state / 2147483648;
  });
}

/** Relative L2 difference over the elements that the meaning defines; the others must still be NaN or padding. */
export function difference(got: ArrayLike<number>, want: Float64Array): number {
  let error = 0;
  let norm = 0;
  for (let i = 0; i < want.length; i++) {
    const w = want[i] as number;
    if (Number.isNaN(w)) continue;
    const g = got[i] as number;
    if (g === w) continue;
    error += (g - w) ** 2;
    norm += w * w;
  }
  return norm === 0 ? Math.sqrt(error) : Math.sqrt(error / norm);
}
