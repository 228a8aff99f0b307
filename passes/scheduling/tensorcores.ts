/**
 * @file Schedules of products on tensor cores: for CUDA devices, where the model asks for 16-bit arithmetic. Both operands' tiles lie
 * twice in workgroup memory, of which a text may declare 48 KiB.
 */

import type { Schedule } from "../../src/ir/schedule.ts";
import type { Half } from "../../src/ir/thread.ts";
import type { TileKernel, TileStmt } from "../../src/ir/tile.ts";

type Dot = Extract<TileStmt, { kind: "dot" }>;

/** Warps and fragments a warp: 128 × 128, 64 × 128, 64 × 64, 32 × 128, 16 × 128, 16 × 32 points. */
const SHAPES: readonly (readonly [warpsM: number, warpsN: number, tilesM: number, tilesN: number])[] = [
  [2, 4, 4, 4],
  [2, 4, 2, 4],
  [2, 2, 2, 4],
  [1, 4, 2, 4],
  [1, 4, 1, 4],
  [1, 2, 1, 2],
];
const STEP = 32;
const DECLARED_BYTES = 48 * 1024;
/** Accumulator fragments of a warp: four registers a thread each. */
const MOST_FRAGMENTS = 16;

export function onTensorCores(kernel: TileKernel, dot: Dot, half: Half, expected: number): Schedule[] {
  const dots = kernel.body.filter((s) => s.kind === "dot").length;
  const fitting = SHAPES.filter(([warpsM, warpsN, tilesM, tilesN]) => {
    const m = 16 * warpsM * tilesM;
    const n = 8 * warpsN * tilesN;
    const bytes = 2 * 2 * STEP * (m + n) * dots;
    return (
      bytes <= DECLARED_BYTES && dots * tilesM * tilesN <= MOST_FRAGMENTS && (m === 16 || m < 2 * expected)
    );
  });
  return fitting.map(([warpsM, warpsN, tilesM, tilesN]) => ({
    lowering: { kind: "mma", half, warpsM, warpsN, tilesM, tilesN },
    tiles: { [dot.m]: 16 * warpsM * tilesM, [dot.n]: 8 * warpsN * tilesN },
    steps: { [dot.k]: STEP },
  }));
}
