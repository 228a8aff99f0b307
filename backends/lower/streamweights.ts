/**
 * @file The weights of the `stream` lowering: how a lane's 4 k × 4 columns come from memory and become what is multiplied: pairs of 16-bit
 * numbers, which are neighbours along k, or f32. Four ways, by how the value lies:
 *
 *     blocks     8-bit codes in blocks of 4 × 4: 16 bytes are the whole block; pairs are decoded by permuting bytes, without f32
 *     rows       16-bit numbers of the type that is multiplied, row by row: 16 bytes are 8 columns of one k
 *     plain      f32: 16 bytes are 4 columns of one k
 *     computed   anything else (codes with a scale a group or with zero points): evaluated as f32
 *
 * As codes only blocks are multiplied, whose bytes are transposed. All but the last are sent for a step ahead, as they lie; the last is read where it is used.
 */
import type { Expr, LoadExpr } from "../../src/ir/expr.ts";
import { add, axis, int, mul } from "../../src/ir/expr.ts";
import type { Packing } from "../../src/ir/plan.ts";
import type { Half, PairFn, ThreadExpr, ThreadFn } from "../../src/ir/thread.ts";
import { addI, call, component, divI, F32X4, gather4, i32, minI, U32, U32X4 } from "../../src/ir/thread.ts";
import { type CodePair, type InnerAxis, isCodes } from "../../src/ir/tile.ts";
import { type Bindings, groupOffset, octuple, storedHalf } from "./access.ts";
import type { Builder } from "./builder.ts";
import { type Expressions, spread } from "./expressions.ts";
import type { Fragments, Place } from "./fragments.ts";

export interface Weights {
  /** What lies at the group of four k that `along` names, groups of 16 bytes; none where nothing is sent for ahead. */
  load(along: string): readonly ThreadExpr[];
  /**
   * Of the lane's c-th group of four columns, in f32: the four k, each of four columns. In 16 bits the left operands of two `mma`: of its
   * first two columns, then of its last two, each [k 0 and 1 of the one, of the other, k 2 and 3 of the one, of the other]. Of codes a word
   * of four k a column.
   */
  operands(held: readonly ThreadExpr[], c: number, along: string): readonly ThreadExpr[];
}

export interface WeightContext {
  readonly format: Half | "f32" | CodePair;
  /** Groups of four columns that a lane has. */
  readonly columns: number;
  readonly builder: Builder;
  readonly bindings: Bindings;
  readonly expressions: Expressions;
  readonly fragments: Fragments;
  /** Within the tile, the lane's group of eight columns, where it has two groups of four. */
  readonly eighth: ThreadExpr;
}

export function weightsOf(b: Expr, k: InnerAxis, context: WeightContext): Weights {
  if (isCodes(context.format)) {
    const codes = b.kind === "load" ? blocks(b, k, context) : undefined;
    if (codes === undefined) throw new Error("internal: a product of codes that do not lie in blocks");
    return codes;
  }
  if (b.kind === "load")
    return blocks(b, k, context) ?? rows(b, k, context) ?? plain(b, k, context) ?? computed(b, k, context);
  return computed(b, k, context);
}

const DECODE = {
  int8: { f32: "unpack_int8", f16: "pairs_int8_f16", bf16: "pairs_int8_bf16" },
  fp8_e4m3: { f32: "unpack_e4m3", f16: "pairs_e4m3_f16", bf16: "pairs_e4m3_bf16" },
  fp8_e5m2: { f32: "unpack_e5m2", f16: "pairs_e5m2_f16", bf16: "pairs_e5m2_bf16" },
} as const satisfies Partial<
  Record<Packing["element"], { readonly f32: ThreadFn } & Readonly<Record<Half, PairFn>>>
>;

function isCode(element: Packing["element"]): element is keyof typeof DECODE {
  return Object.hasOwn(DECODE, element);
}

/** Columns a, b of pairs (k 0 and 1) and (k 2 and 3) as the left operand of an `mma`. */
function operand(first: readonly ThreadExpr[], second: readonly ThreadExpr[], at: number): ThreadExpr {
  const words = [first[at], first[at + 1], second[at], second[at + 1]] as readonly ThreadExpr[];
  return gather4(words, "u32");
}

function both(
  first: readonly ThreadExpr[],
  second: readonly ThreadExpr[],
): readonly [ThreadExpr, ThreadExpr] {
  return [operand(first, second, 0), operand(first, second, 2)];
}

const FOUR = [0, 1, 2, 3];

/** k 4q + `c`, where `along` names q. */
function element(k: InnerAxis, along: string, c: number): Expr {
  return add(mul(axis(along, k.extent / 4), int(4)), int(c));
}

function columnsOf({ fragments }: WeightContext, c: number): Place {
  return fragments.columnPlace(`column${c}`, fragments.columnOf(c));
}

/** Four k of four columns each, f32, as what is multiplied. */
function multiplied(
  values: readonly ThreadExpr[],
  { format, builder }: WeightContext,
): readonly ThreadExpr[] {
  if (format === "f32") return values;
  const pack = format === "f16" ? "pack_f16" : "pack_bf16";
  const pairsOf = (j: number): ThreadExpr[] =>
    FOUR.map((i) => {
      const two = [values[j], values[j + 1]].map((of) => component(of as ThreadExpr, i));
      return builder.let("pair", call(pack, U32, ...two));
    });
  return both(pairsOf(0), pairsOf(2));
}

function blocks(b: LoadExpr, k: InnerAxis, context: WeightContext): Weights | undefined {
  const { bindings, expressions, fragments, builder, format } = context;
  const { packing, unit } = bindings.entry(b.source).value;
  if (packing?.blocks === undefined || !isCode(packing.element) || unit % 16 !== 0) return undefined;
  const vectorOf = (c: number, along: string): Expr | undefined => {
    const at = fragments.at(b, columnsOf(context, c), new Map([[k.name, element(k, along, 0)]]));
    if (at.kind !== "load") return undefined;
    const group = bindings.group(b.source, bindings.offset(b.source, at.index));
    const words = group && bindings.words(b.source, group);
    return words?.first === 0 ? words.vector : undefined;
  };
  const { index: binding } = bindings.entry(b.source);
  if (vectorOf(0, PROBE) === undefined) return undefined;
  const decode = DECODE[packing.element];
  return {
    load: (along) =>
      Array.from({ length: context.columns }, (_, c): ThreadExpr => {
        const vector = vectorOf(c, along);
        if (vector === undefined) throw new Error("internal: a block that does not lie in one piece");
        return { kind: "load", binding, index: expressions.evaluate(vector), type: U32X4 };
      }),
    operands: (held, c) => {
      const words = held[c] as ThreadExpr;
      if (isCodes(format)) return [call("transpose_bytes", U32X4, words)];
      if (format === "f32") return FOUR.map((j) => call(decode.f32, F32X4, component(words, j)));
      const pairsOf = (at: number): ThreadExpr[] => {
        const four = call(decode[format], U32X4, component(words, at), component(words, at + 1));
        const pairs = builder.let("pairs", four);
        return FOUR.map((i) => component(pairs, i));
      };
      return both(pairsOf(0), pairsOf(2));
    },
  };
}

/** The name of a group of k that stands for any. */
const PROBE = "k/4@any";

function rows(b: LoadExpr, k: InnerAxis, context: WeightContext): Weights | undefined {
  const { bindings, expressions, fragments, builder, format, eighth } = context;
  const { value, index: binding } = bindings.entry(b.source);
  if (context.columns !== 2 || storedHalf(value) !== format || value.packing?.native === true)
    return undefined;
  const { n } = fragments;
  const name = `${n.axis.name}/8@weights`;
  const vectorOf = (j: number, along: string): Expr | undefined => {
    const more = new Map([
      [k.name, element(k, along, j)],
      [n.axis.name, octuple(n.axis.extent, name)],
    ]);
    const at = fragments.at(b, { name: "weights" }, more);
    return at.kind === "load" ? groupOffset(bindings.offset(b.source, at.index), 8) : undefined;
  };
  if (FOUR.some((j) => vectorOf(j, PROBE) === undefined)) return undefined;
  if (builder.find((scope) => scope.axes.has(name)) === undefined) {
    const at = addI(divI(n.origin, i32(8)), eighth);
    const last = addI(divI(addI(n.end, i32(7)), i32(8)), i32(-1));
    builder.bindAxis(name, builder.let(`${n.axis.name}8`, n.exact ? at : minI(at, last)));
  }
  return {
    load: (along) =>
      FOUR.map((j): ThreadExpr => {
        const vector = vectorOf(j, along);
        if (vector === undefined) throw new Error("internal: columns that do not lie in one piece");
        return { kind: "load", binding, index: expressions.evaluate(vector), type: U32X4 };
      }),
    operands: (held, c) => {
      const pairsOf = (j: number): ThreadExpr[] =>
        [0, 1].flatMap((word) => {
          const at = [held[j], held[j + 1]].map((of) => component(of as ThreadExpr, 2 * c + word));
          return (["pair_low", "pair_high"] as const).map((fn) => builder.let("pair", call(fn, U32, ...at)));
        });
      return both(pairsOf(0), pairsOf(2));
    },
  };
}

function plain(b: LoadExpr, k: InnerAxis, context: WeightContext): Weights | undefined {
  const { bindings, expressions, fragments } = context;
  const { value, index: binding } = bindings.entry(b.source);
  if (value.packing !== undefined || value.element !== "f32") return undefined;
  const groupOf = (c: number, j: number, along: string): Expr | undefined => {
    const at = fragments.at(b, columnsOf(context, c), new Map([[k.name, element(k, along, j)]]));
    return at.kind === "load" ? bindings.group(b.source, bindings.offset(b.source, at.index)) : undefined;
  };
  if (groupOf(0, 0, PROBE) === undefined) return undefined;
  return {
    load: (along) =>
      Array.from({ length: 4 * context.columns }, (_, i): ThreadExpr => {
        const group = groupOf(Math.floor(i / 4), i % 4, along);
        if (group === undefined) throw new Error("internal: columns that do not lie in one piece");
        return { kind: "load", binding, index: expressions.evaluate(group), type: F32X4 };
      }),
    operands: (held, c) => multiplied(held.slice(4 * c, 4 * c + 4), context),
  };
}

function computed(b: Expr, k: InnerAxis, context: WeightContext): Weights {
  const { expressions, fragments, builder } = context;
  return {
    load: () => [],
    operands: (_, c, along) => {
      const place = columnsOf(context, c);
      fragments.bindTiles(place);
      const values = FOUR.map((j) => {
        const e = fragments.at(b, place, new Map([[k.name, element(k, along, j)]]));
        return builder.let("weights", spread(expressions.as(e, "f32"), 4));
      });
      return multiplied(values, context);
    },
  };
}
