/**
 * @file Loads of packed values: words come from memory and are decoded in registers. A group of four elements is one word of int8 or fp8
 * or two of f16 or bf16; memory is read four words at a time wherever it is certain which of them a group is in, so that
 * neighbouring groups (the four rows of a 4 × 4 block) share a load: the load is what costs.
 */
import type { Expr } from "../../src/ir/expr.ts";
import { floordiv, int, mod } from "../../src/ir/expr.ts";
import { bytesOf, type Packing } from "../../src/ir/plan.ts";
import { simplify } from "../../src/ir/simplify.ts";
import type { ThreadExpr, ThreadFn, ThreadType } from "../../src/ir/thread.ts";
import { BOOL, call, component, constant, divI, F32X4, i32, mulI, remI } from "../../src/ir/thread.ts";
import { type Bindings, WORD } from "./access.ts";

const U32: ThreadType = { of: "u32", width: 1 };
const U32X4: ThreadType = { of: "u32", width: 4 };

/** Of one word (8-bit elements) or two (16-bit elements), four values. */
const DECODE: Readonly<Record<Packing["element"], ThreadFn>> = {
  f16: "unpack_f16",
  bf16: "unpack_bf16",
  int8: "unpack_int8",
  fp8_e4m3: "unpack_e4m3",
  fp8_e5m2: "unpack_e5m2",
};

/** What a packed load asks of the expressions around it. */
export interface WordReader {
  evaluate(e: Expr): ThreadExpr;
  /** The value of `compute`, known by `key` wherever `of`, on which alone it depends, has not changed. */
  keep(key: string, of: Expr, hint: string, compute: () => ThreadExpr): ThreadExpr;
}

/** The four elements of group `at`, which is the same for the four. */
export function loadGroup(source: number, at: Expr, bindings: Bindings, reader: WordReader): ThreadExpr {
  const { index: binding, value } = bindings.entry(source);
  const decode = DECODE[elementOf(value)];
  const four = (vector: Expr): ThreadExpr =>
    reader.keep(`#words ${source}`, vector, "words", () => ({
      kind: "load",
      binding,
      index: reader.evaluate(vector),
      type: U32X4,
    }));
  const single = bytesOf(value, 4) === WORD;
  const known = bindings.words(source, at);
  if (known !== undefined) {
    const words = four(known.vector);
    const args = single ? [known.first] : [known.first, known.first + 1];
    return call(decode, F32X4, ...args.map((c) => component(words, c)));
  }
  if (single) {
    return call(decode, F32X4, { kind: "load", binding, index: reader.evaluate(at), type: U32 });
  }
  // Half of a vector: which half is known on the device.
  const words = four(simplify(floordiv(at, int(2))));
  const second = call("eq", BOOL, reader.evaluate(simplify(mod(at, int(2)))), i32(1));
  const half = (c: number): ThreadExpr =>
    call("select", U32, component(words, c), component(words, c + 2), second);
  return call(decode, F32X4, half(0), half(1));
}

/** Element `at` by itself. */
export function loadElement(source: number, at: ThreadExpr, bindings: Bindings): ThreadExpr {
  const { index: binding, value } = bindings.entry(source);
  const bytes = bytesOf(value, 1);
  const perWord = WORD / bytes;
  const word: ThreadExpr = { kind: "load", binding, index: divI(at, i32(perWord)), type: U32 };
  const shift = mulI(remI(at, i32(perWord)), i32(8 * bytes));
  const first = call("shr", U32, word, call("convert", U32, shift));
  const words = bytes === 1 ? [first] : [first, constant(0, U32)];
  return component(call(DECODE[elementOf(value)], F32X4, ...words), 0);
}

function elementOf({
  packing,
  name,
}: {
  readonly packing?: Packing;
  readonly name: string;
}): Packing["element"] {
  if (packing === undefined) throw new Error(`internal: ${name} is not packed`);
  return packing.element;
}
