/**
 * @file Scalar expressions of the tile level become expressions of a thread.
 *
 * An expression that contains the axis LANE is four elements at once: it becomes a vector, its loads vector loads
 * where `access.ts` proves that they may. What does not contain it stays scalar until it meets a vector.
 *
 * Every load is a named value, placed in the outermost loop that does not change it, and found again wherever the same
 * element is asked for: the load is what costs. So is anything costly that leaves a loop, and anything that is used twice.
 */
import { F16_MAX } from "../../src/ir/codecs/half.ts";
import type { ApplyExpr, DType, Expr, LoadExpr, ScalarFn } from "../../src/ir/expr.ts";
import {
  axesOf,
  children,
  exprKey,
  int,
  loadsOf,
  mul,
  sameExpr,
  substitute,
  walkExpr,
} from "../../src/ir/expr.ts";
import type { PlanValue } from "../../src/ir/plan.ts";
import { affineIn, bounds, simplify } from "../../src/ir/simplify.ts";
import type { Half, Scalar, ThreadExpr, ThreadFn, ThreadType } from "../../src/ir/thread.ts";
import { BOOL, call, component, constant, gather4, i32, splat, U32, widen } from "../../src/ir/thread.ts";
import type { Bindings } from "./access.ts";
import { LANE, nativeHalf } from "./access.ts";
import type { Builder, Scope } from "./builder.ts";
import { loadElement, loadGroup, type WordReader } from "./packed.ts";

const SCALARS: Readonly<Record<DType, Scalar>> = { num: "f32", i32: "i32", bool: "bool" };

/** Functions whose value is worth keeping: more than a few instructions. */
const COSTLY: ReadonlySet<ScalarFn> = new Set([
  "exp",
  "log",
  "sqrt",
  "rsqrt",
  "tanh",
  "sigmoid",
  "gelu",
  "gelu_tanh",
  "silu",
  "round_f16",
  "round_bf16",
  "round_int8",
  "round_e4m3",
  "round_e5m2",
  "pow",
  "div",
]);

/** Functions that a thread has under the same name. */
const SAME: ReadonlySet<string> = new Set([
  "add",
  "sub",
  "mul",
  "neg",
  "and",
  "or",
  "not",
  "exp",
  "log",
  "sqrt",
  "rsqrt",
  "tanh",
  "sigmoid",
  "gelu",
  "gelu_tanh",
  "silu",
  "round_f16",
  "round_bf16",
  "round_int8",
  "round_e4m3",
  "round_e5m2",
  "abs",
  "floor",
  "sign",
  "max",
  "min",
  "pow",
]);

const COMPARE: ReadonlySet<string> = new Set(["eq", "ne", "lt", "le", "gt", "ge"]);

const LANE_VALUES: ThreadExpr = {
  kind: "vector",
  args: [0, 1, 2, 3].map(i32),
  type: { of: "i32", width: 4 },
};

export function scalarType(type: DType): ThreadType {
  return { of: SCALARS[type], width: 1 };
}

/** `e` in as many places as `width` says; never narrower than it is. */
export function spread(e: ThreadExpr, width: 1 | 4): ThreadExpr {
  return width === 4 ? splat(e) : e;
}

export function convert(e: ThreadExpr, of: Scalar): ThreadExpr {
  if (e.type.of === of) return e;
  const type: ThreadType = { of, width: e.type.width };
  if (e.kind === "const")
    return constant(
      of === "bool" ? Number(e.value !== 0) : of === "i32" ? Math.trunc(e.value) : e.value,
      type,
    );
  return of === "bool" ? call("ne", type, e, constant(0, e.type)) : call("convert", type, e);
}

/** As a 16-bit number. */
function toHalf(e: ThreadExpr, half: Half): ThreadExpr {
  return convert(inHalf(e, half), half);
}

/** What is beyond the largest of f16 becomes the largest (bf16 reaches as far as f32). */
function inHalf(e: ThreadExpr, half: Half): ThreadExpr {
  if (half === "bf16") return e;
  const limit = (value: number): ThreadExpr => spread(constant(value, { of: "f32", width: 1 }), e.type.width);
  const most = call("min", e.type, e, limit(F16_MAX));
  return call("max", e.type, most, limit(-F16_MAX));
}

/** A value and where it goes. */
interface Part {
  readonly index: readonly Expr[];
  readonly value: ThreadExpr;
}

export class Expressions {
  private readonly builder: Builder;
  private readonly bindings: Bindings;
  private readonly words: WordReader = {
    evaluate: (e) => this.evaluate(e),
    keep: (key, of, hint, compute) => this.keepAs(`${key} ${exprKey(of)}`, of, hint, compute),
  };
  /** How often the expression that is being translated uses a node. */
  private uses = new Map<string, number>();

  constructor(builder: Builder, bindings: Bindings) {
    this.builder = builder;
    this.bindings = bindings;
  }

  /** The value of `e` at the point that the bound axes give; a vector if `e` contains LANE or a tile that is one. */
  evaluate(e: Expr): ThreadExpr {
    const root = simplify(e);
    const saved = this.uses;
    this.uses = countUses(root);
    const value = this.value(root);
    this.uses = saved;
    return value;
  }

  /** The same as a value of the type `of`. */
  as(e: Expr, of: Scalar): ThreadExpr {
    return convert(this.evaluate(e), of);
  }

  /** Whether `e` is four elements. */
  wide(e: Expr): boolean {
    let wide = false;
    walkExpr(e, (node) => {
      if (node.kind === "axis" && node.name === LANE) wide = true;
      if (node.kind === "tile" && this.tile(node.tile).type.width === 4) wide = true;
    });
    return wide;
  }

  /**
   * Writes `value` (scalar, or four elements along LANE) to `target`[index]. `left`: how many of the axis that LANE
   * widens are left from this group's first on, where a group may be cut by the end of its axis.
   */
  store(target: number, index: readonly Expr[], value: ThreadExpr, left?: ThreadExpr): void {
    const { builder } = this;
    const { index: binding, value: info, name } = this.bindings.entry(target);
    const half = nativeHalf(info);
    const element = half ? toHalf(convert(value, "f32"), half) : convert(value, info.element);
    const offset = this.bindings.offset(target, index);
    if (!this.wide(offset)) {
      if (element.type.width === 4) throw new Error(`internal: four elements stored to one of ${name}`);
      builder.emit({ kind: "store", binding, index: this.evaluate(offset), value: element });
      return;
    }
    const group = this.bindings.group(target, offset);
    const whole = group !== undefined && (left === undefined || endsInPadding(info, index));
    if (whole) {
      builder.emit({ kind: "store", binding, index: this.evaluate(group), value: splat(element) });
      return;
    }
    const at = group === undefined ? undefined : builder.let("at", this.evaluate(group));
    const four = builder.let("value", splat(element));
    const one = (c: number): void => {
      const scalar = component(four, c);
      if (at !== undefined) builder.emit({ kind: "store", binding, index: at, component: c, value: scalar });
      else builder.emit({ kind: "store", binding, index: this.evaluate(place(offset, c)), value: scalar });
    };
    const some = (count: number): void => {
      for (let c = 0; c < count; c++) {
        if (left === undefined) one(c);
        else builder.if(call("gt", BOOL, left, i32(c)), () => one(c));
      }
    };
    if (at === undefined || left === undefined) {
      some(4);
      return;
    }
    const all = (): void => builder.emit({ kind: "store", binding, index: at, value: four });
    builder.if(call("ge", BOOL, left, i32(4)), all, () => some(3));
  }

  /** Stores two groups of four that are dealt together, as 16 bytes where they are so in memory. */
  storeBoth(target: number, [first, second]: readonly [Part, Part]): void {
    const { builder, bindings } = this;
    const { index: binding, value: info } = bindings.entry(target);
    const half = nativeHalf(info);
    const [low, high] = [first, second].map(({ index }) => {
      const group = bindings.group(target, bindings.offset(target, index));
      return group && bindings.octet(target, group);
    });
    if (half === undefined || low?.half !== 0 || high?.half !== 1 || !sameExpr(low.octet, high.octet)) {
      for (const { index, value } of [first, second]) this.store(target, index, value);
      return;
    }
    const pack = half === "f16" ? "pack_f16" : "pack_bf16";
    const words = [first, second].flatMap(({ value }) => {
      const four = builder.let("four", inHalf(splat(convert(value, "f32")), half));
      return [0, 2].map((c) => call(pack, U32, component(four, c), component(four, c + 1)));
    });
    builder.emit({ kind: "store", binding, index: this.evaluate(low.octet), value: gather4(words, "u32") });
  }

  private value(e: Expr): ThreadExpr {
    switch (e.kind) {
      case "const":
        return constant(e.value, scalarType(e.type));
      case "axis":
        return e.name === LANE ? LANE_VALUES : this.axis(e.name);
      case "tile":
        return this.tile(e.tile);
      case "load":
        return this.keep(e, this.nameOf(e), () => this.load(e));
      case "apply":
        return this.worthKeeping(e) ? this.keep(e, "v", () => this.apply(e)) : this.apply(e);
      default:
        return e satisfies never;
    }
  }

  private axis(name: string): ThreadExpr {
    const value = this.builder.find((scope) => scope.axes.has(name))?.axes.get(name);
    if (value === undefined) throw new Error(`internal: axis ${name} is not bound here`);
    return value;
  }

  private tile(name: string): ThreadExpr {
    const value = this.builder.find((scope) => scope.tiles.has(name))?.tiles.get(name);
    if (value === undefined) throw new Error(`internal: tile ${name} is not computed here`);
    return value;
  }

  private worthKeeping(e: ApplyExpr): boolean {
    const used = (this.uses.get(exprKey(e)) ?? 0) > 1;
    if (e.fn === "where") return used || this.branches(e);
    if (COSTLY.has(e.fn) && e.type === "num") return used || this.home(e) !== this.builder.current;
    return used && (e.type === "num" || children(e).some((child) => child.kind === "apply"));
  }

  /** Where loads would be made in vain: a condition for the whole thread, and a load behind it. */
  private branches(e: ApplyExpr): boolean {
    const [cond, yes, no] = e.args as readonly [Expr, Expr, Expr];
    return (
      !this.wide(cond) && [yes, no].some((branch) => loadsOf(branch).some((l) => this.known(l) === undefined))
    );
  }

  private known(e: Expr): ThreadExpr | undefined {
    const key = exprKey(e);
    return this.builder.find((scope) => scope.values.has(key))?.values.get(key);
  }

  /** The outermost scope where everything that `e` depends on is known, not beyond a branch; loads may leave guards too. */
  private home(e: Expr): Scope {
    let depth = 0;
    walkExpr(e, (node) => {
      const scope =
        node.kind === "axis" && node.name !== LANE
          ? this.builder.find((s) => s.axes.has(node.name))
          : node.kind === "tile"
            ? this.builder.find((s) => s.tiles.has(node.tile))
            : undefined;
      if (scope !== undefined && scope.depth > depth) depth = scope.depth;
    });
    let scope = this.builder.current;
    const leaves = (kind: Scope["kind"]): boolean =>
      kind === "loop" || (kind === "guard" && e.kind === "load");
    while (scope.depth > depth && leaves(scope.kind) && scope.parent !== undefined) scope = scope.parent;
    return scope;
  }

  private keep(e: Expr, hint: string, compute: () => ThreadExpr): ThreadExpr {
    return this.keepAs(exprKey(e), e, hint, compute);
  }

  private keepAs(key: string, of: Expr, hint: string, compute: () => ThreadExpr): ThreadExpr {
    const known = this.builder.find((scope) => scope.values.has(key))?.values.get(key);
    if (known !== undefined) return known;
    const home = this.home(of);
    return this.builder.inside(home, () => {
      const value = this.builder.let(hint, compute());
      home.values.set(key, value);
      return value;
    });
  }

  /** A load is called after the last part of its value's name. */
  private nameOf(e: LoadExpr): string {
    const { value } = this.bindings.entry(e.source);
    const last =
      value.name
        .split(/[^A-Za-z0-9_]+/)
        .filter((part) => /[A-Za-z]/.test(part))
        .at(-1) ?? value.name;
    return `${last}_at`;
  }

  private load(e: LoadExpr): ThreadExpr {
    const { index: binding, value } = this.bindings.entry(e.source);
    const half = nativeHalf(value);
    const type: ThreadType = { of: half ?? value.element, width: 1 };
    const offset = this.bindings.offset(e.source, e.index);
    const packed = value.packing !== undefined && half === undefined;
    const read = (at: ThreadExpr): ThreadExpr =>
      packed ? loadElement(e.source, at, this.bindings) : { kind: "load", binding, index: at, type };
    const typed = (raw: ThreadExpr): ThreadExpr => convert(raw, SCALARS[e.type]);

    const at = this.bindings.group(e.source, offset);
    if (at !== undefined && !this.wide(at)) {
      if (packed || this.bindings.octet(e.source, at) !== undefined)
        return typed(loadGroup(e.source, at, this.bindings, this.words));
      return typed({ kind: "load", binding, index: this.evaluate(at), type: widen(type, 4) });
    }
    const still = affineIn(offset, LANE);
    const index = still?.coef === 0 ? still.rest : offset;
    if (!this.wide(index)) return typed(read(this.evaluate(index)));
    // Four elements that are no neighbours. An index that is itself read from memory is read once for all four.
    if (loadsOf(index).length > 0 || !containsLane(index)) {
      const places = this.builder.let("place", this.evaluate(index));
      return typed(
        gather4(
          [0, 1, 2, 3].map((c) => read(component(places, c))),
          type.of,
        ),
      );
    }
    return typed(
      gather4(
        [0, 1, 2, 3].map((c) => read(this.evaluate(place(index, c)))),
        type.of,
      ),
    );
  }

  private apply(e: ApplyExpr): ThreadExpr {
    if (e.fn === "where" && this.branches(e)) return this.branch(e);
    const args = e.args.map((arg) => this.value(arg));
    const width = args.some((arg) => arg.type.width === 4) ? 4 : 1;
    const of = SCALARS[e.type];
    const type: ThreadType = { of, width };
    const same = (to: Scalar): ThreadExpr[] => args.map((arg) => spread(convert(arg, to), width));
    if (e.fn === "add" || e.fn === "sub" || e.fn === "mul" || e.fn === "div") {
      // A vector and a scalar may meet in arithmetic as they are.
      return call(e.fn, type, ...args.map((arg) => convert(arg, of)));
    }
    if (SAME.has(e.fn)) return call(e.fn as ThreadFn, type, ...same(of));
    if (COMPARE.has(e.fn)) return call(e.fn as ThreadFn, type, ...same(common(e.args)));
    switch (e.fn) {
      case "floordiv":
      case "mod": {
        const plain = of === "i32" && e.args.every((arg) => (bounds(arg)?.lo ?? -1) >= 0);
        const fn: ThreadFn = plain ? (e.fn === "mod" ? "irem" : "idiv") : e.fn;
        return call(fn, type, ...same(of));
      }
      case "relu":
        return call("max", type, ...same(of), spread(constant(0, { of, width: 1 }), width));
      case "clamp": {
        const [x, lo, hi] = same(of) as [ThreadExpr, ThreadExpr, ThreadExpr];
        return call("min", type, call("max", type, x, lo), hi);
      }
      case "where": {
        const [cond, yes, no] = args as [ThreadExpr, ThreadExpr, ThreadExpr];
        return call(
          "select",
          type,
          spread(convert(no, of), width),
          spread(convert(yes, of), width),
          spread(cond, width),
        );
      }
      case "to_num":
      case "to_i32":
      case "to_bool":
        return convert(args[0] as ThreadExpr, of);
      default:
        throw new Error(`internal: ${e.fn} has no form in a thread`);
    }
  }

  private branch(e: ApplyExpr): ThreadExpr {
    const [cond, yes, no] = e.args as readonly [Expr, Expr, Expr];
    const of = SCALARS[e.type];
    const width = this.wide(yes) || this.wide(no) ? 4 : 1;
    const result = this.builder.var("v", { of, width });
    this.builder.if(
      this.value(cond),
      () => this.builder.assign(result, spread(convert(this.value(yes), of), width)),
      () => this.builder.assign(result, spread(convert(this.value(no), of), width)),
    );
    return result;
  }
}

/** Whether what a group has beyond the end of its axis falls into the padding of the value's rows. */
function endsInPadding(value: PlanValue, index: readonly Expr[]): boolean {
  const extent = value.shape.at(-1);
  const last = index.at(-1);
  if (typeof extent !== "number" || last === undefined || index.slice(0, -1).some(containsLane)) return false;
  const form = affineIn(simplify(last), LANE);
  const groups = form === undefined ? undefined : affineGroups(form.rest);
  return (value.strides.at(-2) ?? 0) >= Math.ceil(extent / 4) * 4 && groups === Math.ceil(extent / 4);
}

/** n where `e` is 4q, q an axis over [0, n). */
function affineGroups(e: Expr): number | undefined {
  const [axis] = axesOf(e).values();
  if (axis === undefined || typeof axis.extent !== "number") return undefined;
  return sameExpr(e, simplify(mul(axis, int(4)))) ? axis.extent : undefined;
}

/** `e` at place `c` of the group. */
export function place(e: Expr, c: number): Expr {
  return simplify(substitute(e, new Map([[LANE, int(c)]])));
}

function containsLane(e: Expr): boolean {
  let found = false;
  walkExpr(e, (node) => {
    if (node.kind === "axis" && node.name === LANE) found = true;
  });
  return found;
}

function common(args: readonly Expr[]): Scalar {
  if (args.some((arg) => arg.type === "num")) return "f32";
  return args.some((arg) => arg.type === "i32") ? "i32" : "bool";
}

function countUses(root: Expr): Map<string, number> {
  const uses = new Map<string, number>();
  const seen = new Set<string>();
  walkExpr(root, (node) => {
    const key = exprKey(node);
    if (seen.has(key)) return;
    seen.add(key);
    for (const child of children(node)) uses.set(exprKey(child), (uses.get(exprKey(child)) ?? 0) + 1);
  });
  return uses;
}
