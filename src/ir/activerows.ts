/**
 * @file A value at active rows beside its dense meaning. A device holds the rows that a gate leaves on, in the order of a list; the
 * Graph's node has all of them. What both have is what can be compared.
 */
import { numel, stridesOf } from "./indexmap.ts";
import type { PlanRows } from "./plan.ts";

/**
 * The elements that `rows` says are stored: as stored (`data`, [batch, most, …] without padding) and as in the dense tensor of
 * `shape`, in the order of the dense rows. `places` is the list's table, [batch, members, groups].
 */
export function activeElements(
  rows: PlanRows,
  data: ArrayLike<number>,
  places: ArrayLike<number>,
  dense: { readonly shape: readonly number[]; readonly data: ArrayLike<number> },
): { readonly stored: Float64Array; readonly meant: Float64Array } {
  const stored: number[] = [];
  const meant: number[] = [];
  eachActive(rows, places, dense.shape, (held, at) => {
    stored.push(data[held]);
    meant.push(dense.data[at]);
  });
  return { stored: Float64Array.from(stored), meant: Float64Array.from(meant) };
}

/** The dense tensor with what is stored in place of its own elements. */
export function withActiveElements<
  T extends { readonly shape: readonly number[]; readonly data: ArrayLike<number> },
>(rows: PlanRows, data: ArrayLike<number>, places: ArrayLike<number>, dense: T): T {
  const all = Float64Array.from(dense.data);
  eachActive(rows, places, dense.shape, (held, at) => {
    all[at] = data[held];
  });
  return { ...dense, data: all };
}

/** Visits the elements that are stored: where among those, and where in the dense tensor. */
function eachActive(
  rows: PlanRows,
  places: ArrayLike<number>,
  shape: readonly number[],
  visit: (held: number, at: number) => void,
): void {
  const axes = [...rows.members, ...rows.groups];
  const strides = stridesOf(shape);
  const rest = shape.map((_, a) => a).filter((a) => !axes.includes(a));
  const sizes = axes.map((a) => shape[a]);
  const inner = rest.map((a) => shape[a]);
  const width = numel(inner);
  const offsets = Array.from({ length: width }, (_, i) => offsetOf(i, inner, rest, strides));
  for (let row = 0; row < numel(sizes); row++) {
    const place = places[row];
    if (place < 0) continue;
    const at = offsetOf(row, sizes, axes, strides);
    for (let i = 0; i < width; i++) visit(place * width + i, at + offsets[i]);
  }
}

/** Where point `flat` of `sizes`, laid along `axes`, lies in a tensor of these strides. */
function offsetOf(
  flat: number,
  sizes: readonly number[],
  axes: readonly number[],
  strides: readonly number[],
): number {
  let rest = flat;
  let offset = 0;
  for (let i = sizes.length - 1; i >= 0; i--) {
    offset += (rest % sizes[i]) * strides[axes[i]];
    rest = Math.floor(rest / sizes[i]);
  }
  return offset;
}
