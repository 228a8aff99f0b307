/**
 * @file Runs a Plan of tile kernels on the CPU, point by point, in f64: what pass and schedule tests compare with the
 * reference before any device. Schedules do not matter here, except that slices are honoured.
 */

import { decode, encode } from "../../src/ir/codecs/codec.ts";
import type { AxisExtent } from "../../src/ir/expr.ts";
import type { Stage } from "../../src/ir/graph.ts";
import type { Plan, PlanValue } from "../../src/ir/plan.ts";
import { compileExpr, type ExprEnv } from "../../src/ir/scalar.ts";
import {
  GROUP,
  type GridAxis,
  type ListStep,
  partsOf,
  type RowAxis,
  type ScoreStmt,
  type Slicing,
  sharesAxis,
  type TileKernel,
  type TileStmt,
} from "../../src/ir/tile.ts";

/** What a call brings: logical row-major arrays by plan value name kind. */
export interface InterpretInput {
  readonly requests: number;
  readonly candidates: number;
  /** The request of each candidate. */
  readonly request: ArrayLike<number>;
  /** Features, batched and row-major. */
  feature(name: string): ArrayLike<number>;
  /** A parameter's elements, row-major. */
  param(path: string): ArrayLike<number>;
}

/** A workgroup's part of an axis that the phases of its kernel share. */
interface Box {
  readonly axis: GridAxis;
  readonly from: number;
  readonly to: number;
}

/** Every plan value's contents after a run, logical row-major (padding stripped). */
export type InterpretResult = ReadonlyMap<number, Float64Array>;

export function interpret(plan: Plan, input: InterpretInput): InterpretResult {
  return new Interpreter(plan, input).run();
}

class Interpreter {
  private readonly memory: Float64Array[] = [];
  private readonly plan: Plan;
  private readonly input: InterpretInput;

  constructor(plan: Plan, input: InterpretInput) {
    this.plan = plan;
    this.input = input;
  }

  run(): InterpretResult {
    for (const v of this.plan.values) this.memory[v.id] = this.initial(v);
    for (const stage of ["load", "user", "item"] as const) {
      for (const kernel of this.plan.kernels[stage]) {
        this.launch(kernel, stage);
        if (stage === "load") this.packDerived(kernel);
      }
    }
    return new Map(this.plan.values.map((v) => [v.id, this.memory[v.id]]));
  }

  private size(extent: number | "R" | "N"): number {
    return extent === "R" ? this.input.requests : extent === "N" ? this.input.candidates : extent;
  }

  private shape(v: PlanValue): number[] {
    return v.shape.map((s) => this.size(s));
  }

  private initial(v: PlanValue): Float64Array {
    const { home } = v;
    switch (home.kind) {
      case "param": {
        const whole = this.packedPart(v, this.input.param(home.path));
        if (!home.rows || whole.length === this.shape(v).reduce((p, s) => p * s, 1))
          return Float64Array.from(whole);
        const unit = this.shape(v).reduce((p, s) => p * s, 1) / (home.rows.to - home.rows.from);
        return Float64Array.from(whole).slice(home.rows.from * unit, home.rows.to * unit);
      }
      case "constant":
        return Float64Array.from(home.values);
      case "input":
        // Rows of a large table are numbered by their ids here: no table is too large.
        return Float64Array.from(this.input.feature(home.feature));
      case "rows":
        return Float64Array.from(this.input.param(home.path));
      case "slots":
        return Float64Array.from({ length: this.input.requests }, (_, r) => r);
      case "request":
        return Float64Array.from(this.input.request);
      case "kept":
        if (home.feature) return Float64Array.from(this.input.feature(home.feature));
        break;
    }
    return new Float64Array(this.shape(v).reduce((p, s) => p * s, 1)).fill(Number.NaN);
  }

  /** What is packed of the load-stage value that a kernel has written. */
  private packDerived(kernel: TileKernel): void {
    for (const v of this.plan.values) {
      const { home } = v;
      if (home.kind !== "derived") continue;
      if (!kernel.buffers.some(({ value, access }) => value === home.of && access === "write")) continue;
      this.memory[v.id] = Float64Array.from(this.packedPart(v, this.memory[home.of]));
    }
  }

  /** What lies in memory of a parameter or a derived value: codes, scales or zero points where it is packed. */
  private packedPart({ packing, home }: PlanValue, values: ArrayLike<number>): ArrayLike<number> {
    if (home.kind !== "param" && home.kind !== "derived") return values;
    if (packing === undefined && home.part === undefined) return values;
    const stored =
      home.kind === "param"
        ? this.plan.params.find(({ path }) => path === home.path)
        : { shape: this.shape(this.plan.values[home.of]), storage: home.storage };
    if (stored === undefined) throw new Error("internal: a packed value of no parameter");
    const { shape, storage } = stored;
    const encoded = encode(Float32Array.from(values), shape, storage);
    if (home.part === "scale") return encoded.scales;
    if (home.part === "zero") return encoded.zeros ?? [];
    // Decoded with scales of 1 and no zero points, codes are the numbers that kernels see.
    return decode({ data: encoded.data, scales: encoded.scales.map(() => 1) }, shape, storage);
  }

  private launch(kernel: TileKernel, stage: Stage): void {
    const rows = stage === "item" ? this.input.candidates : stage === "user" ? this.input.requests : 1;
    const extent = (e: AxisExtent): number => (typeof e === "number" ? e : e.times * rows);
    if (kernel.lists) {
      this.list(kernel.lists, extent);
      return;
    }
    if (kernel.phases) this.phases(kernel, extent);
    else this.points(kernel, extent, []);
  }

  /**
   * Workgroup by workgroup, and nobody sees what another one writes: what a phase reads of an earlier one must be the
   * workgroup's own.
   */
  private phases(kernel: TileKernel, extent: (e: AxisExtent) => number): void {
    const written = kernel.buffers.filter((b) => b.access === "write").map((b) => b.value);
    const after = new Map(written.map((id) => [id, this.memory[id]]));
    const visit = (box: readonly Box[]): void => {
      const axis = kernel.grid[box.length];
      if (axis !== undefined) {
        const end = extent(axis.extent);
        for (let from = 0; from < end; from += axis.tile)
          visit([...box, { axis, from, to: Math.min(end, from + axis.tile) }]);
        return;
      }
      for (const [id, { length }] of after) this.memory[id] = new Float64Array(length).fill(Number.NaN);
      for (const part of partsOf(kernel)) this.points(part, extent, box);
      for (const [id, all] of after) {
        this.memory[id].forEach((x, i) => {
          if (!Number.isNaN(x)) all[i] = x;
        });
      }
    };
    visit([]);
    for (const [id, all] of after) this.memory[id] = all;
  }

  /** Runs the body at all points of the grid, of a phase at those in the workgroup's box. */
  private points(kernel: TileKernel, extent: (e: AxisExtent) => number, box: readonly Box[]): void {
    const point = new Map<string, number>();
    const tiles = new Map<string, number>();
    const env: ExprEnv = {
      axis: (name) => point.get(name) ?? this.missing(`axis ${name}`),
      tile: (name) => tiles.get(name) ?? this.missing(`tile ${name}`),
      load: (source, index) => this.memory[source][this.offset(source, index)],
    };
    const sizes = new Map(kernel.inner.map((a) => [a.name, a.extent]));
    const steps = kernel.body.map((s) => this.compile(s, env, point, tiles, sizes));
    const ranges = kernel.slicing?.ranges ?? [{ from: 0, to: Number.POSITIVE_INFINITY }];
    for (const range of ranges) {
      const visit = (at: number): void => {
        if (at === kernel.grid.length) {
          for (const step of steps) step();
          return;
        }
        const axis = kernel.grid[at];
        if (axis.rows) {
          this.eachRow(axis, axis.rows, kernel.slicing, range, point, () => visit(at + 1));
          return;
        }
        const sliced = kernel.slicing?.axis === axis.name;
        const own = box.find((b) => sharesAxis(axis, b.axis));
        const times = typeof axis.extent === "number" ? 1 : axis.extent.times;
        const from = own ? own.from * times : sliced ? range.from : 0;
        const to = own ? own.to * times : sliced ? range.to : Number.POSITIVE_INFINITY;
        const end = Math.min(extent(axis.extent), to);
        for (let i = from; i < end; i++) {
          point.set(axis.name, i);
          visit(at + 1);
        }
      };
      visit(0);
    }
  }

  /** Visits the points of an axis over a list: its tiles one by one, or its rows alone where tiles do not matter. */
  private eachRow(
    axis: GridAxis,
    { tiles, times, group }: RowAxis,
    slicing: Slicing | undefined,
    range: { readonly from: number; readonly to: number },
    point: Map<string, number>,
    visit: () => void,
  ): void {
    const table = this.memory[tiles];
    if (!group) {
      for (let i = 0; i < table[0] * times; i++) {
        point.set(axis.name, i);
        visit();
      }
      return;
    }
    for (let tile = 1; tile <= table[1]; tile++) {
      let [rest, from, to] = table.subarray(4 * tile);
      const chosen = (n: number): boolean => n >= range.from && n < range.to;
      let inside = slicing?.axis !== GROUP || chosen(rest);
      for (const { name, extent } of group.toReversed()) {
        point.set(name, rest % extent);
        if (slicing?.axis === name) inside = chosen(rest % extent);
        rest = Math.floor(rest / extent);
      }
      for (; inside && from < to; from++) {
        point.set(axis.name, from);
        visit();
      }
    }
  }

  /** Makes the tables of a list, all in its second step. */
  private list({ step, list, active, launches }: ListStep, extent: (e: AxisExtent) => number): void {
    const members = extent(list.members);
    if (members === 0) return;
    const point = new Map<string, number>();
    const isActive = compileExpr(active);
    const env: ExprEnv = {
      axis: (name) => point.get(name) ?? this.missing(`axis ${name}`),
      tile: (name) => this.missing(`tile ${name}`),
      load: (source, index) => this.memory[source][this.offset(source, index)],
    };
    const [counts, rows, places, tiles] = [list.counts, list.rows, list.places, list.tiles].map(
      (id) => this.memory[id],
    );
    let count = 0;
    const records: number[] = [];
    for (let g = 0; g < list.groups; g++) {
      const first = count;
      for (let m = 0; m < members; m++) {
        point.set("m", m).set("g", g);
        const row = m * list.groups + g;
        const is = isActive(env) !== 0;
        if (step === "list") places[row] = is ? count : -1;
        if (!is) continue;
        if (step === "list") rows[count] = row;
        count++;
      }
      if (step === "count") counts[g] = count - first;
      for (let at = first; at < count; at += list.tile)
        records.push(g, at, Math.min(count, at + list.tile), 0);
    }
    if (step === "count") return;
    const total = records.length / 4;
    tiles.set([count, total, 0, 0, ...records]);
    launches.forEach((l, i) => {
      const points = (l.of === "rows" ? count : total) * l.times;
      this.memory[list.launches].set([Math.ceil(points / l.tile) * l.others, 1, 1, 0], 4 * i);
    });
  }

  private missing(what: string): never {
    throw new Error(`internal: ${what} has no value at this point`);
  }

  private offset(source: number, index: readonly number[]): number {
    const v = this.plan.values[source];
    let flat = 0;
    v.shape.forEach((s, i) => {
      const size = v.home.kind === "rows" && i === 0 ? Number.POSITIVE_INFINITY : this.size(s);
      if (!(index[i] >= 0 && index[i] < size))
        throw new Error(`internal: ${v.name}[${index.join(", ")}] is outside its shape`);
      flat = flat * (size === Number.POSITIVE_INFINITY ? 1 : size) + index[i];
    });
    return flat;
  }

  private compile(
    s: TileStmt,
    env: ExprEnv,
    point: Map<string, number>,
    tiles: Map<string, number>,
    sizes: ReadonlyMap<string, number>,
  ): () => void {
    const loop = (over: readonly string[], body: () => void, at = 0): void => {
      if (at === over.length) {
        body();
        return;
      }
      const size = sizes.get(over[at]) ?? this.missing(`inner axis ${over[at]}`);
      for (let i = 0; i < size; i++) {
        point.set(over[at], i);
        loop(over, body, at + 1);
      }
    };
    switch (s.kind) {
      case "let": {
        const value = compileExpr(s.value);
        return () => tiles.set(s.out, value(env));
      }
      case "reduce": {
        const value = compileExpr(s.value);
        const start =
          s.fn === "sum" ? 0 : s.fn === "max" ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
        const combine =
          s.fn === "sum" ? (a: number, b: number) => a + b : s.fn === "max" ? Math.max : Math.min;
        return () => {
          let total = start;
          loop(s.over, () => {
            total = combine(total, value(env));
          });
          tiles.set(s.out, total);
        };
      }
      case "moments": {
        const value = compileExpr(s.value);
        return () => {
          const seen: number[] = [];
          loop(s.over, () => seen.push(value(env)));
          const mean = seen.reduce((a, b) => a + b, 0) / seen.length;
          tiles.set(s.mean, mean);
          tiles.set(
            s.m2,
            seen.reduce((m2, x) => m2 + (x - mean) ** 2, 0),
          );
        };
      }
      case "dot": {
        const a = compileExpr(s.a);
        const b = compileExpr(s.b);
        return () => {
          let total = 0;
          loop([s.k], () => {
            total += a(env) * b(env);
          });
          tiles.set(s.out, total);
        };
      }
      case "score":
        return this.scoreProduct(s, env, point, tiles, (name, body) => loop([name], body));
      case "store": {
        const value = compileExpr(s.value);
        const index = s.index.map((i) => compileExpr(i));
        const target = this.memory[s.target];
        return () =>
          loop(s.over, () => {
            target[
              this.offset(
                s.target,
                index.map((i) => i(env)),
              )
            ] = value(env);
          });
      }
    }
  }

  /** By the definition: every weight of the row, then its softmax, then the sum. */
  private scoreProduct(
    s: ScoreStmt,
    env: ExprEnv,
    point: ReadonlyMap<string, number>,
    tiles: Map<string, number>,
    loop: (name: string, body: () => void) => void,
  ): () => void {
    const [a, b, weight, v] = [s.a, s.b, s.weight, s.v].map(compileExpr);
    const gain = s.gain ? compileExpr(s.gain) : () => 1;
    const from = s.visible?.from ? compileExpr(s.visible.from) : () => Number.NEGATIVE_INFINITY;
    const to = s.visible?.to ? compileExpr(s.visible.to) : () => Number.POSITIVE_INFINITY;
    const nothing = s.norm === "softmax" ? Number.NEGATIVE_INFINITY : 0;
    return () => {
      const [first, end] = [from(env), to(env)];
      const weights: number[] = [];
      const terms: number[] = [];
      loop(s.j, () => {
        let score = 0;
        loop(s.k, () => {
          score += a(env) * b(env);
        });
        tiles.set(s.score, score);
        const w = weight(env);
        const j = point.get(s.j) ?? this.missing(`axis ${s.j}`);
        if ((j < first || j >= end) && w !== nothing)
          throw new Error(`internal: ${s.out} has a weight of ${w} at ${j}, outside [${first}, ${end})`);
        weights.push(w);
        terms.push(gain(env) * v(env));
      });
      const most = weights.reduce((x, y) => Math.max(x, y), Number.NEGATIVE_INFINITY);
      const softmax = s.norm === "softmax";
      const shares = softmax ? weights.map((w) => (w === nothing ? 0 : Math.exp(w - most))) : weights;
      const total = softmax ? shares.reduce((x, y) => x + y, 0) : 1;
      // What has no weight counts for nothing, whatever it is.
      const sum = shares.reduce((x, p, i) => (p === 0 ? x : x + p * terms[i]), 0);
      tiles.set(s.out, total === 0 ? 0 : sum / total);
    };
  }
}
