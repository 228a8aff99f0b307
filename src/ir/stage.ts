/**
 * @file Stages: when each element of a value is known. The lattice is
 *
 *   zero < load < user < item
 *
 * `zero` is exactly 0, `load` depends on parameters alone, `user` on a request, `item` on a candidate. A value's stages
 * are a table over boxes of its index (`stagetable.ts`), because a token mixer interleaves what users and candidates
 * determine. Here is what operations do to them; `stageview.ts` follows a table through an index map and
 * `stagetext.ts` prints it.
 */

import { stridesOf } from "./indexmap.ts";
import {
  type ElementStages,
  elementsOf,
  extentOf,
  fillTable,
  forEachCell,
  type StageLevel,
  type StageTable,
  segmentAt,
  segmentsOf,
  shapeOf,
  tableOf,
  uniform,
} from "./stagetable.ts";

export {
  at,
  boxesOf,
  type ElementStages,
  elementsOf,
  isUniform,
  MAX_PIECES,
  maxLevel,
  minLevel,
  pieces,
  type StageBox,
  type StageLevel,
  type StageTable,
  stageMask,
  tableOf,
  uniform,
} from "./stagetable.ts";
export { parseStage, printStage, readStage, stageNames } from "./stagetext.ts";
export { viewElements, viewStage } from "./stageview.ts";

type Combine = (...levels: number[]) => number;

const latest: Combine = Math.max;
const product: Combine = (a, b) => (a === 0 || b === 0 ? 0 : Math.max(a, b));
/** where(cond, a, b): a condition that is exactly false leaves b alone; otherwise all three count unless both arms are 0. */
const selection: Combine = (cond, a, b) => {
  if (cond === 0) return b;
  return a === 0 && b === 0 ? 0 : Math.max(cond, a, b);
};

/** Element by element over tables of one shape. */
function combine(tables: readonly StageTable[], f: Combine): StageTable {
  const [first] = tables;
  for (const { cuts } of tables) {
    if (cuts.length !== first.cuts.length || cuts.some((c, a) => extentOf(c) !== extentOf(first.cuts[a]))) {
      throw new Error("internal: stages of different shapes meet");
    }
  }
  const cuts = first.cuts.map((_, a) => union(tables.map((table) => table.cuts[a])));
  const lookups = tables.map((table) => {
    const strides = stridesOf(segmentsOf(table.cuts));
    return cuts.map((axis, a) =>
      axis.slice(0, -1).map((start) => segmentAt(table.cuts[a], start) * strides[a]),
    );
  });
  const level = (cell: readonly number[]): number =>
    f(
      ...tables.map((table, t) => {
        let flat = 0;
        for (let a = 0; a < cell.length; a++) flat += lookups[t][a][cell[a]];
        return table.table[flat];
      }),
    );
  return fillTable(
    cuts,
    level,
    tables.every((table) => table.exact),
  );
}

function union(cuts: readonly (readonly number[])[]): readonly number[] {
  if (cuts.every((c) => c.length === 2)) return cuts[0];
  return [...new Set(cuts.flat())].sort((a, b) => a - b);
}

/** Sums and all other functions of several values: the latest stage. At least one table. */
export function joinStages(tables: readonly StageTable[]): StageTable {
  return tables.reduce((a, b) => combine([a, b], latest));
}

/** Products: zero where a factor is zero, else the latest stage. At least one table. */
export function mulStages(tables: readonly StageTable[]): StageTable {
  return tables.reduce((a, b) => combine([a, b], product));
}

/** where(cond, a, b); a condition that is known as a constant is given as one byte an element. */
export function selectStages(cond: StageTable | Uint8Array, a: StageTable, b: StageTable): StageTable {
  if (!(cond instanceof Uint8Array)) return combine([cond, a, b], selection);
  const chosen = elementsOf(b);
  const whenTrue = elementsOf(a);
  for (let i = 0; i < chosen.length; i++) if (cond[i] !== 0) chosen[i] = whenTrue[i];
  const table = tableOf(chosen, shapeOf(a));
  return { ...table, exact: table.exact && a.exact && b.exact };
}

/** A reduction over `axes` (kept with extent 1, or dropped): the latest stage of what is reduced. */
export function reduceStage(table: StageTable, axes: readonly number[], keep: boolean): StageTable {
  const kept = table.cuts.map((_, a) => a).filter((a) => keep || !axes.includes(a));
  const cuts = kept.map((a) => (axes.includes(a) ? [0, 1] : table.cuts[a]));
  const strides = stridesOf(segmentsOf(cuts));
  const levels = new Uint8Array(segmentsOf(cuts).reduce((n, s) => n * s, 1));
  forEachCell(segmentsOf(table.cuts), (cell, flat) => {
    const to = kept.reduce((sum, a, k) => sum + (axes.includes(a) ? 0 : cell[a] * strides[k]), 0);
    levels[to] = Math.max(levels[to], table.table[flat]);
  });
  return fillTable(cuts, (_, flat) => levels[flat], table.exact);
}

/** The tables side by side along `axis`; their other extents are equal. */
export function concatStages(axis: number, tables: readonly StageTable[]): StageTable {
  const [first] = tables;
  const starts: number[] = [];
  const along: number[] = [0];
  let end = 0;
  for (const table of tables) {
    starts.push(end);
    const own = table.cuts[axis];
    if (extentOf(own) > 0) along.push(...own.slice(1).map((c) => c + end));
    end += extentOf(own);
  }
  if (along.length === 1) along.push(0);
  const cuts = first.cuts.map((_, a) => (a === axis ? along : union(tables.map((table) => table.cuts[a]))));
  const level = (cell: readonly number[]): number => {
    const position = cuts[axis][cell[axis]];
    // Of empty tables at the same start the last, which is the one that has elements.
    const t = starts.findLastIndex((start) => start <= position);
    const table = tables[t];
    const flat = table.cuts.reduce((sum, own, a) => {
      const from = a === axis ? position - starts[t] : cuts[a][cell[a]];
      return sum * (own.length - 1) + segmentAt(own, from);
    }, 0);
    return table.table[flat];
  };
  return fillTable(
    cuts,
    level,
    tables.every((table) => table.exact),
  );
}

/** `before` and `after` more elements along an axis, at `level` (zero for a fill of 0, load for any other constant). */
export function padStage(
  table: StageTable,
  axis: number,
  before: number,
  after: number,
  level: StageLevel,
): StageTable {
  const strip = (extent: number): StageTable => uniform(shapeOf(table).with(axis, extent), level);
  const parts = [...(before > 0 ? [strip(before)] : []), table, ...(after > 0 ? [strip(after)] : [])];
  return concatStages(axis, parts);
}

/** The elements that `mask` names (one byte an element, row-major) get `level`. */
export function replaceWhere(table: StageTable, mask: Uint8Array, level: StageLevel): StageTable {
  const elements = elementsOf(table);
  for (let i = 0; i < elements.length; i++) if (mask[i] !== 0) elements[i] = level;
  const replaced = tableOf(elements, shapeOf(table));
  return { ...replaced, exact: replaced.exact && table.exact };
}

/** Element-wise twins of `joinStages` and `mulStages`. */
export function joinElements(parts: readonly ElementStages[]): ElementStages {
  return parts[0].map((first, i) => parts.reduce((level, part) => Math.max(level, part[i]), first));
}

export function mulElements(parts: readonly ElementStages[]): ElementStages {
  return parts[0].map((first, i) => parts.reduce((level, part) => product(level, part[i]), first));
}
