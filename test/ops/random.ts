/** @file Random small graphs over every op family, from user and item features, parameters and constants. */
import type { Extent, ScalarFn } from "../../src/ir/expr.ts";
import type { Op, Operand } from "../../src/ir/graph.ts";
import {
  broadcastMap,
  type IndexMap,
  permuteMap,
  reshapeMap,
  sliceMap,
  unfoldMap,
} from "../../src/ir/indexmap.ts";
import { drawer, Sketch } from "../reference/support.ts";

export class RandomGraph {
  readonly sketch = new Sketch();
  readonly #draw: () => number;
  /** Values of type num, from which operands are drawn. */
  readonly #pool: Operand[] = [];

  constructor(seed: number, size: number) {
    this.#draw = drawer(seed);
    for (const [name, stage] of [
      ["u", "user"],
      ["v", "item"],
    ] as const) {
      const shape = this.#shape();
      this.#pool.push(this.sketch.feature(stage, name, shape, this.#numbers(shape)));
    }
    const shape = this.#shape();
    this.#pool.push(this.sketch.param("w", shape, this.#numbers(shape)));
    this.#pool.push(
      this.sketch.data(
        this.#numbers([2, 3]).map((x) => Math.max(x, 0)),
        [2, 3],
      ),
    );
    while (this.sketch.builder.size < size) this.#grow();
  }

  #int(below: number): number {
    return Math.min(below - 1, Math.floor(((this.#draw() + 1) / 2) * below));
  }

  #pick<T>(items: readonly T[]): T {
    return items[this.#int(items.length)];
  }

  #numbers(shape: readonly number[]): number[] {
    return Array.from({ length: shape.reduce((n, extent) => n * extent, 1) }, this.#draw);
  }

  #shape(): number[] {
    return Array.from({ length: 1 + this.#int(2) }, () => 2 + this.#int(3));
  }

  #shapeOf(operand: Operand): number[] {
    return this.sketch.builder.typeOf(operand).shape.map(Number);
  }

  /** A value of the pool, often through a view. */
  #operand(): Operand {
    const operand = this.#pick(this.#pool);
    const map = this.#view(this.#shapeOf(operand));
    return map === undefined ? operand : this.sketch.builder.through(operand, map);
  }

  #view(shape: readonly number[]): IndexMap | undefined {
    const axis = this.#int(shape.length);
    const extent = shape[axis];
    const total = shape.reduce((n, e) => n * e, 1);
    switch (this.#int(7)) {
      case 0:
        return permuteMap(shape, [...shape.keys()].reverse());
      case 1:
        return reshapeMap(shape, total % 2 === 0 ? [2, total / 2] : [total]);
      case 2:
        return extent > 1 ? sliceMap(shape, axis, 1, extent - 1) : undefined;
      case 3:
        return shape.length < 3 && total <= 12
          ? broadcastMap(
              shape,
              [2, ...shape],
              [...shape.keys()].map((j) => j + 1),
            )
          : undefined;
      case 4:
        return shape.length < 3 && extent > 2 ? unfoldMap(shape, axis, 2, 1) : undefined;
      default:
        return undefined;
    }
  }

  /** The operand made to have a shape: broadcast if it can be, else sums and all, as a constant of ones. */
  #like(shape: readonly number[]): Operand {
    const operand = this.#operand();
    const own = this.#shapeOf(operand);
    const fits =
      own.length <= shape.length &&
      own.every((e, j) => e === 1 || e === shape[shape.length - own.length + j]);
    return fits
      ? this.sketch.builder.stretch(operand, shape)
      : this.sketch.data(this.#numbers(shape).map(Math.fround), shape);
  }

  #add(op: Op, ...inputs: readonly Operand[]): Operand {
    const made = this.sketch.op(op, ...inputs);
    const { shape, dtype } = this.sketch.node(made).type;
    const small = shape.length <= 3 && shape.reduce((n: number, e: Extent) => n * Number(e), 1) <= 48;
    if (dtype === "num" && small && shape.length > 0) this.#pool.push(made);
    return made;
  }

  #grow(): void {
    const x = this.#operand();
    const shape = this.#shapeOf(x);
    const axis = this.#int(shape.length);
    switch (this.#int(11)) {
      case 0:
        this.#add(
          { kind: "pointwise", fn: this.#pick<ScalarFn>(["gelu", "sigmoid", "neg", "tanh", "relu"]) },
          x,
        );
        break;
      case 1:
        this.#add(
          { kind: "pointwise", fn: this.#pick<ScalarFn>(["add", "mul", "sub", "mul", "max"]) },
          x,
          this.#like(shape),
        );
        break;
      case 2:
        this.#chooseByMask(x, shape);
        break;
      case 3:
        this.#add({ kind: "concat", axis }, x, this.#pick([x, this.#like(shape)]));
        break;
      case 4:
        this.#add(
          { kind: "pad", axis, before: this.#int(3), after: this.#int(2), fill: this.#pick([0, 0, 1]) },
          x,
        );
        break;
      case 5:
        this.#contract(x, shape);
        break;
      case 6:
        this.#add(
          {
            kind: "reduce",
            fn: this.#pick(["sum", "mean", "max", "min"] as const),
            axes: [axis],
            keep: this.#int(2) === 1,
          },
          x,
        );
        break;
      case 7:
        this.#add({ kind: "normalize", norm: this.#pick(["layer", "rms", "l2"] as const), eps: 0.01 }, x);
        break;
      case 8:
        this.#add({ kind: "softmax", axis }, x);
        break;
      case 9: {
        const mask = this.#add({ kind: "top_k_mask", k: 1 + this.#int(shape[axis]), axis }, x);
        this.#add(
          { kind: "pointwise", fn: "where" },
          mask,
          x,
          this.sketch.builder.stretch(this.sketch.data([0], []), shape),
        );
        break;
      }
      default: {
        const index = Array.from({ length: 3 }, () => this.#int(shape[0]));
        this.#add({ kind: this.#pick(["lookup"] as const) }, x, this.sketch.ints(index, [3]));
      }
    }
  }

  /** where(constant mask, x, 0 or −inf), and a softmax of the latter so that no infinity stays in the pool. */
  #chooseByMask(x: Operand, shape: readonly number[]): void {
    const mask = this.sketch.mask(
      this.#numbers(shape).map((v) => (v < 0 ? 0 : 1)),
      shape,
    );
    const fill = this.#pick([0, -Infinity]);
    const filling = this.sketch.builder.stretch(this.sketch.data([fill], []), shape);
    if (fill === 0) this.#add({ kind: "pointwise", fn: "where" }, mask, x, filling);
    else
      this.#add(
        { kind: "softmax", axis: this.#int(shape.length) },
        this.sketch.op({ kind: "pointwise", fn: "where" }, mask, x, filling),
      );
  }

  #contract(x: Operand, shape: readonly number[]): void {
    const labels = [...shape.keys()];
    const y = this.#like(shape);
    const out = labels.filter(() => this.#int(2) === 0);
    this.#add({ kind: "einsum", operands: [labels, labels], out }, x, y);
  }
}
