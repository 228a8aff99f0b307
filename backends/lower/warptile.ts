/**
 * @file How a warp's fragments lie in its tile of the `mma` lowering, by the format of what is multiplied. With g = lane / 4 and
 * t = lane mod 4, a fragment of sums gives a lane columns 2t and 2t + 1 of rows g and g + 8.
 *
 *     16 bits, tf32     fragment c is columns 8c … 8c + 7. Neighbouring lanes exchange halves (`fragment_row`): the even one has four
 *                       neighbouring columns of row g then, the odd one of row g + 8
 *     codes             fragments come in fours, j = 0 … 3, of 32 columns: column i of fragment j is 4i + j. A lane has columns 8t … 8t + 7
 *                       of both its rows without any exchange; on the right side it takes columns 4g … 4g + 3, which lie together
 */
import type { MmaFormat, ThreadExpr } from "../../src/ir/thread.ts";
import {
  addI,
  call,
  component,
  divI,
  F32X4,
  gather4,
  i32,
  mulI,
  remI,
  sumType,
} from "../../src/ir/thread.ts";
import { isCodes, type Lowering } from "../../src/ir/tile.ts";
import type { FragmentMap } from "./fragments.ts";

type Mma = Extract<Lowering, { kind: "mma" }>;

export interface WarpTile extends Pick<FragmentMap, "rows" | "columns" | "row" | "column"> {
  /** Four neighbouring columns of a row, the map's (r, c), of a warp's sums by fragment. */
  cell(sums: readonly (readonly ThreadExpr[])[], r: number, c: number): ThreadExpr;
}

/** Column fragments that one read of the right side serves. */
export function readTogether(format: MmaFormat): 2 | 4 {
  return isCodes(format) ? 4 : 2;
}

/** The two words of the right side for column fragment `c`, of the words that its read gave. */
export function wordsOf(
  format: MmaFormat,
  read: readonly ThreadExpr[],
  c: number,
): readonly [ThreadExpr, ThreadExpr] {
  const [first, second] = read as readonly [ThreadExpr, ThreadExpr];
  if (isCodes(format)) return [component(first, c % 4), component(second, c % 4)];
  return [component(first, 2 * (c % 2)), component(first, 2 * (c % 2) + 1)];
}

/** Four sums as a group of f32. */
export function asF32(four: readonly ThreadExpr[], format: MmaFormat): ThreadExpr {
  const { of } = sumType(format);
  return of === "f32" ? gather4(four, of) : call("convert", F32X4, gather4(four, of));
}

/** `warpM` and `warpN`: which of the workgroup's warps. */
export function warpTile(l: Mma, lane: ThreadExpr, warpM: ThreadExpr, warpN: ThreadExpr): WarpTile {
  const group = divI(lane, i32(4));
  const quarter = remI(lane, i32(4));
  const rowOf = (fragment: number, within: ThreadExpr): ThreadExpr =>
    addI(addI(mulI(warpM, i32(16 * l.tilesM)), i32(16 * fragment)), within);
  const fours = mulI(warpN, i32(2 * l.tilesN));
  if (isCodes(l.format)) {
    return {
      rows: 2 * l.tilesM,
      columns: l.tilesN / 2,
      row: (r) => rowOf(Math.floor(r / 2), addI(group, i32(8 * (r % 2)))),
      column: (c) => addI(addI(fours, i32(8 * Math.floor(c / 2))), addI(mulI(quarter, i32(2)), i32(c % 2))),
      cell: (sums, r, c) => {
        const four = [0, 1, 2, 3].map(
          (j) => sums[Math.floor(r / 2)]?.[4 * Math.floor(c / 2) + j] as ThreadExpr,
        );
        return asF32(
          four.map((sum) => component(sum, 2 * (r % 2) + (c % 2))),
          l.format,
        );
      },
    };
  }
  return {
    rows: l.tilesM,
    columns: l.tilesN,
    row: (r) => rowOf(r, addI(group, mulI(remI(lane, i32(2)), i32(8)))),
    column: (c) => addI(addI(fours, i32(2 * c)), divI(quarter, i32(2))),
    cell: (sums, r, c) => call("fragment_row", F32X4, sums[r]?.[c] as ThreadExpr),
  };
}
