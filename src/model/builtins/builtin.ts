/**
 * @file What a primitive of the language is: its parameters, a line of documentation and how it becomes nodes of the Graph; and
 * the view of one call that its `run` gets.
 */
import type { Span } from "../../../grammar/diagnostics.ts";
import type { Matched } from "../arguments.ts";
import type { Site } from "../calls.ts";
import type { Env } from "../context.ts";
import type { Emit } from "../emit.ts";
import type { Details } from "../report.ts";
import {
  type Bound,
  describe,
  type StringValue,
  shapeText,
  type TensorValue,
  type Value,
} from "../values.ts";

export interface BuiltinParam {
  readonly name: string;
  /** `tensor`: also a number. `value`: whatever it is. Other types are compile-time. */
  readonly type: "tensor" | "value" | "int" | "float" | "bool" | "string" | "range";
  readonly optional: boolean;
  readonly rest?: boolean;
}

export interface Builtin {
  readonly name: string;
  /** As a call looks: `softmax(x, axis = -1)`. */
  readonly signature: string;
  /** One sentence; `docs/language.md` prints it. */
  readonly doc: string;
  readonly params: readonly BuiltinParam[];
  /** Further named arguments are sizes of pattern axes. */
  readonly sizes?: boolean;
  run(call: BuiltinCall): Value;
}

export const tensor = (name: string): BuiltinParam => ({ name, type: "tensor", optional: false });
export const value = (name: string): BuiltinParam => ({ name, type: "value", optional: false });
export const string = (name: string): BuiltinParam => ({ name, type: "string", optional: false });
export const int = (name: string): BuiltinParam => ({ name, type: "int", optional: false });
export const optional = (param: BuiltinParam): BuiltinParam => ({ ...param, optional: true });
export const option = (name: string, type: BuiltinParam["type"]): BuiltinParam => ({
  name,
  type,
  optional: true,
});
export const rest = (name: string): BuiltinParam => ({ name, type: "value", optional: true, rest: true });

export class BuiltinCall {
  readonly name: string;
  readonly env: Env;
  readonly emit: Emit;
  readonly site: Site;
  readonly rest: readonly Bound[];
  readonly sizes: ReadonlyMap<string, Bound>;
  private readonly args: ReadonlyMap<string, Bound>;

  constructor(name: string, matched: Matched, site: Site, env: Env) {
    this.name = name;
    this.env = env;
    this.site = site;
    this.args = matched.byName;
    this.rest = matched.rest;
    this.sizes = matched.extra;
    this.emit = env.emit(site.span, site.label?.name);
  }

  has(name: string): boolean {
    return this.args.has(name);
  }

  /** An argument that matching has made sure of. */
  bound(name: string): Bound {
    const bound = this.args.get(name);
    if (!bound) throw new Error(`internal: ${this.name} has no argument ${name}`);
    return bound;
  }

  spanOf(name: string): Span {
    return this.args.get(name)?.span ?? this.site.span;
  }

  tensor(name: string): TensorValue {
    const { value: v, span } = this.bound(name);
    return this.emit.tensor(v, span);
  }

  num(name: string): TensorValue {
    const { value: v, span } = this.bound(name);
    return this.emit.num(v, span);
  }

  i32(name: string): TensorValue {
    return this.typed(name, "i32", "convert it with `int(…)`; the ids of a feature are `index(uid)`");
  }

  mask(name: string): TensorValue {
    return this.typed(name, "bool", "compare it, as in `x > 0`");
  }

  private typed(name: string, dtype: "i32" | "bool", help: string): TensorValue {
    const x = this.tensor(name);
    if (x.dtype === dtype) return x;
    return this.fail(
      "RMX0117",
      name,
      `\`${name}\` of \`${this.name}\` is a tensor of ${dtype}, found ${x.dtype}`,
      { help },
    );
  }

  int(name: string, fallback?: number): number {
    return this.number(name, ["int"], "an int", fallback);
  }

  float(name: string, fallback?: number): number {
    return this.number(name, ["int", "float"], "a float", fallback);
  }

  private number(name: string, kinds: readonly string[], wanted: string, fallback?: number): number {
    const bound = this.args.get(name);
    if (!bound && fallback !== undefined) return fallback;
    const { value: v } = this.bound(name);
    if ((v.kind === "int" || v.kind === "float") && kinds.includes(v.kind)) return v.value;
    return this.wrong(name, wanted);
  }

  bool(name: string, fallback: boolean): boolean {
    const bound = this.args.get(name);
    if (!bound) return fallback;
    return bound.value.kind === "bool" ? bound.value.value : this.wrong(name, "a bool");
  }

  string(name: string): StringValue {
    const { value: v } = this.bound(name);
    return v.kind === "string" ? v : this.wrong(name, "a string");
  }

  /** An axis number of a value of rank `rank`; negative ones count from the end. */
  axis(name: string, rank: number, fallback?: number): number {
    const at = this.int(name, fallback);
    const from = at < 0 ? at + rank : at;
    if (from >= 0 && from < rank) return from;
    return this.fail("RMX0210", name, `there is no axis ${at} in a tensor of rank ${rank}`);
  }

  /** An extent or a count: at least 1. */
  extent(name: string): number {
    const size = this.int(name);
    return size >= 1 ? size : this.fail("RMX0212", name, `\`${name}\` is ${size}, it must be at least 1`);
  }

  wrong(name: string, wanted: string): never {
    return this.fail(
      "RMX0107",
      name,
      `\`${name}\` of \`${this.name}\` is ${wanted}, found ${describe(this.bound(name).value)}`,
    );
  }

  /** A tensor of one rank. */
  rank(name: string, x: TensorValue, rank: number): TensorValue {
    if (x.shape.length === rank) return x;
    return this.fail(
      "RMX0202",
      name,
      `\`${name}\` of \`${this.name}\` has ${rank} ${rank === 1 ? "axis" : "axes"}, found ${shapeText(x.shape)}`,
    );
  }

  fail(code: string, at: string | Span, message: string, details?: Details): never {
    return this.env.reporter.fail(code, typeof at === "string" ? this.spanOf(at) : at, message, details);
  }
}
