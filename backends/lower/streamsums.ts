/**
 * @file The arithmetic of the `stream` lowering: what a lane has of a piece (16 of k, eight rows, 32 columns a warp) and how it adds up.
 *
 *     tensor     16-bit pairs and `mma.sync`: weights on the left, 16 columns of them an instruction, eight rows on the right; codes in
 *                the same way, two pieces an instruction
 *     vector     f32 on the CUDA cores: a lane multiplies its 4 k × 4 columns with all eight rows; in the end the four lanes of a
 *                column group add up, each keeping the sums of two rows
 *
 * Either way lane 4g + t ends with the sums of columns 4g … 4g + 3 for rows 2t and 2t + 1 of each eight.
 */
import type { Expr } from "../../src/ir/expr.ts";
import type { Half, ThreadExpr } from "../../src/ir/thread.ts";
import {
  addI,
  BOOL,
  call,
  component,
  F32X4,
  gather4,
  I32,
  i32,
  splat,
  sumType,
  U32,
} from "../../src/ir/thread.ts";
import { type CodePair, codeSides, isCodes } from "../../src/ir/tile.ts";
import type { Builder } from "./builder.ts";
import { asF32 } from "./warptile.ts";

export type Var = ThreadExpr & { readonly kind: "var" };

export interface SumContext {
  readonly builder: Builder;
  /** Eights of rows, and groups of four columns of a lane. */
  readonly rows: number;
  readonly columns: number;
  readonly lane: ThreadExpr;
  /** The lane's g and t. */
  readonly group: ThreadExpr;
  readonly quarter: ThreadExpr;
  /** Four neighbours along k, the lane's of this piece, of row `row` of the tile, f32; zero beyond the end of k. */
  activation(a: Expr, name: string, row: ThreadExpr): ThreadExpr;
}

export interface Sums {
  /** Pieces that are added at once. */
  readonly together: 1 | 2;
  /** Declares the sums of a product. */
  open(out: string): readonly Var[];
  /** The activations of a piece for each eight rows, as `add` takes them. */
  activations(a: Expr): readonly (readonly ThreadExpr[])[];
  /** Adds pieces, `x[r]` and `weights[c]` (see `Weights.operands`) being those of one behind those of the other. */
  add(
    sums: readonly Var[],
    x: readonly (readonly ThreadExpr[])[],
    weights: readonly (readonly ThreadExpr[])[],
  ): void;
  /** The lane's rows, two of each eight, [row][column group]. */
  cells(sums: readonly Var[]): readonly (readonly ThreadExpr[])[];
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

export function tensorSums(context: SumContext, format: Half | CodePair): Sums {
  const { builder, rows, columns, group } = context;
  const codes = isCodes(format) ? codeSides(format) : undefined;
  const words = (four: ThreadExpr): readonly ThreadExpr[] => {
    if (codes) return [call(`pack_${codes[0]}`, U32, four)];
    const pack = format === "f16" ? "pack_f16" : "pack_bf16";
    return [0, 2].map((at) => call(pack, U32, component(four, at), component(four, at + 1)));
  };
  /** The left operand of the first two columns of a group, or of the last two. */
  const left = (weights: readonly ThreadExpr[], second: number): ThreadExpr => {
    if (codes === undefined) return weights[second] as ThreadExpr;
    const two = [2 * second, 2 * second + 1];
    return gather4(
      weights.flatMap((piece) => two.map((at) => component(piece, at))),
      "u32",
    );
  };
  const turned = isCodes(format) ? turnedRound(format) : format;
  return {
    together: codes ? 2 : 1,
    // Of each eight rows and four columns, the first two of these and the last two.
    open: (out) => range(2 * rows * columns).map((i) => builder.var(`${out}_${i}`, sumType(format))),
    activations: (a) =>
      range(rows).map((r) => {
        const four = context.activation(a, `x${r}`, addI(group, i32(8 * r)));
        return words(four).map((word) => builder.let(codes ? "codes" : "pair", word));
      }),
    add: (sums, x, weights) => {
      for (const [i, sum] of sums.entries()) {
        const cell = Math.floor(i / 2);
        const b = x[Math.floor(cell / columns)] as readonly [ThreadExpr, ThreadExpr];
        const a = left(weights[cell % columns] ?? [], i % 2);
        builder.emit({
          kind: "mma",
          format: turned,
          acc: sum.name,
          a,
          b,
        });
      }
    },
    cells: (sums) =>
      range(2 * rows).map((row) =>
        range(columns).map((c) => {
          const first = 2 * (Math.floor(row / 2) * columns + c);
          const [low, high] = sums.slice(first, first + 2) as [Var, Var];
          const [p, q] = row % 2 === 0 ? [0, 2] : [1, 3];
          return asF32(
            [low, high].flatMap((two) => [component(two, p), component(two, q)]),
            format,
          );
        }),
      ),
  };
}

/** The format of the product with its sides in each other's places. */
function turnedRound(format: CodePair): CodePair {
  return format === "e4m3_e5m2" ? "e5m2_e4m3" : format === "e5m2_e4m3" ? "e4m3_e5m2" : format;
}

export function vectorSums(context: SumContext): Sums {
  const { builder, rows, columns, lane, quarter } = context;
  /** Of `first` and `second` the lane keeps one, by the bit of t that `distance` is, and gives its neighbour there the other. */
  const halved = (first: ThreadExpr, second: ThreadExpr, distance: 1 | 2, upper: ThreadExpr): ThreadExpr => {
    const pick = (a: ThreadExpr, b: ThreadExpr): ThreadExpr => call("select", F32X4, a, b, splat(upper));
    const other = call("bitxor", I32, lane, i32(distance));
    const given = call("subgroup_shuffle", F32X4, builder.let("given", pick(second, first)), other);
    return builder.let("kept", call("add", F32X4, pick(first, second), given));
  };
  return {
    together: 1,
    open: (out) => range(8 * rows * columns).map((i) => builder.var(`${out}_${i}`, F32X4)),
    activations: (a) => range(8 * rows).map((r) => [context.activation(a, `x${r}`, i32(r))]),
    add: (sums, x, weights) => {
      for (const [i, sum] of sums.entries()) {
        const [four] = x[Math.floor(i / columns)] as readonly [ThreadExpr];
        const next = (weights[i % columns] ?? []).reduce(
          (so: ThreadExpr, w, j) => call("add", F32X4, so, call("mul", F32X4, component(four, j), w)),
          sum,
        );
        builder.assign(sum, next);
      }
    },
    cells: (sums) => {
      const bit = (of: number): ThreadExpr => {
        const set = call("bitand", I32, quarter, i32(of));
        return builder.let("upper", call("ne", BOOL, set, i32(0)));
      };
      const [far, near] = [bit(2), bit(1)];
      const byColumn = range(columns).map((c) =>
        range(rows).flatMap((eight) => {
          const eights = range(8).map((r) => sums[(8 * eight + r) * columns + c] as Var);
          const fours = range(4).map((r) => halved(eights[r] as Var, eights[r + 4] as Var, 2, far));
          return range(2).map((r) => halved(fours[r] as ThreadExpr, fours[r + 2] as ThreadExpr, 1, near));
        }),
      );
      return range(2 * rows).map((row) => byColumn.map((column) => column[row] as ThreadExpr));
    },
  };
}
