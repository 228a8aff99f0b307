/**
 * @file Inner axes at one point: sweeps over them, and reductions along them, by a team of one or more lanes.
 *
 * A sweep deals one axis to the lanes (lane l takes elements, or groups of four, l, l + lanes, …) and runs through the
 * others in loops. Up to eight turns are written out: each then has names of its own, so what one statement loaded, the
 * next one finds (a LayerNorm reads its row once). Longer sweeps are loops whose ends are run-time values: drivers
 * unroll loops with constant ends, and take seconds over it.
 *
 * Where CUDA has numbers of 16 bits, a lane takes eight neighbours a turn, two groups of four: its accesses are of 16 bytes.
 *
 * Sums are over at most lanes × 4 interleaved streams that are combined in a fixed order. Moments (count, mean, M2)
 * of streams are combined exactly (Chan, Golub, LeVeque 1979): M2 = Σ m2ᵢ + Σ nᵢ (meanᵢ − mean)²; a stream itself
 * is updated by Welford's rule, or, where its values are at hand, by two passes.
 */
import type { Expr } from "../../src/ir/expr.ts";
import { axis, loadsOf, mul, substitute } from "../../src/ir/expr.ts";
import type { ThreadExpr, ThreadFn, ThreadType } from "../../src/ir/thread.ts";
import {
  addI,
  builtin,
  call,
  constant,
  F32,
  i32,
  lessThan,
  minI,
  mulI,
  splat,
  widen,
} from "../../src/ir/thread.ts";
import { expressionsOf, type InnerAxis, type TileKernel, type TileStmt } from "../../src/ir/tile.ts";
import type { Bindings } from "./access.ts";
import { groupAxis, halfOctet, octetAxis, quadruple } from "./access.ts";
import type { Builder, Scope } from "./builder.ts";
import type { Expressions } from "./expressions.ts";
import { convert, scalarType, spread } from "./expressions.ts";

/** Turns of a sweep that are written out rather than looped over. */
const UNROLLED = 8;

type Rewrite = (e: Expr) => Expr;

export type Fold = "sum" | "max" | "min";

/** The threads that share a point. */
export interface Team {
  readonly lanes: number;
  readonly lane: ThreadExpr;
  /** The fold of every lane's scalar, known to all lanes. */
  readonly combine: (fn: Fold, value: ThreadExpr) => ThreadExpr;
}

export type Reduction = Extract<TileStmt, { kind: "reduce" | "moments" | "dot" }>;

interface Sweep {
  readonly outer: readonly InnerAxis[];
  readonly dealt: InnerAxis;
  readonly width: 1 | 4;
  /** Groups of four that a lane takes at a time. */
  readonly halves: 1 | 2;
  /** Elements, groups of four or octets of the dealt axis. */
  readonly groups: number;
  /** Turns a lane takes. */
  readonly turns: number;
  readonly unrolled: boolean;
}

/** One turn: how the dealt axis is written in it (twice for an octet), and whether this lane's element exists. */
interface Turn {
  readonly rewrites: readonly Rewrite[];
  readonly valid: ThreadExpr | undefined;
}

const FOLDS: Readonly<Record<Fold, { readonly two: ThreadFn; readonly four: ThreadFn }>> = {
  sum: { two: "add", four: "sum4" },
  max: { two: "max", four: "max4" },
  min: { two: "min", four: "min4" },
};

export function foldTwo(fn: Fold, a: ThreadExpr, b: ThreadExpr): ThreadExpr {
  return call(FOLDS[fn].two, widen(a.type, Math.max(a.type.width, b.type.width) === 4 ? 4 : 1), a, b);
}

export function identityOf(fn: Fold, type: ThreadType): ThreadExpr {
  const least = type.of === "f32" ? Number.NEGATIVE_INFINITY : -2147483647;
  const value = fn === "sum" ? 0 : fn === "max" ? least : -least;
  return spread(constant(value, widen(type, 1)), type.width);
}

/** A loop bound of the value `n` that no compiler can know. */
export function runtimeBound(builder: Builder, hint: string, n: number): ThreadExpr {
  const root = builder.find((scope) => scope.parent === undefined) as Scope;
  const key = `#bound ${n}`;
  const known = root.values.get(key);
  if (known !== undefined) return known;
  const value = builder.inside(root, () => builder.let(hint, mulI(builtin("call.one"), i32(n))));
  root.values.set(key, value);
  return value;
}

export class Inner {
  private readonly builder: Builder;
  private readonly expressions: Expressions;
  private readonly team: Team;
  private readonly point: Scope;
  private readonly axes: ReadonlyMap<string, InnerAxis>;
  /** Whether an inner axis is handled four at a time. */
  private readonly widths = new Map<string, 1 | 4>();
  /** Axes that are dealt eight at a time. */
  private readonly octets = new Set<string>();

  /** `vector` asks for four elements at a time where that turns a load or a store into a vector's. */
  constructor(
    builder: Builder,
    expressions: Expressions,
    bindings: Bindings,
    kernel: TileKernel,
    team: Team,
    vector: boolean,
  ) {
    this.builder = builder;
    this.expressions = expressions;
    this.team = team;
    this.point = builder.current;
    this.axes = new Map(kernel.inner.map((inner) => [inner.name, inner]));
    for (const inner of kernel.inner) {
      const gains = kernel.body.some((s) =>
        accessesOf(s).some((access) => bindings.widens(access, inner.name, inner.extent)),
      );
      this.widths.set(inner.name, vector && inner.extent % 4 === 0 && gains ? 4 : 1);
      const whole = vector && inner.extent % 8 === 0 && inner.extent / 8 >= team.lanes;
      const wide = kernel.body.some((s) =>
        accessesOf(s).some((access) => bindings.inOctets(access, inner.name, inner.extent)),
      );
      if (whole && wide) this.octets.add(inner.name);
    }
  }

  /** Computes reductions over the same axes in one sweep and binds their tiles. `rewrite` prepares each value. */
  reduce(group: readonly Reduction[], over: readonly string[], rewrite: Rewrite = (e) => e): void {
    const sweep = this.plan(over);
    if (sweep.unrolled) {
      const turns = this.turns(sweep);
      for (const statement of group) this.reduceTurns(statement, sweep, turns, rewrite);
      return;
    }
    const running = group.map((statement) => this.start(statement, sweep, rewrite));
    this.loop(sweep, ({ rewrites }) => {
      for (const turn of rewrites) for (const r of running) r.update(turn);
    });
    for (const r of running) r.finish();
  }

  /** Runs `body` for every element, or group of four, that this lane owns; for two groups at once where they are an octet. */
  each(over: readonly string[], body: (...rewrites: readonly Rewrite[]) => void): void {
    const sweep = this.plan(over);
    if (!sweep.unrolled) {
      this.loop(sweep, (turn) => body(...turn.rewrites));
      return;
    }
    for (const { valid, rewrites } of this.turns(sweep)) {
      if (valid === undefined) body(...rewrites);
      else this.builder.if(valid, () => body(...rewrites));
    }
  }

  private plan(over: readonly string[]): Sweep {
    const axes = over.map((name) => {
      const inner = this.axes.get(name);
      if (inner === undefined) throw new Error(`internal: ${name} is no inner axis`);
      return inner;
    });
    const { lanes } = this.team;
    // The last axis is the contiguous one as a rule; one too short to occupy the lanes gives way to the longest.
    const last = axes.at(-1);
    if (last === undefined) throw new Error("internal: a sweep over no axes");
    const longest = axes.reduce((best, a) => (a.extent > best.extent ? a : best), last);
    const dealt = last.extent >= lanes ? last : longest;
    const width = this.widths.get(dealt.name) ?? 1;
    const halves = this.octets.has(dealt.name) ? 2 : 1;
    const groups = dealt.extent / (width * halves);
    const turns = Math.ceil(groups / lanes);
    const outer = axes.filter((a) => a !== dealt);
    const unrolled = turns <= UNROLLED && outer.length === 0;
    return { outer, dealt, width, halves, groups, turns, unrolled };
  }

  private turns(sweep: Sweep): Turn[] {
    const { groups, turns } = sweep;
    const { lanes, lane } = this.team;
    return Array.from({ length: turns }, (_, j) => {
      const ragged = (j + 1) * lanes > groups;
      const name = `${dealtName(sweep)}@${j}`;
      const at = addI(lane, i32(j * lanes));
      const valid = ragged ? lessThan(at, i32(groups)) : undefined;
      if (!this.point.axes.has(name)) {
        const hint = `${dealtHint(sweep)}${turns > 1 ? `_${j}` : ""}`;
        this.builder.inside(this.point, () => {
          const index = this.builder.let(hint, ragged ? minI(at, i32(groups - 1)) : at);
          this.builder.bindAxis(name, index);
        });
      }
      return { rewrites: writings(sweep, name), valid };
    });
  }

  private loop(sweep: Sweep, body: (turn: Turn) => void): void {
    const { builder } = this;
    const nest = (rest: readonly InnerAxis[]): void => {
      const [first, ...others] = rest;
      if (first === undefined) {
        const { groups } = sweep;
        const name = dealtName(sweep);
        const hint = dealtHint(sweep);
        builder.for(
          hint,
          this.team.lane,
          runtimeBound(builder, `${hint}_end`, groups),
          i32(this.team.lanes),
          (index) => {
            builder.bindAxis(name, index);
            body({ rewrites: writings(sweep, name), valid: undefined });
          },
        );
        return;
      }
      builder.for(
        first.name,
        i32(0),
        runtimeBound(builder, `${first.name}_end`, first.extent),
        i32(1),
        (index) => {
          builder.bindAxis(first.name, index);
          nest(others);
        },
      );
    };
    nest(sweep.outer);
  }

  private fold(fn: Fold, value: ThreadExpr, sweep: Sweep): ThreadExpr {
    const scalar = sweep.width === 4 ? call(FOLDS[fn].four, widen(value.type, 1), splat(value)) : value;
    return this.team.combine(fn, scalar);
  }

  private reduceTurns(statement: Reduction, sweep: Sweep, turns: readonly Turn[], rewrite: Rewrite): void {
    const { builder, expressions } = this;
    const of = scalarType(summand(statement).type);
    const fn: Fold = statement.kind === "reduce" ? statement.fn : "sum";
    const values = turns.flatMap(({ rewrites, valid }) =>
      rewrites.map((turn) => ({
        value: spread(expressions.as(turn(rewrite(summand(statement))), of.of), sweep.width),
        valid,
      })),
    );
    const masked = ({ value, valid }: { value: ThreadExpr; valid: ThreadExpr | undefined }): ThreadExpr =>
      valid === undefined
        ? value
        : call("select", value.type, identityOf(fn, value.type), value, spread(valid, value.type.width));
    if (statement.kind !== "moments") {
      const all = values.map(masked).reduce((a, b) => foldTwo(fn, a, b));
      builder.bindTile(statement.out, builder.let(statement.out, this.fold(fn, all, sweep)));
      return;
    }
    const count = constant(sweep.dealt.extent, F32);
    const named = values.map(({ value, valid }) => ({ value: builder.let("x", value), valid }));
    const total = this.fold(
      "sum",
      named.map(masked).reduce((a, b) => foldTwo("sum", a, b)),
      sweep,
    );
    const mean = builder.let(statement.mean, call("div", total.type, total, spread(count, total.type.width)));
    const squares = named.map(({ value, valid }) => {
      const away = builder.let("away", call("sub", value.type, value, spread(mean, value.type.width)));
      return masked({ value: call("mul", value.type, away, away), valid });
    });
    const m2 = builder.let(
      statement.m2,
      this.fold(
        "sum",
        squares.reduce((a, b) => foldTwo("sum", a, b)),
        sweep,
      ),
    );
    builder.bindTile(statement.mean, mean);
    builder.bindTile(statement.m2, m2);
  }

  private start(
    statement: Reduction,
    sweep: Sweep,
    rewrite: Rewrite,
  ): { update: (turn: Rewrite) => void; finish: () => void } {
    const { builder, expressions } = this;
    const value = rewrite(summand(statement));
    const of = scalarType(value.type);
    const type = widen(of, sweep.width === 4 || expressions.wide(value) ? 4 : 1);
    const at = (turn: Rewrite): ThreadExpr => spread(expressions.as(turn(value), of.of), type.width);
    if (statement.kind === "moments") return this.startMoments(statement, sweep, type, at);
    const fn: Fold = statement.kind === "reduce" ? statement.fn : "sum";
    const running = builder.var(statement.out, type, identityOf(fn, type));
    return {
      update: (turn) => {
        if (fn === "sum") builder.accumulate(running, at(turn));
        else builder.assign(running, foldTwo(fn, running, at(turn)));
      },
      finish: () => {
        const folded = this.fold(fn, running, sweep);
        builder.bindTile(
          statement.out,
          folded === running ? running : builder.let(`${statement.out}_all`, folded),
        );
      },
    };
  }

  private startMoments(
    statement: Extract<TileStmt, { kind: "moments" }>,
    sweep: Sweep,
    type: ThreadType,
    at: (turn: Rewrite) => ThreadExpr,
  ): { update: (turn: Rewrite) => void; finish: () => void } {
    const { builder } = this;
    const count = builder.var("count", F32);
    const mean = builder.var(statement.mean, type);
    const m2 = builder.var(statement.m2, type);
    return {
      update: (turn) => {
        const x = builder.let("x", at(turn));
        const away = builder.let("away", call("sub", type, x, mean));
        builder.accumulate(count, constant(1, F32));
        builder.accumulate(mean, call("mul", type, away, call("div", F32, constant(1, F32), count)));
        builder.accumulate(m2, call("mul", type, away, call("sub", type, x, mean)));
      },
      finish: () => {
        if (this.team.lanes === 1 && sweep.width === 1) {
          builder.bindTile(statement.mean, mean);
          builder.bindTile(statement.m2, m2);
          return;
        }
        const n = constant(
          [...sweep.outer, sweep.dealt].reduce((product, a) => product * a.extent, 1),
          F32,
        );
        const sum = this.fold("sum", call("mul", type, mean, count), sweep);
        const all = builder.let(`${statement.mean}_all`, call("div", F32, sum, n));
        const away = builder.let("away", call("sub", type, mean, spread(all, type.width)));
        const square = call("mul", type, call("mul", type, away, away), count);
        const rest = this.fold("sum", call("add", type, m2, square), sweep);
        builder.bindTile(statement.mean, all);
        builder.bindTile(statement.m2, builder.let(`${statement.m2}_all`, rest));
      },
    };
  }
}

/** What the elements of a dealt axis are counted by. */
function dealtName({ dealt, width, halves }: Sweep): string {
  return halves === 2 ? octetAxis(dealt.name) : width === 4 ? groupAxis(dealt.name) : dealt.name;
}

function dealtHint({ dealt, width, halves }: Sweep): string {
  return width === 4 ? `${dealt.name}${4 * halves}` : dealt.name;
}

/** How the dealt axis is written, `name` counting its elements, groups or octets: for each group of an octet. */
function writings(
  { dealt: { name: inner, extent }, width, halves }: Sweep,
  name: string,
): readonly Rewrite[] {
  const forms =
    halves === 2
      ? ([0, 1] as const).map((h) => halfOctet(extent, name, h))
      : [width === 4 ? quadruple(extent, name) : axis(name, extent)];
  return forms.map((form) => (e) => substitute(e, new Map([[inner, form]])));
}

/** What a reduction folds. */
function summand(statement: Reduction): Expr {
  return statement.kind === "dot" ? mul(statement.a, statement.b) : statement.value;
}

export function axesReduced(statement: Reduction): readonly string[] {
  return statement.kind === "dot" ? [statement.k] : statement.over;
}

/** Everything that a statement reads or writes at an index. */
export function accessesOf(
  statement: TileStmt,
): { readonly source: number; readonly index: readonly Expr[] }[] {
  const loads = expressionsOf(statement).flatMap(loadsOf);
  return statement.kind === "store"
    ? [...loads, { source: statement.target, index: statement.index }]
    : loads;
}

/** A value of the right type for a tile that stores keep: booleans travel as they are. */
export function tileValue(expressions: Expressions, e: Expr): ThreadExpr {
  return convert(expressions.evaluate(e), scalarType(e.type).of);
}
