/**
 * @file Which subgroup matrices a WebGPU device multiplies. The extension is experimental: Dawn offers it where unsafe interfaces are
 * allowed (in a browser behind a flag), and lists a device's shapes with the adapter.
 */
import type { MatrixShape } from "../ir/tile.ts";

export const MATRIX_FEATURE = "chromium-experimental-subgroup-matrix";

/** A shape as Dawn lists it; standard declarations do not know it yet. */
interface MatrixConfig {
  readonly componentType: string;
  readonly resultComponentType: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

export interface MatrixInfo {
  readonly subgroupMatrixConfigs?: Iterable<MatrixConfig>;
}

/** The shapes of f32 with sums in f32, those of 16-bit operands left aside; undefined if there are none. */
export function matrixShapes(
  features: ReadonlySet<string>,
  info: MatrixInfo,
): readonly MatrixShape[] | undefined {
  if (!features.has(MATRIX_FEATURE)) return undefined;
  const shapes = [...(info.subgroupMatrixConfigs ?? [])]
    .filter((c) => c.componentType === "f32" && c.resultComponentType === "f32")
    .map(({ M, N, K }): MatrixShape => ({ m: M, n: N, k: K }));
  return shapes.length > 0 ? shapes : undefined;
}

export function sameShape(a: MatrixShape, b: MatrixShape): boolean {
  return a.m === b.m && a.n === b.n && a.k === b.k;
}

/** "8 × 8 × 8": m, n and k. */
export function shapeText({ m, n, k }: MatrixShape): string {
  return `${m} × ${n} × ${k}`;
}
