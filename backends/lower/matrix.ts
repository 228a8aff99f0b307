/**
 * @file The `matrix` lowering of a product: subgroup matrices (cooperative matrices in Vulkan, simdgroup matrices in Metal), which a
 * subgroup multiplies as a whole. Where an element of a fragment lies, only the device knows, so that it comes from workgroup memory
 * and goes back there:
 *
 *     for every block of k:
 *       a_tile[k][m] = a,  b_tile[k][n] = b                              staging.ts, as for `blocked`
 *       for k in the block by shape.k:
 *         left_i = load(a_tile, …),  right_j = load(b_tile, …)
 *         acc_i_j = multiply_accumulate(left_i, right_j, acc_i_j)
 *     store(acc_i_j, c_tile);  barrier;  every thread takes its block of c_tile and runs the epilogue there
 *
 * Operands and sums are f32: a device that has matrices of 16 bits alone uses `blocked`. In which order a matrix is summed is the
 * device's own, the same for every row.
 */
import type { SharedArray, ThreadExpr } from "../../src/ir/thread.ts";
import { addI, builtin, divI, F32, gather4, i32, mulI, remI } from "../../src/ir/thread.ts";
import type { TileKernel } from "../../src/ir/tile.ts";
import type { Bindings } from "./access.ts";
import { type Blocked, BlockedProduct } from "./blocked.ts";
import type { Builder } from "./builder.ts";
import { type Dot, innerAxis, type RowStatement } from "./contraction.ts";
import { type OperandTile, Staging } from "./staging.ts";

type Matrix = Extract<TileKernel["lowering"], { kind: "matrix" }>;

export function lowerMatrix(
  kernel: TileKernel,
  lowering: Matrix,
  builder: Builder,
  bindings: Bindings,
  shared: SharedArray[],
): number {
  const blocked = epilogueBlocks(lowering);
  if (blocked === undefined)
    throw new Error(`internal: the tile of ${kernel.name} cannot be dealt to its threads`);
  new MatrixProduct(kernel, lowering, blocked, builder, bindings, shared).lower();
  return blocked.threadsM * blocked.threadsN;
}

/** How the threads share the points of the tile in the epilogue, four columns each; undefined if they do not come out even. */
export function epilogueBlocks({
  lanes,
  subgroupsM,
  subgroupsN,
  tilesM,
  tilesN,
  shape,
}: Matrix): Blocked | undefined {
  const rows = shape.m * subgroupsM * tilesM;
  const threadsN = (shape.n * subgroupsN * tilesN) / 4;
  const threadsM = (lanes * subgroupsM * subgroupsN) / threadsN;
  const registersM = rows / threadsM;
  const even = [threadsN, threadsM, registersM].every((n) => Number.isInteger(n) && n > 0);
  return even ? { kind: "blocked", threadsM, threadsN, registersM, registersN: 4 } : undefined;
}

class MatrixProduct extends BlockedProduct {
  private readonly matrix: Matrix;

  constructor(
    kernel: TileKernel,
    matrix: Matrix,
    blocked: Blocked,
    builder: Builder,
    bindings: Bindings,
    shared: SharedArray[],
  ) {
    super(kernel, blocked, builder, bindings, shared);
    if (this.width !== 4) throw new Error(`internal: ${kernel.name} is sliced along its columns`);
    this.matrix = matrix;
  }

  protected override multiply(dots: readonly Dot[], gathered: readonly RowStatement[]): void {
    const { builder, matrix, shared } = this;
    const { subgroupsM, subgroupsN, tilesM, tilesN, shape } = matrix;
    const [first] = dots as readonly [Dot];
    const k = innerAxis(this.kernel, first.k);
    const columns = 4 * this.tileColumns;
    const staging = new Staging(this, shared, k, 1, 1);
    const operands = dots.map((dot) => ({
      a: staging.operand("a", dot.a),
      b: staging.operand("b", dot.b),
    }));
    const sums = this.begin(staging, gathered);
    const own = subgroupsM * subgroupsN === 1 ? i32(0) : builtin("subgroup");
    const row = builder.let("subgroup_row", mulI(divI(own, i32(subgroupsN)), i32(shape.m * tilesM)));
    const column = builder.let("subgroup_column", mulI(remI(own, i32(subgroupsN)), i32(shape.n * tilesN)));
    const acc = dots.map((dot) =>
      range(tilesM).map((i) =>
        range(tilesN).map((j) => {
          const name = builder.name(`${dot.out}_${i}_${j}`);
          builder.emit({ kind: "matrix", action: "zero", name, shape });
          return name;
        }),
      ),
    );
    staging.sweep(() => {
      for (let at = 0; at < k.step; at += shape.k) {
        const loaded = new Map<string, string>();
        const load = (side: "left" | "right", { array }: OperandTile, i: number): string => {
          const key = `${side} ${array} ${i}`;
          const name = loaded.get(key) ?? builder.name(`${side}_${i}`);
          if (loaded.has(key)) return name;
          loaded.set(key, name);
          const [start, stride] =
            side === "left"
              ? [addI(row, i32(i * shape.m)), this.rows]
              : [addI(column, i32(i * shape.n)), columns];
          const index = addI(start, i32(at * stride));
          builder.emit({ kind: "matrix", action: "load", name, side, shape, array, index, stride });
          return name;
        };
        operands.forEach(({ a, b }, d) => {
          const lefts = range(tilesM).map((i) => load("left", a, i));
          const rights = range(tilesN).map((j) => load("right", b, j));
          lefts.forEach((left, i) => {
            rights.forEach((right, j) => {
              const name = acc[d]?.[i]?.[j] ?? "";
              builder.emit({ kind: "matrix", action: "multiply", name, left, right });
            });
          });
        });
      }
    });
    dots.forEach((dot, d) => {
      const array = builder.name(`${dot.out}_tile`);
      shared.push({ name: array, type: F32, count: this.rows * columns });
      acc[d]?.forEach((names, i) => {
        names.forEach((name, j) => {
          const top = mulI(addI(row, i32(i * shape.m)), i32(columns));
          const index = addI(top, addI(column, i32(j * shape.n)));
          builder.emit({ kind: "matrix", action: "store", name, array, index, stride: columns });
        });
      });
      builder.emit({ kind: "barrier" });
      for (const { r, c } of this.each(() => undefined)) this.take(dot, array, r, c);
    });
    this.finish(sums);
  }

  /** A thread's four columns `c` of row `r`. */
  private take(dot: Dot, array: string, r: number, c: number): void {
    const { builder, l } = this;
    const row = addI(mulI(this.threadM, i32(l.registersM)), i32(r));
    const group = addI(this.threadN, i32(c * l.threadsN));
    const first = builder.let("at", addI(mulI(row, i32(4 * this.tileColumns)), mulI(group, i32(4))));
    const at = (i: number): ThreadExpr => ({ kind: "shared", array, index: addI(first, i32(i)), type: F32 });
    builder.bindTile(`${dot.out}@${r},${c}`, builder.let(dot.out, gather4([0, 1, 2, 3].map(at), "f32")));
  }
}

function range(count: number): readonly number[] {
  return Array.from({ length: count }, (_, i) => i);
}
