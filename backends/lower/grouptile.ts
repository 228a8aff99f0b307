/**
 * @file Tiles in workgroup memory as `ldmatrix` reads them: rows of groups, a group being 16 bytes, eight neighbours of 16 bits, four
 * of tf32 or sixteen codes (see `codeoperands.ts`). Groups of a row are permuted by an exclusive or with the row's number, so that the eight rows that `ldmatrix` reads at
 * once lie in different banks, and so do the writes of neighbouring threads:
 *
 *     four groups a row, two rows fill the 32 banks          row 0:  0 1 2 3   row 1:  0 1 2 3
 *                                                            row 2:  1 0 3 2   row 3:  1 0 3 2   …
 *
 * A tile may lie there several times, as buffers of a pipeline.
 */
import type { MmaFormat, SharedArray, ThreadExpr } from "../../src/ir/thread.ts";
import {
  addI,
  builtin,
  call,
  component,
  constant,
  divI,
  F32,
  F32X4,
  gather4,
  I32,
  i32,
  lessThan,
  minI,
  mulI,
  remI,
  splat,
  U32,
  U32X4,
} from "../../src/ir/thread.ts";
import { codeSides, isCodes } from "../../src/ir/tile.ts";
import type { Builder } from "./builder.ts";

/** Elements of a group. */
function groupOf(format: MmaFormat): number {
  return format === "tf32" ? 4 : isCodes(format) ? 16 : 8;
}

/** Groups of k that one `mma` takes. */
const DEPTH_GROUPS = 2;

/** k of one `mma`. */
export function depthOf(format: MmaFormat): number {
  return DEPTH_GROUPS * groupOf(format);
}

export interface GroupTile {
  readonly array: string;
  readonly rows: number;
  /** Groups of a row. */
  readonly width: number;
}

export function openTile(
  builder: Builder,
  shared: SharedArray[],
  hint: string,
  rows: number,
  width: number,
  buffers: number,
): GroupTile {
  const array = builder.name(hint);
  // A text may declare 48 KiB; other arrays are small.
  shared.push({ name: array, type: U32X4, count: buffers * rows * width, dynamic: true });
  return { array, rows, width };
}

/** Where group `group` of row `row` lies. Eight rows fill the banks once, whatever their width. */
export function placeIn(
  { rows, width }: GroupTile,
  buffer: ThreadExpr,
  row: ThreadExpr,
  group: ThreadExpr,
): ThreadExpr {
  const start = addI(mulI(buffer, i32(rows * width)), mulI(row, i32(width)));
  if (width === 1) return addI(start, group);
  // The exclusive or stays within a row only where the width is a power of two.
  const spread = 2 ** Math.floor(Math.log2(Math.min(8, width & -width)));
  if (spread === 1) return addI(start, group);
  const bits = remI(divI(row, i32(Math.max(1, Math.floor(8 / width)))), i32(spread));
  return addI(start, call("bitxor", I32, group, bits));
}

/** Bytes of a group. */
export const BYTES = 16;

/** Four values at a time, as the group that they are in the tile. */
export function packedGroup(builder: Builder, format: MmaFormat, fours: readonly ThreadExpr[]): ThreadExpr {
  if (format === "tf32") return call("bits", U32X4, ...fours);
  if (isCodes(format)) {
    const [left] = codeSides(format);
    return gather4(
      fours.map((four) => call(`pack_${left}`, U32, four)),
      "u32",
    );
  }
  const pack = format === "f16" ? "pack_f16" : "pack_bf16";
  const words = fours.flatMap((four) => {
    const known = builder.let("x", four);
    return [0, 2].map((c) => call(pack, U32, component(known, c), component(known, c + 1)));
  });
  return gather4(words, "u32");
}

/** Bytes of group `group`, of `width` elements, that lie before `end`; none where it begins behind it. */
export function bytesBefore(end: ThreadExpr, group: ThreadExpr, width: 4 | 8): ThreadExpr {
  const left = mulI(call("sub", I32, end, mulI(group, i32(width))), i32(BYTES / width));
  return call("max", I32, minI(left, i32(BYTES)), i32(0));
}

/**
 * `value`, four elements, where index `index` lies before `extent`, else zero; with a `width` of 4 the elements are neighbours, `index`
 * counts fours, and a group of four is cut in the middle where it must be.
 */
export function before(value: ThreadExpr, index: ThreadExpr, extent: number, width: 1 | 4): ThreadExpr {
  const places = (): ThreadExpr =>
    gather4(
      [0, 1, 2, 3].map((c) => addI(mulI(index, i32(4)), i32(c))),
      "i32",
    );
  const inside =
    width === 1 || extent % 4 === 0
      ? splat(lessThan(index, i32(extent / width)))
      : call("lt", { of: "bool", width: 4 }, places(), splat(i32(extent)));
  return call("select", F32X4, splat(constant(0, F32)), value, inside);
}

/** What one thread fills of a tile: group `group` of row `row`, its `turn`-th share of `threads`. */
export interface Share {
  readonly row: ThreadExpr;
  readonly group: ThreadExpr;
}

/** How often each of `threads` has a share of the tile. */
export function turnsOf({ rows, width }: GroupTile, threads: number): number {
  return Math.ceil((rows * width) / threads);
}

/** Threads without a share take the last one once more. */
export function shareOf(builder: Builder, { rows, width }: GroupTile, threads: number, turn: number): Share {
  const index = addI(builtin("thread"), i32(turn * threads));
  const last = rows * width - 1;
  const near = (turn + 1) * threads - 1 <= last ? index : minI(index, i32(last));
  return {
    row: builder.let("at_row", divI(near, i32(width))),
    group: builder.let("at_group", remI(near, i32(width))),
  };
}

/** Which lanes name which rows of the tile, and whether its matrices are transposed on the way to registers. */
export type FragmentOf =
  /** The left side of a product: rows of m, groups along k. */
  | "left"
  /** The right side: rows of n, groups along k. */
  | "right"
  /** The right side: rows of k, groups of eight along n (of 16 bits: what is transposed are halves of words). */
  | "right_transposed";

/**
 * The operand of `mma` that begins at 16 · `at` along m or n and at the `depth`-th of its depths along k: four 8 × 8 matrices. On the left they
 * are one fragment; on the right two, of eight columns each, in two words each.
 */
export function fragmentOf(
  builder: Builder,
  tile: GroupTile,
  of: FragmentOf,
  lane: ThreadExpr,
  buffer: ThreadExpr,
  at: ThreadExpr,
  depth: ThreadExpr,
): ThreadExpr {
  const [row, group] = ((): readonly [ThreadExpr, ThreadExpr] => {
    const half = divI(lane, i32(16));
    const along = mulI(depth, i32(DEPTH_GROUPS));
    switch (of) {
      case "left":
        return [addI(mulI(at, i32(16)), remI(lane, i32(16))), addI(along, half)];
      case "right":
        return [
          addI(addI(mulI(at, i32(16)), mulI(half, i32(8))), remI(lane, i32(8))),
          addI(along, remI(divI(lane, i32(8)), i32(2))),
        ];
      case "right_transposed":
        return [addI(mulI(depth, i32(16)), remI(lane, i32(16))), addI(mulI(at, i32(2)), half)];
      default:
        return of satisfies never;
    }
  })();
  const index = placeIn(tile, buffer, builder.let("at_row", row), group);
  return {
    kind: "matrices",
    array: tile.array,
    index,
    transposed: of === "right_transposed",
    type: U32X4,
  };
}
