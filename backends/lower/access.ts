/**
 * @file Where an element lies: linear offsets from a value's strides, and the proof that four neighbours of an axis are one
 * aligned group of four in memory.
 *
 * An axis that is handled four at a time is written 4q + c: `q` (named "d/4" for an axis d) counts groups and `c`
 * (LANE, the same for every axis, since one expression is widened along one axis only) is the place in the group. A load is
 * one vector load where its offset is c + rest with 4 | rest.
 */
import type { AxisExtent, Expr } from "../../src/ir/expr.ts";
import { add, axesOf, axis, floordiv, int, mod, mul, sub, substitute } from "../../src/ir/expr.ts";
import { bytesOf, type PlanValue } from "../../src/ir/plan.ts";
import { affineIn, divisibleBy, simplify } from "../../src/ir/simplify.ts";
import type { Half, MmaFormat, ThreadBinding } from "../../src/ir/thread.ts";
import type { TileKernel } from "../../src/ir/tile.ts";
import { freshName } from "./names.ts";

/** The place within a group of four. */
export const LANE = "%4";
const OCTET = "/8";
/** The first index of a sliced axis in this launch. */
export const SLICE_FROM = "@from";

/** Bytes of a word. */
export const WORD = 4;

export function groupAxis(name: string): string {
  return `${name}/4`;
}

/** 4q + c for the axis `name`, with `group` as the name of q. */
export function quadruple(extent: AxisExtent, group: string): Expr {
  const groups = typeof extent === "number" ? Math.ceil(extent / 4) : extent;
  return add(mul(axis(group, groups), int(4)), axis(LANE, 4));
}

/** What q of an axis is called that is dealt eight at a time: two groups of four, 16 bytes where numbers have 16 bits. */
export function octetAxis(name: string): string {
  return `${name}${OCTET}`;
}

/** 8q + 4h + c: half `h` of eight neighbours, a group of four by itself, with `octet` as the name of q. */
export function halfOctet(extent: number, octet: string, h: 0 | 1): Expr {
  return add(mul(axis(octet, extent / 8), int(8)), add(axis(LANE, 4), int(4 * h)));
}

/** 8q + c for the axis `name`, with `group` as the name of q: what 16 bytes hold of 16-bit numbers. */
export function octuple(extent: AxisExtent, group: string): Expr {
  const groups = typeof extent === "number" ? Math.ceil(extent / 8) : extent;
  return add(mul(axis(group, groups), int(8)), axis(LANE, 8));
}

/** Groups of `width`: the group's index where the offset is an aligned group along LANE. */
export function groupOffset(offset: Expr, width: 4 | 8 = 4): Expr | undefined {
  const form = affineIn(offset, LANE);
  if (form === undefined || form.coef !== 1 || !divisibleBy(form.rest, width)) return undefined;
  return simplify({ kind: "apply", fn: "floordiv", args: [form.rest, int(width)], type: "i32" });
}

/** What index `at` of axis `j` adds to an element's offset; see `Packing` for blocks. */
function alongAxis({ strides, packing }: PlanValue, j: number, at: Expr): Expr {
  const stride = strides[j] ?? 0;
  const block = packing?.blocks?.indexOf(j) ?? -1;
  if (block < 0) return mul(at, int(stride));
  const within = mod(at, int(4));
  return add(
    mul(floordiv(at, int(4)), int(block === 0 ? 4 * stride : 16)),
    block === 0 ? mul(within, int(4)) : within,
  );
}

interface Entry {
  readonly index: number;
  readonly value: PlanValue;
  readonly name: string;
  readonly access: "read" | "read_write";
  /** Whether its elements may be bound as groups of four. */
  readonly groups: boolean;
  /** Whether an access uses groups. */
  used: boolean;
}

/** The format of elements that are 16-bit numbers of the device's own. */
export function nativeHalf({ packing, name }: PlanValue): Half | undefined {
  if (packing?.native !== true) return undefined;
  const { element } = packing;
  if (element !== "f16" && element !== "bf16")
    throw new Error(`internal: ${name} holds ${element}, which is no number of a device`);
  return element;
}

/** The format of elements that lie row by row as tensor cores take them: of 16 bits, or f32 for tf32. */
export function storedFormat(value: PlanValue): MmaFormat | undefined {
  return value.packing === undefined && value.element === "f32" ? "tf32" : storedHalf(value);
}

/** The format of elements of 16 bits that lie row by row. */
export function storedHalf({ packing }: PlanValue): Half | undefined {
  if (packing === undefined || packing.blocks !== undefined) return undefined;
  const { element } = packing;
  return element === "f16" || element === "bf16" ? element : undefined;
}

/** The storage bindings of a kernel, one a value, in the order of `kernel.buffers`. */
export class Bindings {
  private readonly entries = new Map<number, Entry>();
  private readonly sliced: ReadonlySet<number>;
  /** Leading axes of sliced values that the slices count through. */
  private readonly depth: number;
  /** Bindings are pointers: one may be read in several widths, and what shares a buffer with others is a binding by itself. */
  private readonly pointers: boolean;

  constructor(kernel: TileKernel, values: readonly PlanValue[], pointers = false) {
    this.pointers = pointers;
    this.sliced = new Set(kernel.slicing?.values ?? []);
    this.depth = kernel.slicing?.depth ?? 1;
    const names = new Set<string>();
    const written = new Set(kernel.buffers.filter((b) => b.access === "write").map((b) => b.value));
    for (const buffer of kernel.buffers) {
      if (this.entries.has(buffer.value)) continue;
      const value = values[buffer.value];
      if (value === undefined)
        throw new Error(`internal: ${kernel.name} binds the unknown value ${buffer.value}`);
      const name = freshName(value.name, (n) => names.has(n));
      names.add(name);
      const pooled =
        value.home.kind === "temp" ||
        value.home.kind === "kept" ||
        (value.home.kind === "load" && kernel.stage === "load");
      this.entries.set(buffer.value, {
        index: this.entries.size,
        value,
        name,
        // A WebGPU pass may not use one buffer both read-only and writable, and these share a buffer with others of the kernel.
        access: (pooled && !pointers) || written.has(buffer.value) ? "read_write" : "read",
        groups:
          value.unit % 4 === 0 &&
          (!this.sliced.has(buffer.value) || (value.strides[this.depth - 1] ?? 0) % 4 === 0),
        used: false,
      });
    }
  }

  /** The names that the bindings, and functions that read their elements, take. */
  get names(): string[] {
    return [...this.entries.values()].flatMap(({ name }) => [name, `${name}_element`]);
  }

  entry(value: number): Entry {
    const entry = this.entries.get(value);
    if (entry === undefined)
      throw new Error(`internal: value ${value} is used but not among the kernel's buffers`);
    return entry;
  }

  /** Elements from the start of the binding, simplified. */
  offset(source: number, index: readonly Expr[]): Expr {
    const { value } = this.entry(source);
    if (index.length !== value.strides.length) {
      throw new Error(
        `internal: ${value.name} has ${value.strides.length} axes and is indexed with ${index.length}`,
      );
    }
    let offset: Expr = int(0);
    index.forEach((part, j) => {
      const starts = j === this.depth - 1 && this.sliced.has(source);
      const at = starts ? sub(part, axis(SLICE_FROM, { of: "N", times: 1 })) : part;
      offset = add(offset, alongAxis(value, j, at));
    });
    return simplify(offset);
  }

  /** The group's index where the elements along LANE are one group of `source`; notes the use. */
  group(source: number, offset: Expr): Expr | undefined {
    const entry = this.entry(source);
    const at = entry.groups ? groupOffset(offset) : undefined;
    if (at !== undefined) entry.used = true;
    return at;
  }

  /** The vector of four words that holds group `at` of a packed value, and its first word there, where both are certain. */
  words(source: number, at: Expr): { readonly vector: Expr; readonly first: number } | undefined {
    const perGroup = bytesOf(this.entry(source).value, 4) / WORD;
    for (let first = 0; first < 4; first += perGroup) {
      const rest = simplify(sub(at, int(first / perGroup)));
      if (!divisibleBy(rest, 4 / perGroup)) continue;
      return { vector: simplify(floordiv(rest, int(4 / perGroup))), first };
    }
    return undefined;
  }

  /** The 16 bytes, two groups of four, that hold group `at` of a sweep by octets, and which of the two it is. */
  octet(source: number, at: Expr): { readonly octet: Expr; readonly half: 0 | 1 } | undefined {
    const { value } = this.entry(source);
    const dealt = [...axesOf(at).keys()].some((name) => name.includes(OCTET));
    if (!this.pointers || !dealt || nativeHalf(value) === undefined || value.unit % 8 !== 0) return undefined;
    for (const half of [0, 1] as const) {
      const rest = simplify(sub(at, int(half)));
      if (divisibleBy(rest, 2)) return { octet: simplify(floordiv(rest, int(2))), half };
    }
    return undefined;
  }

  /** Whether an access fetches 16 bytes at a time where `name` is dealt eight at a time. */
  inOctets(
    e: { readonly source: number; readonly index: readonly Expr[] },
    name: string,
    extent: number,
  ): boolean {
    if (!this.entry(e.source).groups || !e.index.some((part) => axesOf(part).has(name))) return false;
    const eight = new Map([[name, halfOctet(extent, octetAxis(name), 0)]]);
    const at = groupOffset(
      this.offset(
        e.source,
        e.index.map((part) => substitute(part, eight)),
      ),
    );
    return at !== undefined && this.octet(e.source, at) !== undefined;
  }

  /** Whether `load`s of an expression gain from widening `name` to four: one at least becomes a vector load. */
  widens(
    e: { readonly source: number; readonly index: readonly Expr[] },
    name: string,
    extent: AxisExtent,
  ): boolean {
    if (!e.index.some((part) => axesOf(part).has(name)) || !this.entry(e.source).groups) return false;
    const four = new Map([[name, quadruple(extent, groupAxis(name))]]);
    return (
      groupOffset(
        this.offset(
          e.source,
          e.index.map((part) => substitute(part, four)),
        ),
      ) !== undefined
    );
  }

  list(): ThreadBinding[] {
    return [...this.entries.values()].map(({ value, name, access, used }) => {
      const half = nativeHalf(value);
      // Packed values are read as groups of four words.
      const words = value.packing !== undefined && half === undefined;
      return {
        name,
        value: value.id,
        access,
        element: half ?? (words ? "u32" : value.element),
        width: used || words ? 4 : 1,
      };
    });
  }
}
