/**
 * @file The stages of a view. A boundary of the value at v cuts the view where an index expression e passes v, so the
 * cuts are found by asking where `e ≥ v` can change, backwards through the expression:
 *
 *   e = Σ c·a + k   an atom a changes it between p − 1 and p if the other atoms can bring the sum within |c| of v
 *   x // c ≥ v      is x ≥ c·v
 *   x % c ≥ v       changes where x passes v or 0 modulo c
 *
 * Atoms are taken as independent, which may give a cut too many; the table drops it again. So the cost goes with the
 * number of cuts and not with the number of elements.
 */
import { type Interval, interval, intervalWithin } from "./bounds.ts";
import { axesOf, type Expr } from "./expr.ts";
import { compileMap, compilePoint, type IndexMap, numel, stridesOf } from "./indexmap.ts";
import { intervalOfLinear, type Linear, linearOf, quotientParts, type Term } from "./linear.ts";
import {
  asLevel,
  type ElementStages,
  extentOf,
  fillTable,
  forEachCell,
  isUniform,
  type StageTable,
  segmentAt,
  segmentsOf,
  uniform,
} from "./stagetable.ts";

/** Grids up to this size are filled; larger ones are coarsened first, by interval arithmetic. */
const MAX_CELLS = 2 ** 18;
const COARSE_CELLS = 2 ** 10;
/** Positions of one atom that are looked at one by one. */
const MAX_POSITIONS = 2 ** 16;

/** The stages of `map`'s view of a value with stages `table`. */
export function viewStage(table: StageTable, map: IndexMap): StageTable {
  if (isUniform(table)) return { ...uniform(map.out, asLevel(table.table[0])), exact: table.exact };
  const finder = new CutFinder(map);
  for (const [j, cuts] of table.cuts.entries()) finder.passes(linearOf(map.index[j]), cuts.slice(1, -1));
  const cuts = finder.cuts();
  if (finder.complete && numel(segmentsOf(cuts)) <= MAX_CELLS) return exactView(table, map, cuts);
  return coarseView(table, map, thinned(cuts));
}

/** Every cell has one level, so its first element speaks for it. */
function exactView(table: StageTable, map: IndexMap, cuts: StageTable["cuts"]): StageTable {
  const strides = stridesOf(segmentsOf(table.cuts));
  const cutAxes = table.cuts.flatMap((inner, j) =>
    inner.length > 2 ? [{ inner, stride: strides[j], index: compilePoint(map.index[j]) }] : [],
  );
  const point = cuts.map(() => 0);
  const level = (cell: readonly number[]): number => {
    for (let a = 0; a < cell.length; a++) point[a] = cuts[a][cell[a]];
    let flat = 0;
    for (const { inner, stride, index } of cutAxes) flat += segmentAt(inner, index(point)) * stride;
    return table.table[flat];
  };
  return fillTable(cuts, level, table.exact);
}

/** The latest stage of all that a cell may read: bounds of the index inside the cell give a box of the value. */
function coarseView(table: StageTable, map: IndexMap, cuts: StageTable["cuts"]): StageTable {
  const strides = stridesOf(segmentsOf(table.cuts));
  const level = (cell: readonly number[]): number => {
    const axes = new Map<string, Interval>();
    for (const [a, s] of cell.entries()) axes.set(`i${a}`, { lo: cuts[a][s], hi: cuts[a][s + 1] - 1 });
    const from: number[] = [];
    const size: number[] = [];
    for (const [j, inner] of table.cuts.entries()) {
      const range = intervalWithin(map.index[j], axes);
      from.push(segmentAt(inner, range.lo));
      size.push(segmentAt(inner, range.hi) - from[j] + 1);
    }
    let latest = 0;
    forEachCell(size, (inBox) => {
      let flat = 0;
      for (let j = 0; j < inBox.length; j++) flat += (from[j] + inBox[j]) * strides[j];
      latest = Math.max(latest, table.table[flat]);
    });
    return latest;
  };
  return { ...fillTable(cuts, level, false), exact: false };
}

/** Evenly chosen boundaries, as many as a coarse grid may have. */
function thinned(cuts: StageTable["cuts"]): number[][] {
  const rank = cuts.filter((axis) => axis.length > 2).length;
  const most = Math.max(1, Math.floor(COARSE_CELLS ** (1 / Math.max(1, rank))));
  return cuts.map((axis) => {
    const segments = axis.length - 1;
    if (segments <= most) return [...axis];
    return Array.from({ length: most + 1 }, (_, k) => axis[Math.round((k * segments) / most)]);
  });
}

class CutFinder {
  /** False if some cuts were too many to list. */
  complete = true;
  readonly #ends: number[];
  readonly #found: Set<number>[];

  constructor(map: IndexMap) {
    this.#ends = uniform(map.out, 0).cuts.map(extentOf);
    this.#found = map.out.map(() => new Set());
  }

  cuts(): number[][] {
    return this.#found.map((found, a) => [0, ...[...found].sort((x, y) => x - y), this.#ends[a]]);
  }

  /** Cuts wherever x passes one of the values: where `x ≥ value` may change. */
  passes(x: Linear, values: readonly number[]): void {
    if (values.length === 0) return;
    for (const term of x.terms) {
      const others = { terms: x.terms.filter((t) => t !== term), constant: x.constant };
      this.#atomPasses(term.atom, this.#positions(term, others, values));
    }
  }

  /** The values p of the term's atom between which and p − 1 the sum may pass one of `values`. */
  #positions({ atom, coef }: Term, others: Linear, values: readonly number[]): number[] {
    const range = interval(atom);
    const rest = intervalOfLinear(others);
    const width = Math.abs(coef);
    const found = new Set<number>();
    for (const value of values) {
      // With coef·p = q the rest must lie in [low, low + width), low = value − q (one step less for coef < 0).
      const shift = coef > 0 ? 0 : coef;
      const ends = [(value + shift - rest.hi) / coef, (value + shift + width - 1 - rest.lo) / coef];
      const first = Math.max(range.lo + 1, Math.ceil(Math.min(...ends)));
      const last = Math.min(range.hi, Math.floor(Math.max(...ends)));
      if (last - first >= MAX_POSITIONS) {
        this.complete = false;
        continue;
      }
      for (let p = first; p <= last; p++) {
        const low = value + shift - coef * p;
        if (!found.has(p) && canReach(others, low, low + width - 1)) found.add(p);
      }
    }
    return [...found];
  }

  #atomPasses(atom: Expr, positions: readonly number[]): void {
    if (positions.length === 0) return;
    if (atom.kind === "axis") {
      const found = this.#found[Number(atom.name.slice(1))];
      for (const p of positions) found.add(p);
      return;
    }
    const whole = quotientParts(atom, "floordiv");
    if (whole !== undefined) {
      this.passes(
        whole.x,
        positions.map((p) => p * whole.c),
      );
      return;
    }
    const cyclic = quotientParts(atom, "mod");
    if (cyclic !== undefined) {
      const { lo, hi } = intervalOfLinear(cyclic.x);
      const [first, last] = [Math.floor(lo / cyclic.c), Math.floor(hi / cyclic.c)];
      if ((last - first + 1) * (positions.length + 1) <= MAX_POSITIONS) {
        const passed: number[] = [];
        for (let k = first; k <= last; k++) {
          for (const p of [0, ...positions]) passed.push(k * cyclic.c + p);
        }
        this.passes(cyclic.x, passed);
        return;
      }
      this.complete = false;
      return;
    }
    this.#everywhere(atom);
  }

  /** Nothing is known of how the atom moves: every position of every axis that it depends on. */
  #everywhere(atom: Expr): void {
    for (const name of axesOf(atom).keys()) {
      const a = Number(name.slice(1));
      if (this.#ends[a] > MAX_POSITIONS) this.complete = false;
      else for (let p = 1; p < this.#ends[a]; p++) this.#found[a].add(p);
    }
  }
}

/** Whether Σ coef·atom + constant can lie in [lo, hi]; true where finding out would take long. */
function canReach({ terms, constant }: Linear, lo: number, hi: number): boolean {
  const [term, ...smaller] = [...terms].sort((a, b) => Math.abs(b.coef) - Math.abs(a.coef));
  if (term === undefined) return lo <= constant && constant <= hi;
  const others = { terms: smaller, constant };
  const rest = intervalOfLinear(others);
  const range = interval(term.atom);
  const ends = [(lo - rest.hi) / term.coef, (hi - rest.lo) / term.coef];
  const first = Math.max(range.lo, Math.ceil(Math.min(...ends)));
  const last = Math.min(range.hi, Math.floor(Math.max(...ends)));
  if (last - first > 16) return true;
  for (let x = first; x <= last; x++) {
    if (canReach(others, lo - term.coef * x, hi - term.coef * x)) return true;
  }
  return false;
}

/** The exact twin of `viewStage`: one level an element of the view. */
export function viewElements(
  elements: ElementStages,
  inShape: readonly number[],
  map: IndexMap,
): ElementStages {
  const out = map.out.map((extent) => {
    if (typeof extent === "string") throw new Error(`internal: the elements of an axis of extent ${extent}`);
    return extent;
  });
  const flatOf = compileMap(map, stridesOf(inShape));
  const view = new Uint8Array(numel(out));
  forEachCell(out, (point, flat) => {
    view[flat] = elements[flatOf(point)];
  });
  return view;
}
