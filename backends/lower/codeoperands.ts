/**
 * @file Operands of products of 8-bit codes (`mma.m16n8k32`), one byte each in workgroup memory. A product may count its k in any order in
 * which both sides agree; here the order is that of the weights, which lie in blocks of 4 × 4 (see `Packing`), 16 bytes a block, a group of
 * the tile: four k of four columns. With g = lane / 4 and t = lane mod 4:
 *
 *     right side     rows of four k, groups along n. Of each 32 of k a lane takes two blocks, those of rows 2t and 2t + 1, at column
 *                    group g; transposed, byte by byte, they are the words of four columns each, for four fragments (`warptile.ts`)
 *     left side      rows of m. So lane t's two words are k 8t … 8t + 3 and 8t + 4 … 8t + 7. `ldmatrix` gives lane t word t of a group:
 *                    of each 32 of k, the first group has the even fours, 0 8 16 24, the second one the odd fours, 4 12 20 28. What
 *                    rounds the numbers writes them so
 *
 * No bank is met twice. Reads of 16 bytes go eight lanes at a time: two neighbouring groups of each of rows 0, 2, 4, 6 (or 1, 3, 5, 7) of a
 * tile whose rows all begin in the same bank. `placeIn` permutes row r by an exclusive or with r: even numbers put pairs of groups
 * at eight different places, odd ones too. Copies and writes are of neighbouring groups of a row.
 */
import { axesOf, axis, div, type Expr, int, type LoadExpr, mul, num } from "../../src/ir/expr.ts";
import type { ThreadExpr } from "../../src/ir/thread.ts";
import { addI, call, divI, i32, minI, mulI, remI, U32X4 } from "../../src/ir/thread.ts";
import type { InnerAxis } from "../../src/ir/tile.ts";
import { type Bindings, groupAxis } from "./access.ts";
import type { Builder } from "./builder.ts";
import type { Expressions } from "./expressions.ts";
import type { Fragments } from "./fragments.ts";
import { type GroupTile, placeIn } from "./grouptile.ts";

/** Rows and columns of a block. */
export const BLOCK = 4;
/** Codes of a group of the left side, and its fours. */
export const GROUP_CODES = 16;
export const FOURS: readonly number[] = [0, 1, 2, 3];
/** Fours of k that one product takes: two groups. */
const DEPTH_FOURS = 8;

/** Which four of k is the `h`-th of group `group` of a row of the left side. */
export function fourOfLeft(group: ThreadExpr, h: number): ThreadExpr {
  return addI(addI(mulI(divI(group, i32(2)), i32(DEPTH_FOURS)), i32(2 * h)), remI(group, i32(2)));
}

/**
 * What is rounded to codes: packing them rounds it, to the same codes. A quotient by what all of a row share becomes a product with its
 * reciprocal, one division a row for one each; an ulp of f32 aside, before all but two or three bits of the fraction go.
 */
export function unrounded(e: Expr, k: InnerAxis): Expr {
  if (e.kind !== "apply" || !e.fn.startsWith("round_"))
    throw new Error("internal: a product of codes with what is not rounded to them");
  const [number] = e.args as readonly [Expr];
  if (number.kind !== "apply" || number.fn !== "div") return number;
  const [x, scale] = number.args as readonly [Expr, Expr];
  return axesOf(scale).has(k.name) ? number : mul(x, div(num(1), scale));
}

/** Both words of four columns each, for the lane's column group of group `at` of 32 columns and the `depth`-th 32 of k. */
export function blockFragments(
  builder: Builder,
  tile: GroupTile,
  lane: ThreadExpr,
  buffer: ThreadExpr,
  at: ThreadExpr,
  depth: number,
): readonly ThreadExpr[] {
  const column = addI(mulI(at, i32(8)), divI(lane, i32(4)));
  const first = addI(i32(DEPTH_FOURS * depth), mulI(remI(lane, i32(4)), i32(2)));
  return [0, 1].map((side) => {
    const row = builder.let("at_row", addI(first, i32(side)));
    const index = placeIn(tile, buffer, row, column);
    return call("transpose_bytes", U32X4, { kind: "shared", array: tile.array, index, type: U32X4 });
  });
}

interface Context {
  readonly builder: Builder;
  readonly bindings: Bindings;
  readonly expressions: Expressions;
  readonly fragments: Fragments;
}

/**
 * Which 16 bytes of a binding belong at row `row` and group `group` of the tile, for block `block` of k. Behind the end of k they are the
 * last ones once more: the left side is zero there.
 */
export function weightBlock(
  e: LoadExpr,
  k: InnerAxis,
  { builder, bindings, expressions, fragments }: Context,
  {
    row,
    block,
    group,
    name,
  }: Readonly<Record<"row" | "block" | "group", ThreadExpr>> & { readonly name: string },
): { readonly binding: number; readonly group: ThreadExpr } {
  const fours = Math.ceil(k.extent / BLOCK);
  const at = builder.let(`${k.name}4`, addI(mulI(block, i32(k.step / BLOCK)), row));
  const along = `${groupAxis(k.name)}@${name}`;
  builder.bindAxis(along, k.extent % k.step === 0 ? at : minI(at, i32(fours - 1)));
  const place = fragments.columnPlace(name, group);
  fragments.bindTiles(place);
  const more = new Map([[k.name, mul(axis(along, fours), int(BLOCK))]]);
  const index = e.index.map((part) => fragments.at(part, place, more));
  const four = bindings.group(e.source, bindings.offset(e.source, index));
  const words = four && bindings.words(e.source, four);
  if (words?.first !== 0) throw new Error("internal: codes that do not lie in blocks");
  const { index: binding } = bindings.entry(e.source);
  return { binding, group: expressions.evaluate(words.vector) };
}
