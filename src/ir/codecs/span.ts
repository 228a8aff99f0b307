/**
 * @file Pieces of a value that can be encoded and decoded by themselves: whole indices of the leading axis where no scale spans
 * several of them (tables, weights of one FFN a token), the whole value elsewhere.
 */
import type { Storage } from "../storage.ts";

export interface Span {
  /** The piece's first index of the leading axis; 0 for a value without axes. */
  readonly from: number;
  readonly shape: readonly number[];
  /** Elements of the piece before the first that was asked for. */
  readonly skip: number;
}

/** Whether each index of the leading axis has scales of its own. */
export function splitsByRow(shape: readonly number[], { scale }: Storage): boolean {
  return shape.length > 0 && !(scale?.shared.includes(0) ?? false);
}

/** The smallest piece that holds elements [start, start + count) of a value. */
export function spanOf(shape: readonly number[], storage: Storage, start: number, count: number): Span {
  if (!splitsByRow(shape, storage)) return { from: 0, shape, skip: start };
  const unit = shape.slice(1).reduce((product, extent) => product * extent, 1);
  if (unit === 0) return { from: 0, shape: [0, ...shape.slice(1)], skip: 0 };
  const from = Math.floor(start / unit);
  const to = Math.ceil((start + count) / unit);
  return { from, shape: [to - from, ...shape.slice(1)], skip: start - from * unit };
}
