/**
 * @file The table behind a value's stages: per axis the boundaries of its segments, and one level for every box of the grid that the
 * boundaries make. A table is canonical (no boundary between equal slices), so equal stages are equal tables, and a
 * weight of a billion elements is one entry.
 *
 * A grid of more than 256 boxes is coarsened: boundaries whose removal raises the fewest elements go first, and
 * what is joined takes the latest stage. Such a table is an upper bound and says so (`exact: false`).
 */
import type { Extent } from "./expr.ts";
import { numel, stridesOf } from "./indexmap.ts";

/** 0 zero < 1 load < 2 user < 3 item. */
export type StageLevel = 0 | 1 | 2 | 3;

export interface StageTable {
  /** Per axis the boundaries of its segments, both ends included: [0, 8, 16]. A symbolic extent ends at Infinity. */
  readonly cuts: readonly (readonly number[])[];
  /** Row-major over the product of the segments. */
  readonly table: Uint8Array;
  /** False once neighbours were joined to stay within `MAX_PIECES`: levels are then upper bounds. */
  readonly exact: boolean;
}

/** The elements of [from, to) and their level. */
export interface StageBox {
  readonly from: readonly number[];
  readonly to: readonly number[];
  readonly level: StageLevel;
}

/** One level an element, row-major: the exact twin of a table. */
export type ElementStages = Uint8Array;

export const MAX_PIECES = 256;
/** Above this many boxes, boundaries are dropped by halves before they are weighed one by one. */
const WEIGHED_PIECES = 4096;

export function asLevel(level: number): StageLevel {
  if (level === 0 || level === 1 || level === 2 || level === 3) return level;
  throw new Error(`internal: ${level} is no stage`);
}

/** Every element of a value of this shape at one level. */
export function uniform(shape: readonly Extent[], level: StageLevel): StageTable {
  const cuts = shape.map((extent) => [0, typeof extent === "number" ? extent : Number.POSITIVE_INFINITY]);
  return { cuts, table: Uint8Array.of(level), exact: true };
}

export function isUniform(table: StageTable): boolean {
  return table.table.length === 1;
}

/** The number of segments per axis: the shape of `table.table`. */
export function segmentsOf(cuts: StageTable["cuts"]): number[] {
  return cuts.map((axis) => axis.length - 1);
}

/** The extents; Infinity for a symbolic one. */
export function shapeOf(table: StageTable): number[] {
  return table.cuts.map(extentOf);
}

export function extentOf(cuts: readonly number[]): number {
  return cuts[cuts.length - 1];
}

/** The segment that position `i` lies in. */
export function segmentAt(cuts: readonly number[], i: number): number {
  let low = 0;
  let high = cuts.length - 2;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (cuts[middle] <= i) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The level of one element. */
export function at(table: StageTable, index: readonly number[]): StageLevel {
  let cell = 0;
  for (const [a, cuts] of table.cuts.entries()) cell = cell * (cuts.length - 1) + segmentAt(cuts, index[a]);
  return asLevel(table.table[cell]);
}

/** Calls `visit` for every point of a grid in row-major order; the point is reused. */
export function forEachCell(
  extents: readonly number[],
  visit: (point: readonly number[], flat: number) => void,
): void {
  const total = numel(extents);
  const point = extents.map(() => 0);
  for (let flat = 0; flat < total; flat++) {
    visit(point, flat);
    for (let a = extents.length - 1; a >= 0; a--) {
      if (++point[a] < extents[a]) break;
      point[a] = 0;
    }
  }
}

/** The canonical table over these boundaries, with `level` of every cell (one segment per axis). */
export function fillTable(
  cuts: StageTable["cuts"],
  level: (cell: readonly number[], flat: number) => number,
  exact: boolean,
): StageTable {
  const extents = segmentsOf(cuts);
  const table = new Uint8Array(numel(extents));
  forEachCell(extents, (cell, flat) => {
    table[flat] = level(cell, flat);
  });
  return limited(canonical({ cuts, table, exact }));
}

/** Drops every boundary between equal slices. */
function canonical(table: StageTable): StageTable {
  let result = table;
  for (let a = 0; a < table.cuts.length; a++) {
    const cuts = result.cuts[a];
    const differs = new Set<number>();
    forEachPair(result, a, (low, high, boundary) => {
      if (result.table[low] !== result.table[high]) differs.add(boundary);
    });
    if (differs.size < cuts.length - 2) {
      result = keepCuts(result, a, (k) => differs.has(k));
    }
  }
  return result;
}

/** The neighbouring cells on either side of every inner boundary of an axis. */
function forEachPair(
  { cuts, table }: StageTable,
  axis: number,
  visit: (low: number, high: number, boundary: number) => void,
): void {
  const extents = segmentsOf(cuts);
  const stride = stridesOf(extents)[axis];
  const block = stride * extents[axis];
  for (let start = 0; start < table.length; start += block) {
    for (let k = 1; k < extents[axis]; k++) {
      for (let i = start + k * stride; i < start + (k + 1) * stride; i++) visit(i - stride, i, k);
    }
  }
}

/** Keeps the inner boundaries of an axis that `keep` names; joined cells take the latest stage. */
function keepCuts(
  { cuts, table, exact }: StageTable,
  axis: number,
  keep: (k: number) => boolean,
): StageTable {
  const old = cuts[axis];
  const kept: number[] = [];
  const segment: number[] = [];
  for (let k = 0; k < old.length - 1; k++) {
    if (k === 0 || keep(k)) kept.push(old[k]);
    segment.push(kept.length - 1);
  }
  kept.push(extentOf(old));
  const newCuts = cuts.with(axis, kept);
  const strides = stridesOf(segmentsOf(newCuts));
  const joined = new Uint8Array(numel(segmentsOf(newCuts)));
  forEachCell(segmentsOf(cuts), (cell, flat) => {
    let to = 0;
    for (let a = 0; a < cell.length; a++) to += (a === axis ? segment[cell[a]] : cell[a]) * strides[a];
    joined[to] = Math.max(joined[to], table[flat]);
  });
  return { cuts: newCuts, table: joined, exact };
}

/** At most `MAX_PIECES` boxes. */
function limited(table: StageTable): StageTable {
  if (table.table.length <= MAX_PIECES) return table;
  let result: StageTable = { ...table, exact: false };
  while (result.table.length > WEIGHED_PIECES) {
    const segments = segmentsOf(result.cuts);
    const widest = segments.indexOf(Math.max(...segments));
    result = keepCuts(result, widest, (k) => k % 2 === 0);
  }
  while (result.table.length > MAX_PIECES) {
    const { axis, boundary } = cheapestBoundary(result);
    result = keepCuts(result, axis, (k) => k !== boundary);
  }
  return canonical(result);
}

/** The inner boundary whose removal raises the fewest elements; the first of equals. */
function cheapestBoundary(table: StageTable): { axis: number; boundary: number } {
  const volumes = volumesOf(table);
  let best = { axis: 0, boundary: 0, cost: Number.POSITIVE_INFINITY };
  for (let axis = 0; axis < table.cuts.length; axis++) {
    const costs = table.cuts[axis].map(() => 0);
    forEachPair(table, axis, (low, high, boundary) => {
      const rise = table.table[high] - table.table[low];
      costs[boundary] += rise > 0 ? rise * volumes[low] : -rise * volumes[high];
    });
    for (let boundary = 1; boundary < costs.length - 1; boundary++) {
      if (costs[boundary] < best.cost) best = { axis, boundary, cost: costs[boundary] };
    }
  }
  return best;
}

/** The number of elements of every cell. */
export function volumesOf({ cuts }: StageTable): number[] {
  const volumes: number[] = [];
  forEachCell(segmentsOf(cuts), (cell) => {
    volumes.push(cell.reduce((volume, s, a) => volume * (cuts[a][s + 1] - cuts[a][s]), 1));
  });
  return volumes;
}

/** The boxes of the grid in row-major order. */
export function* pieces(table: StageTable): Generator<StageBox> {
  const { cuts } = table;
  const extents = segmentsOf(cuts);
  const strides = stridesOf(extents);
  for (let flat = 0; flat < table.table.length; flat++) {
    const cell = extents.map((extent, a) => Math.floor(flat / strides[a]) % extent);
    yield {
      from: cell.map((s, a) => cuts[a][s]),
      to: cell.map((s, a) => cuts[a][s + 1]),
      level: asLevel(table.table[flat]),
    };
  }
}

/** Disjoint boxes that cover exactly the elements of `level`: each grown as far as it goes, the last axis first. */
export function boxesOf(table: StageTable, level: StageLevel): StageBox[] {
  const { cuts } = table;
  const extents = segmentsOf(cuts);
  const strides = stridesOf(extents);
  const open = Uint8Array.from(table.table, (l) => (l === level ? 1 : 0));
  const boxes: StageBox[] = [];
  forEachCell(extents, (cell, flat) => {
    if (open[flat] === 0) return;
    const from = [...cell];
    const to = cell.map((s) => s + 1);
    let cells = [flat];
    for (let a = extents.length - 1; a >= 0; a--) {
      let layer = cells.map((i) => i + strides[a]);
      const first = cells;
      while (to[a] < extents[a] && layer.every((i) => open[i] === 1)) {
        to[a]++;
        cells = [...cells, ...layer];
        const steps = to[a] - from[a];
        layer = first.map((i) => i + steps * strides[a]);
      }
    }
    for (const i of cells) open[i] = 0;
    boxes.push({ from: from.map((s, a) => cuts[a][s]), to: to.map((s, a) => cuts[a][s]), level });
  });
  return boxes;
}

/** The level of every element, row-major. */
export function elementsOf(table: StageTable): ElementStages {
  const shape = shapeOf(table);
  const elements = new Uint8Array(numel(shape));
  if (isUniform(table)) return elements.fill(table.table[0]);
  const strides = stridesOf(shape);
  const last = shape.length - 1;
  for (const { from, to, level } of pieces(table)) {
    const rows = from.slice(0, last).map((f, a) => to[a] - f);
    forEachCell(rows, (row) => {
      const start = row.reduce((sum, i, a) => sum + (from[a] + i) * strides[a], 0);
      elements.fill(level, start + from[last], start + to[last]);
    });
  }
  return elements;
}

/** The table of element-wise levels. */
export function tableOf(elements: ElementStages, shape: readonly number[]): StageTable {
  const strides = stridesOf(shape);
  if (elements.length !== numel(shape)) throw new Error(`internal: ${elements.length} stages for [${shape}]`);
  if (elements.length === 0) return uniform(shape, 0);
  const cuts = shape.map((extent, a) => {
    const stride = strides[a];
    const inner: number[] = [];
    for (let k = 1; k < extent; k++) {
      if (sliceDiffers(elements, k, stride, extent)) inner.push(k);
    }
    return [0, ...inner, extent];
  });
  const level = (cell: readonly number[]): number =>
    elements[cell.reduce((sum, s, a) => sum + cuts[a][s] * strides[a], 0)];
  return fillTable(cuts, level, true);
}

/** Whether slice k along an axis differs from the one before it anywhere. */
function sliceDiffers(elements: ElementStages, k: number, stride: number, extent: number): boolean {
  for (let start = k * stride; start < elements.length; start += stride * extent) {
    for (let i = start; i < start + stride; i++) if (elements[i] !== elements[i - stride]) return true;
  }
  return false;
}

/** 1 where an element has exactly `level`, row-major. */
export function stageMask(table: StageTable, level: StageLevel): Uint8Array {
  return elementsOf(table).map((l) => (l === level ? 1 : 0));
}

export function maxLevel(table: StageTable): StageLevel {
  return asLevel(table.table.reduce((a, b) => Math.max(a, b), 0));
}

export function minLevel(table: StageTable): StageLevel {
  return asLevel(table.table.reduce((a, b) => Math.min(a, b), 3));
}
