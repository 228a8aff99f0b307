/** @file The scalar form of an op agrees with its evaluation, at every element of random graphs. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { axis, type Expr, load, substitute } from "../../src/ir/expr.ts";
import type { Operand } from "../../src/ir/graph.ts";
import { mapAxes } from "../../src/ir/indexmap.ts";
import { REQUEST } from "../../src/ir/ops/def.ts";
import { opDef, opDefs } from "../../src/ir/ops/index.ts";
import { forEachIndex } from "../../src/ir/ops/tensor.ts";
import { compileExpr, evaluateExpr } from "../../src/ir/scalar.ts";
import { simplify } from "../../src/ir/simplify.ts";
import { Sketch } from "../reference/support.ts";
import { RandomGraph } from "./random.ts";

/** Element `index` of an operand, read from the stored value. */
function read(sketch: Sketch, { id, map }: Operand, index: readonly Expr[]): Expr {
  const { dtype } = sketch.builder.node(id).type;
  if (map === undefined) return load(id, index, dtype);
  const axes = new Map(index.map((e, j) => [`i${j}`, e]));
  return load(
    id,
    map.index.map((e) => substitute(e, axes)),
    dtype,
  );
}

function check(sketch: Sketch): void {
  const { nodes } = sketch.graph();
  const values = sketch.run(nodes.map(({ id }) => ({ id }))).map(({ data }) => data);
  for (const node of nodes) {
    const def = opDef(node.op.kind);
    const shape = node.type.shape.map(Number);
    if (def.element === undefined) continue;
    const inputs = node.inputs.map((operand) => sketch.builder.typeOf(operand));
    const made = def.element(node, mapAxes(shape), (k, index) => read(sketch, node.inputs[k], index), inputs);
    expect(made.type).toBe(node.type.dtype);
    const element = compileExpr(simplify(made));
    forEachIndex(shape, (at, flat) => {
      const value = element({
        axis: (name) => at[Number(name.slice(1))],
        load: (source, index) => {
          const extents = nodes[source].type.shape.map(Number);
          for (const [j, i] of index.entries())
            if (!(i >= 0 && i < extents[j])) throw new Error(`index ${i} leaves ${extents[j]}`);
          return values[source][index.reduce((sum, i, j) => sum * extents[j] + i, 0)];
        },
        tile: () => Number.NaN,
      });
      expect(value).toBe(values[node.id][flat]);
    });
  }
}

it("on random graphs", () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => check(new RandomGraph(seed, 20).sketch)),
    { numRuns: 80 },
  );
});

it("take, lookup and iota", () => {
  const s = new Sketch();
  const x = s.data([1, 2, 3, 4, 5, 6], [2, 3]);
  s.op({ kind: "take", axis: 1 }, x, s.ints([2, 0, 1, 1], [2, 2]));
  s.op({ kind: "lookup" }, x, s.ints([1, 0, 1], [3]));
  s.builder.add({ kind: "iota" }, [], { path: "iota", type: { shape: [3], dtype: "i32" } });
  check(s);
});

it("a computed index outside is held at the end, as on devices", () => {
  const s = new Sketch();
  const x = s.data([10, 11, 12], [3]);
  const node = s.node(s.op({ kind: "lookup" }, x, s.ints([7, -7], [2])));
  const made = opDefs.lookup.element?.(
    { ...node, op: { kind: "lookup" } },
    [axis("i0", 2)],
    (k, [i]) => load(k, [i], k === 0 ? "num" : "i32"),
    node.inputs.map((operand) => s.builder.typeOf(operand)),
  );
  const at = (i: number): number => {
    if (made === undefined) throw new Error("lookup has a scalar form");
    return evaluateExpr(made, {
      axis: () => i,
      load: (k, [j]) => (k === 0 ? 10 + j : [7, -7][j]),
      tile: () => 0,
    });
  };
  expect([at(0), at(1)]).toEqual([12, 10]);
});

it("by_request reads the candidate's request first", () => {
  const s = new Sketch();
  const u = s.feature("user", "u", [2], [], { batched: true });
  const node = s.node(s.op({ kind: "by_request" }, u));
  const [n, d] = mapAxes(node.type.shape);
  const made = opDefs.by_request.element?.(
    { ...node, op: { kind: "by_request" } },
    [n, d],
    (_, index) => load(u.id, index, "num"),
    [s.builder.typeOf(u)],
  );
  expect(made).toEqual(load(u.id, [load(REQUEST, [n], "i32"), d], "num"));
});
