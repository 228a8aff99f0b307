/**
 * @file The thread-level IR: what one invocation of a kernel does. `backends/lower` makes it from tile kernels; the
 * printers of `backends/wgsl` (and, later, CUDA-C) turn it into text and decide nothing about layout.
 *
 * It is a structured program over typed scalars and four-wide vectors: no pointers, no gotos. A vector is four
 * elements that are neighbours in memory or accumulators of neighbouring columns. Names are already those of
 * the final text: a printer neither renames nor reorders.
 */
import type { BulkAction, ThreadMap } from "./bulk.ts";
import type { Stage } from "./graph.ts";
import type { CodePair, MatrixShape, TileStmt } from "./tile.ts";

/** The 16-bit formats are what lies in memory alone: a load is converted. */
export type Scalar = "f32" | "i32" | "u32" | "bool" | Half;

export interface ThreadType {
  readonly of: Scalar;
  readonly width: 1 | 4;
}

/** Values that exist without a declaration. `call.*` are words of the `Call` uniform (`one` is always 1). */
export type Builtin =
  /** Index of the thread in its workgroup. */
  | "thread"
  /** Index of the workgroup over both dimensions of the dispatch. */
  | "workgroup"
  /** Workgroups of the launch. */
  | "workgroups"
  /** Index of the subgroup in its workgroup. */
  | "subgroup"
  | "call.rows"
  | "call.from"
  | "call.to"
  | "call.one";

/** A 16-bit format that tensor cores multiply. */
export type Half = "f16" | "bf16";

/** What a warp's `mma` multiplies; tf32 is f32 with 10 bits of fraction. */
export type MmaFormat = Half | "tf32" | CodePair;

/**
 * Four pairs of 16-bit numbers, low halves first, from two words of four 8-bit codes: pair i is (code i of the one, code i of the
 * other). Of two words of two 16-bit numbers each, one pair: their low or their high halves.
 */
export type PairFn =
  | "pairs_int8_f16"
  | "pairs_int8_bf16"
  | "pairs_e4m3_f16"
  | "pairs_e4m3_bf16"
  | "pairs_e5m2_f16"
  | "pairs_e5m2_bf16"
  | "pair_low"
  | "pair_high";

/**
 * Functions of the IR. `idiv` and `irem` are of non-negative operands; `floordiv` and `mod` floor. The last
 * group is cooperative: every lane of the subgroup must reach it, `broadcast` takes a constant lane, `shuffle` any, of each lane.
 */
export type ThreadFn =
  | PairFn
  | "add"
  | "sub"
  | "mul"
  | "div"
  | "idiv"
  | "irem"
  | "floordiv"
  | "mod"
  | "neg"
  | "shr"
  | "bitand"
  | "bitxor"
  | "eq"
  | "ne"
  | "lt"
  | "le"
  | "gt"
  | "ge"
  | "and"
  | "or"
  | "not"
  | "exp"
  /** A power of two, to 2 ulp; what is too small for a normal number is 0. */
  | "exp2"
  | "log"
  | "sqrt"
  | "rsqrt"
  | "tanh"
  | "sigmoid"
  | "gelu"
  | "gelu_tanh"
  | "silu"
  /** To the nearest number of a storage type, ties to even, saturating. */
  | "round_f16"
  | "round_bf16"
  | "round_int8"
  | "round_e4m3"
  | "round_e5m2"
  | "abs"
  | "floor"
  | "sign"
  | "max"
  | "min"
  | "pow"
  | "select"
  | "convert"
  | "sum4"
  | "max4"
  | "min4"
  | "subgroup_add"
  | "subgroup_max"
  | "subgroup_min"
  | "subgroup_broadcast"
  | "subgroup_shuffle"
  /** Four f32 from one word (8-bit elements) or two words (16-bit elements), lowest bits first; fp8 without its NaN and infinities. */
  | "unpack_int8"
  | "unpack_e4m3"
  | "unpack_e5m2"
  | "unpack_f16"
  | "unpack_bf16"
  /** Two f32 as one word of 16-bit numbers, rounded to the nearest even; the first one in the low half. */
  | "pack_f16"
  | "pack_bf16"
  /**
   * A group of four f32 as one word of codes, the first one in the lowest byte: rounded to the nearest even, saturating. NaN stays, but that
   * of int8, which has none, is 0.
   */
  | "pack_e4m3"
  | "pack_e5m2"
  | "pack_int8"
  /** Of a group of four words, byte i of each as word i. */
  | "transpose_bytes"
  /** Of a group of f32, its bits; of such bits, those of the nearest tf32, ties away from zero. */
  | "bits"
  | "round_tf32"
  /**
   * Of an accumulator fragment (see `mma`), four neighbouring columns of one row, exchanged between neighbouring lanes: lane l
   * gets columns 4·⌊(l mod 4)/2⌋ … of row ⌊l/4⌋ + 8·(l mod 2).
   */
  | "fragment_row";

export type ThreadExpr =
  /** Any f32 value, ±Infinity included: a printer finds a form that its language accepts. */
  | { readonly kind: "const"; readonly value: number; readonly type: ThreadType }
  | { readonly kind: "var"; readonly name: string; readonly type: ThreadType }
  | { readonly kind: "builtin"; readonly name: Builtin; readonly type: ThreadType }
  /** `select(a, b, c)` is `c ? b : a`, evaluated both ways. `convert` goes to the node's type. */
  | {
      readonly kind: "call";
      readonly fn: ThreadFn;
      readonly args: readonly ThreadExpr[];
      readonly type: ThreadType;
    }
  /** A scalar in all four places, or four scalars. */
  | { readonly kind: "vector"; readonly args: readonly ThreadExpr[]; readonly type: ThreadType }
  | { readonly kind: "component"; readonly of: ThreadExpr; readonly at: number; readonly type: ThreadType }
  /** Element (scalar `type`) or group of four (vector `type`; `index` counts groups) of a binding. */
  | { readonly kind: "load"; readonly binding: number; readonly index: ThreadExpr; readonly type: ThreadType }
  /**
   * Four 8 × 8 matrices of 16-bit numbers from a workgroup array of u32 groups, as a warp's `mma` takes them: lanes 8i … 8i + 7 name
   * the places where the rows of matrix i begin, a row being one group. Word i of lane l holds elements 2·(l mod 4) and the
   * next of matrix i's row ⌊l/4⌋; `transposed`: of its column.
   */
  | {
      readonly kind: "matrices";
      readonly array: string;
      readonly index: ThreadExpr;
      readonly transposed: boolean;
      readonly type: ThreadType;
    }
  /** Element of a workgroup array. */
  | {
      readonly kind: "shared";
      readonly array: string;
      readonly index: ThreadExpr;
      readonly type: ThreadType;
    };

/** `of`: the statement of the tile program that it was made for; absent where it serves all of them (the grid). */
export type ThreadStmt = ThreadAction & { readonly of?: TileStmt };

type ThreadAction =
  | { readonly kind: "comment"; readonly text: string }
  | { readonly kind: "let"; readonly name: string; readonly value: ThreadExpr }
  /** A variable; without `value` it is zero. */
  | { readonly kind: "var"; readonly name: string; readonly type: ThreadType; readonly value?: ThreadExpr }
  | { readonly kind: "assign"; readonly name: string; readonly value: ThreadExpr }
  /** `name` += `value`. */
  | { readonly kind: "accumulate"; readonly name: string; readonly value: ThreadExpr }
  /** for (name = from; name < to; name += step). Bounds are run-time values where a driver must not unroll. */
  | {
      readonly kind: "for";
      readonly name: string;
      readonly from: ThreadExpr;
      readonly to: ThreadExpr;
      readonly step: ThreadExpr;
      readonly body: readonly ThreadStmt[];
    }
  | {
      readonly kind: "if";
      readonly cond: ThreadExpr;
      readonly body: readonly ThreadStmt[];
      readonly otherwise?: readonly ThreadStmt[];
    }
  /** A vector or a scalar to where `load` would read it; with `component`, a scalar to that place of group `index`. */
  | {
      readonly kind: "store";
      readonly binding: number;
      readonly index: ThreadExpr;
      readonly component?: number;
      readonly value: ThreadExpr;
    }
  | {
      readonly kind: "store_shared";
      readonly array: string;
      readonly index: ThreadExpr;
      readonly value: ThreadExpr;
    }
  /**
   * 16 bytes on their way from group `from` (of 16 bytes) of a binding to element `index` of a workgroup array of u32 groups, past
   * the registers. With `bytes` (0 … 16) only so many are read and the rest become zero. They are there after the wait of
   * the thread that sent for them, for the others after a barrier behind it.
   */
  | {
      readonly kind: "copy_async";
      readonly array: string;
      readonly index: ThreadExpr;
      readonly binding: number;
      readonly from: ThreadExpr;
      readonly bytes?: ThreadExpr;
    }
  /** What this thread has sent for since the last of these is a batch, be it empty. */
  | { readonly kind: "commit_async" }
  /** Waits until at most the last `pending` batches of this thread are under way. */
  | { readonly kind: "wait_async"; readonly pending: number }
  /**
   * `acc` += a · b over a warp, 16 × 16 by 16 × 8, sums in f32. `acc`, f32 groups: lane l has columns 2·(l mod 4) and the next
   * of rows ⌊l/4⌋ (first two) and ⌊l/4⌋ + 8. `a`: its 8 × 8 matrices, those of the first eight k first, the upper rows before the
   * lower. `b`: two words, of k 0 … 7 and 8 … 15, each k 2·(l mod 4) and the next of column ⌊l/4⌋. (PTX: mma.m16n8k16.)
   * In tf32 a word is one element: of k 0 … 3 and 4 … 7, each k l mod 4. (PTX: mma.m16n8k8.) Of codes it is four, and 16 × 32 by 32 × 8 are
   * multiplied: of k 0 … 15 and 16 … 31, each k 4·(l mod 4) and the next three. (PTX: mma.m16n8k32.) Sums of int8 are i32.
   */
  | {
      readonly kind: "mma";
      readonly format: MmaFormat;
      readonly acc: string;
      readonly a: ThreadExpr;
      readonly b: readonly [ThreadExpr, ThreadExpr];
    }
  /**
   * Matrices that a subgroup holds together, all of f32 (see the `matrix` lowering). `zero` declares sums, m × n; `load` one of a
   * product's sides from a workgroup array of f32, the left one lying by columns and the right one by rows, `stride` elements
   * apart; `multiply` adds left · right to the sums `name`; `store` puts sums there by rows. Every lane of the subgroup must
   * reach it, with one `index`.
   */
  | { readonly kind: "matrix"; readonly action: "zero"; readonly name: string; readonly shape: MatrixShape }
  | {
      readonly kind: "matrix";
      readonly action: "load";
      readonly name: string;
      readonly side: "left" | "right";
      readonly shape: MatrixShape;
      readonly array: string;
      readonly index: ThreadExpr;
      readonly stride: number;
    }
  | {
      readonly kind: "matrix";
      readonly action: "multiply";
      readonly name: string;
      readonly left: string;
      readonly right: string;
    }
  | {
      readonly kind: "matrix";
      readonly action: "store";
      readonly name: string;
      readonly array: string;
      readonly index: ThreadExpr;
      readonly stride: number;
    }
  /** A scope of its own for the names declared in it. */
  | { readonly kind: "block"; readonly body: readonly ThreadStmt[] }
  /** All threads of the workgroup, or its first `threads`; orders accesses to workgroup arrays, or to `storage`. */
  | { readonly kind: "barrier"; readonly storage?: true; readonly threads?: number }
  | BulkAction
  | { readonly kind: "return" };

/** A storage binding. `width` 4: its elements are groups of four, whose single elements can be reached as well. */
export interface ThreadBinding {
  readonly name: string;
  readonly value: number;
  readonly access: "read" | "read_write";
  readonly element: Scalar;
  readonly width: 1 | 4;
}

export interface SharedArray {
  readonly name: string;
  readonly type: ThreadType;
  readonly count: number;
  /** Groups of four words in memory that a launch asks for, more than a text may declare: from a multiple of 1024 bytes on. */
  readonly dynamic?: true;
}

export interface ThreadProgram {
  readonly name: string;
  readonly stage: Stage;
  /** Threads of a workgroup. */
  readonly workgroup: number;
  /** Lines for the head of the text: what was fused, shapes, cost, schedule. */
  readonly header: readonly string[];
  readonly bindings: readonly ThreadBinding[];
  readonly shared: readonly SharedArray[];
  /** Arrays of barriers in workgroup memory, and tensor maps (see bulk.ts). Absent: none. */
  readonly mbarriers?: readonly { readonly name: string; readonly count: number }[];
  readonly maps?: readonly ThreadMap[];
  /** Workgroups, neighbours along the dispatch's first dimension, that run together and reach each other's memory. Absent: 1. */
  readonly cluster?: number;
  /** Bindings by which all workgroups of a launch wait for each other (see `counter` in bulk.ts), zero when it begins. Absent: none. */
  readonly counters?: readonly number[];
  readonly body: readonly ThreadStmt[];
  /**
   * Subgroup functions stand in loops or branches that depend on memory. All lanes read the same, which is more than a compiler
   * can prove: it is told not to ask.
   */
  readonly trusted?: boolean;
}

export const F32: ThreadType = { of: "f32", width: 1 };
export const I32: ThreadType = { of: "i32", width: 1 };
export const BOOL: ThreadType = { of: "bool", width: 1 };
export const F32X4: ThreadType = { of: "f32", width: 4 };
export const U32: ThreadType = { of: "u32", width: 1 };
export const U32X4: ThreadType = { of: "u32", width: 4 };
export const I32X4: ThreadType = { of: "i32", width: 4 };

/** A sum of products of `format`, as `mma` adds it up. */
export function sumType(format: MmaFormat): ThreadType {
  return format === "int8" ? I32X4 : F32X4;
}

export function widen(type: ThreadType, width: 1 | 4): ThreadType {
  return type.width === width ? type : { of: type.of, width };
}

export function constant(value: number, type: ThreadType): ThreadExpr {
  return { kind: "const", value, type };
}

export function i32(value: number): ThreadExpr {
  return constant(value, I32);
}

export function variable(name: string, type: ThreadType): ThreadExpr {
  return { kind: "var", name, type };
}

export function builtin(name: Builtin): ThreadExpr {
  return { kind: "builtin", name, type: I32 };
}

export function call(fn: ThreadFn, type: ThreadType, ...args: readonly ThreadExpr[]): ThreadExpr {
  return { kind: "call", fn, args, type };
}

/** `e` as a vector of four: itself, or in all four places. */
export function splat(e: ThreadExpr): ThreadExpr {
  return e.type.width === 4 ? e : { kind: "vector", args: [e], type: widen(e.type, 4) };
}

/** Four scalars side by side. */
export function gather4(args: readonly ThreadExpr[], of: Scalar): ThreadExpr {
  return { kind: "vector", args, type: { of, width: 4 } };
}

/** Element `at` of a vector; a scalar is its own element. */
export function component(e: ThreadExpr, at: number): ThreadExpr {
  if (e.type.width === 1) return e;
  if (e.kind === "vector") return e.args[e.args.length === 1 ? 0 : at] as ThreadExpr;
  return { kind: "component", of: e, at, type: widen(e.type, 1) };
}

const isConst = (e: ThreadExpr, value: number): boolean => e.kind === "const" && e.value === value;

/** Integer arithmetic on i32 scalars that leaves out what does nothing. */
export function addI(a: ThreadExpr, b: ThreadExpr): ThreadExpr {
  if (a.kind === "const" && b.kind === "const") return i32(a.value + b.value);
  if (b.kind === "const" && b.value < 0) return call("sub", I32, a, i32(-b.value));
  return isConst(a, 0) ? b : isConst(b, 0) ? a : call("add", I32, a, b);
}

export function mulI(a: ThreadExpr, b: ThreadExpr): ThreadExpr {
  if (a.kind === "const" && b.kind === "const") return i32(a.value * b.value);
  return isConst(a, 0) || isConst(b, 0)
    ? i32(0)
    : isConst(a, 1)
      ? b
      : isConst(b, 1)
        ? a
        : call("mul", I32, a, b);
}

/** Quotient and remainder of non-negative integers. */
export function divI(a: ThreadExpr, b: ThreadExpr): ThreadExpr {
  if (a.kind === "const" && b.kind === "const") return i32(Math.floor(a.value / b.value));
  return isConst(b, 1) ? a : call("idiv", I32, a, b);
}

export function remI(a: ThreadExpr, b: ThreadExpr): ThreadExpr {
  if (a.kind === "const" && b.kind === "const") return i32(a.value % b.value);
  return isConst(b, 1) ? i32(0) : call("irem", I32, a, b);
}

export function lessThan(a: ThreadExpr, b: ThreadExpr): ThreadExpr {
  return call("lt", BOOL, a, b);
}

export function minI(a: ThreadExpr, b: ThreadExpr): ThreadExpr {
  return call("min", I32, a, b);
}
