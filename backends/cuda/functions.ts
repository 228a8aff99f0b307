/**
 * @file Device functions that the text of a kernel defines for itself, so that it needs no header: arithmetic on groups of four,
 * the scalar functions of the IR, and the warp's collective ones. Only those that a kernel uses are printed, each after
 * those that it uses itself.
 *
 * - gelu = x·Φ(x) = max(x, 0) − |x|·½erfc(|x|/√2): no cancellation on either side. erfc(z) = t·P(t)·exp(−z²) with
 *   t = 1/(1 + z/2); P is a minimax fit of erfcx(z)/t (degree 8, relative error 4.3e-8 for z in [0, 10]).
 * - max and min are NaN where either argument is, as the language says; CUDA's fmaxf is not.
 * - pow, tanh, log, exp: CUDA's own are right to 2 ulp.
 */
import type { MmaFormat, PairFn, Scalar, ThreadFn, ThreadType } from "../../src/ir/thread.ts";
import { isCodes } from "../../src/ir/tile.ts";
import { OPERATORS, VECTOR_OPERATORS } from "../spelling.ts";
import { codeFunction } from "./codes.ts";
import { pairFunction } from "./pairs.ts";
import { E4M3, E5M2, F16, rounding } from "./rounding.ts";
import { TENSOR, waitAsync } from "./tensorcores.ts";
import { NARROW, UNPACK, WIDEN } from "./unpack.ts";

/** A function of the text: its lines, and the names of those that it calls. */
export interface DeviceFunction {
  readonly lines: readonly string[];
  readonly needs: readonly string[];
}

const QUALIFIERS = "static __device__ __forceinline__";

const SCALARS: Readonly<Record<Scalar, string>> = {
  f32: "float",
  i32: "int",
  u32: "unsigned",
  bool: "bool",
  f16: "f16",
  bf16: "bf16",
};

const GROUPS: Readonly<Record<Scalar, string>> = {
  f32: "float4",
  i32: "int4",
  u32: "uint4",
  bool: "bool4",
  f16: "f16x4",
  bf16: "bf16x4",
};

/** The types' names; those of 16 bits are structures of our own. */
export function typeName({ of, width }: ThreadType): string {
  return width === 1 ? SCALARS[of] : GROUPS[of];
}

/** Scalar functions that CUDA has. */
const BUILTINS: Partial<Record<ThreadFn, Partial<Record<Scalar, string>>>> = {
  exp: { f32: "expf" },
  log: { f32: "logf" },
  sqrt: { f32: "sqrtf" },
  rsqrt: { f32: "rsqrtf" },
  tanh: { f32: "tanhf" },
  abs: { f32: "fabsf", i32: "abs" },
  floor: { f32: "floorf" },
  pow: { f32: "powf" },
  max: { i32: "max", u32: "max" },
  min: { i32: "min", u32: "min" },
};

/** Bodies of scalar functions of our own; T is the argument's type. */
const BODIES: Partial<Record<ThreadFn, Partial<Record<Scalar, readonly string[]>>>> = {
  max: {
    f32: ["float y;", 'asm("max.NaN.f32 %0, %1, %2;" : "=f"(y) : "f"(a), "f"(b));', "return y;"],
  },
  min: {
    f32: ["float y;", 'asm("min.NaN.f32 %0, %1, %2;" : "=f"(y) : "f"(a), "f"(b));', "return y;"],
  },
  exp2: { f32: ["float y;", 'asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(a));', "return y;"] },
  sigmoid: {
    f32: ["const float e = expf(-fabsf(a));", "return (a >= 0.0f ? 1.0f : e) / (1.0f + e);"],
  },
  silu: {
    f32: ["const float e = expf(-fabsf(a));", "return a * (a >= 0.0f ? 1.0f : e) / (1.0f + e);"],
  },
  gelu: {
    f32: [
      "const float m = fabsf(a);",
      "const float z = m * 0.70710678f;",
      "const float t = 1.0f / (1.0f + 0.5f * z);",
      "float p = t * -0.059069216f + 0.28457758f;",
      "p = p * t - 0.48720228f;",
      "p = p * t + 0.2780698f;",
      "p = p * t - 0.026627384f;",
      "p = p * t + 0.20268759f;",
      "p = p * t + 0.24310361f;",
      "p = p * t + 0.28237534f;",
      "p = p * t + 0.2820864f;",
      "return fmaxf(a, 0.0f) - m * (0.5f * t * p * expf(-z * z));",
    ],
  },
  gelu_tanh: {
    f32: [
      "// a·(1 + tanh u)/2 = a/(1 + exp(−2u)), u = √(2/π)(a + 0.044715a³), written so that no exponential overflows.",
      "const float u = 0.7978845608f * (a + 0.044715f * a * a * a);",
      "const float e = expf(-2.0f * fabsf(u));",
      "return a * (u >= 0.0f ? 1.0f : e) / (1.0f + e);",
    ],
  },
  round_f16: { f32: rounding(F16) },
  round_e5m2: { f32: rounding(E5M2) },
  round_e4m3: { f32: rounding(E4M3) },
  round_bf16: {
    f32: [
      "const unsigned bits = __float_as_uint(a);",
      "const unsigned sum = (bits + 32767u + ((bits >> 16) & 1u)) & 0x7fff0000u;",
      "const unsigned most = sum < 0x7f7f0000u ? sum : 0x7f7f0000u;",
      "return a != a ? a : __uint_as_float(most | (bits & 0x80000000u));",
    ],
  },
  round_int8: { f32: ["return a != a ? a : fminf(fmaxf(rintf(a), -127.0f), 127.0f);"] },
  sign: {
    f32: ["return a > 0.0f ? 1.0f : a < 0.0f ? -1.0f : a;"],
    i32: ["return (a > 0) - (a < 0);"],
  },
  floordiv: {
    f32: ["return floorf(a / b);"],
    i32: ["const int q = a / b;", "return (a < 0) != (b < 0) && q * b != a ? q - 1 : q;"],
  },
  mod: {
    f32: ["return a - floorf(a / b) * b;"],
    i32: ["const int r = a % b;", "return (r < 0) != (b < 0) && r != 0 ? r + b : r;"],
  },
};

const BINARY: ReadonlySet<ThreadFn> = new Set(["max", "min", "pow", "floordiv", "mod"]);

const COMPARISONS: ReadonlySet<ThreadFn> = new Set(["eq", "ne", "lt", "le", "gt", "ge", "and", "or"]);
const PLACES = ["x", "y", "z", "w"] as const;

/** Collects the functions that a text uses. */
export class Functions {
  private readonly known = new Map<string, DeviceFunction>();

  /** The text of all of them, each after those that it needs. */
  text(): string[] {
    const done = new Set<string>();
    const lines: string[] = [];
    const emit = (name: string): void => {
      if (done.has(name)) return;
      done.add(name);
      const { lines: own, needs } = this.function(name);
      for (const need of needs) emit(need);
      lines.push("", ...own);
    };
    for (const name of [...this.known.keys()].sort()) emit(name);
    return lines;
  }

  /** Notes a function, and gives the name to call it by. */
  use(name: string, lines: readonly string[], needs: readonly string[] = []): string {
    if (!this.known.has(name)) this.known.set(name, { lines, needs });
    return name;
  }

  /** The scalar or componentwise function `fn` of arguments of the type `type`. */
  named(fn: ThreadFn, { of, width }: ThreadType): string {
    if (fn === "sum4" || fn === "max4" || fn === "min4") return this.fold(fn, of);
    const scalar = BUILTINS[fn]?.[of] ?? this.own(fn, of);
    if (width === 1) return scalar;
    const name = `${fn}_${of}x4`;
    const [group, args] = [GROUPS[of], BINARY.has(fn) ? ["a", "b"] : ["a"]];
    const parts = PLACES.map((p) => `${scalar}(${args.map((a) => `${a}.${p}`).join(", ")})`);
    const head = `${QUALIFIERS} ${group} ${name}(${args.map((a) => `${group} ${a}`).join(", ")}) {`;
    const needs = this.known.has(scalar) ? [scalar] : [];
    return this.use(name, [head, `  return ${make(of, parts)};`, "}"], needs);
  }

  /** One value in all four places. */
  splat(of: Scalar): string {
    const body = make(of, ["a", "a", "a", "a"]);
    return this.use(
      `splat_${of}`,
      [`${QUALIFIERS} ${GROUPS[of]} splat_${of}(${SCALARS[of]} a) {`, `  return ${body};`, "}"],
      this.group(of),
    );
  }

  /** Four values as a group. */
  make(of: Scalar, parts: readonly string[]): string {
    this.group(of);
    return make(of, parts);
  }

  /** What declares the type and its group, where CUDA does not without a header. */
  group(of: Scalar): readonly string[] {
    if (of === "bool") return [this.use("bool4", ["struct bool4 { bool x, y, z, w; };"])];
    if (of !== "f16" && of !== "bf16") return [];
    const group = `struct __align__(8) ${of}x4 { ${of} x, y, z, w; };`;
    return [this.use(`${of}x4`, [`struct __align__(2) ${of} { unsigned short bits; };`, group])];
  }

  /** Overloads an operator for two groups, or a group and a scalar. */
  operator(fn: ThreadFn, a: ThreadType, b: ThreadType): void {
    const [logical] = OPERATORS[fn] ?? [];
    const [symbol] = VECTOR_OPERATORS[fn] ?? [logical];
    if (symbol === undefined) throw new Error(`internal: ${fn} is no operator`);
    const result: Scalar = COMPARISONS.has(fn) ? "bool" : a.of;
    const at = (name: string, { width }: ThreadType, p: string): string =>
      width === 4 ? `${name}.${p}` : name;
    const parts = PLACES.map((p) => `${at("a", a, p)} ${logical} ${at("b", b, p)}`);
    this.use(
      `operator ${symbol} ${typeName(a)} ${typeName(b)}`,
      [
        `${QUALIFIERS} ${GROUPS[result]} operator${symbol}(${typeName(a)} a, ${typeName(b)} b) {`,
        `  return ${make(result, parts)};`,
        "}",
      ],
      this.group(result),
    );
  }

  /** `a += b`. */
  accumulate(type: ThreadType): void {
    if (type.width === 1) return;
    const group = typeName(type);
    this.use(`operator += ${group}`, [
      `${QUALIFIERS} void operator+=(${group}& a, ${group} b) {`,
      `  ${PLACES.map((p) => `a.${p} += b.${p};`).join(" ")}`,
      "}",
    ]);
  }

  unary(symbol: "-" | "!", type: ThreadType): void {
    if (type.width === 1) return;
    const group = typeName(type);
    this.use(
      `operator ${symbol} ${group}`,
      [
        `${QUALIFIERS} ${group} operator${symbol}(${group} a) {`,
        `  return ${make(
          type.of,
          PLACES.map((p) => `${symbol}a.${p}`),
        )};`,
        "}",
      ],
      this.group(type.of),
    );
  }

  select(of: Scalar): string {
    const group = GROUPS[of];
    return this.use(
      `select_${of}x4`,
      [
        `${QUALIFIERS} ${group} select_${of}x4(${group} a, ${group} b, bool4 c) {`,
        `  return ${make(
          of,
          PLACES.map((p) => `c.${p} ? b.${p} : a.${p}`),
        )};`,
        "}",
      ],
      this.group("bool"),
    );
  }

  /** A conversion, of a scalar or of a group. */
  convert(from: ThreadType, to: Scalar): string {
    const types = [...this.group(from.of), ...this.group(to)];
    const scalar = this.convertScalar(from.of, to, types);
    if (from.width === 1) return scalar;
    const name = `convert_${to}x4`;
    const parts = PLACES.map((p) => `${scalar}(a.${p})`);
    this.use(
      `${name} ${from.of}`,
      [`${QUALIFIERS} ${GROUPS[to]} ${name}(${GROUPS[from.of]} a) {`, `  return ${make(to, parts)};`, "}"],
      this.known.has(scalar) ? [...types, scalar] : types,
    );
    return name;
  }

  /** 16-bit numbers have functions of their own, which are named for what they give. */
  private convertScalar(from: Scalar, to: Scalar, types: readonly string[]): string {
    const half = from === "f16" || from === "bf16" ? from : to === "f16" || to === "bf16" ? to : undefined;
    if (half === undefined) return SCALARS[to];
    if (from !== "f32" && to !== "f32") throw new Error(`internal: ${from} becomes ${to} by way of f32`);
    const [fn, lines] = from === half ? WIDEN[half] : NARROW[half];
    return this.use(fn, lines, types);
  }

  /** A sum, maximum or minimum over the warp's 32 lanes, the same bits in all of them; or a value of one lane. */
  collective(fn: ThreadFn, { of, width }: ThreadType): string {
    const reads = fn === "subgroup_broadcast" || fn === "subgroup_shuffle";
    const scalar = reads ? this.shuffle(fn, of) : this.butterfly(fn, of);
    if (width === 1) return scalar;
    const name = `${fn}_${of}x4`;
    const lane = reads ? ["int lane", ", lane"] : ["", ""];
    const args = [`${GROUPS[of]} a`, lane[0]].filter((s) => s !== "").join(", ");
    const parts = PLACES.map((p) => `${scalar}(a.${p}${lane[1]})`);
    return this.use(
      name,
      [`${QUALIFIERS} ${GROUPS[of]} ${name}(${args}) {`, `  return ${make(of, parts)};`, "}"],
      [scalar],
    );
  }

  /** Functions of the tensor cores' operands and results. */
  warp(fn: keyof typeof TENSOR): string {
    return this.use(fn, TENSOR[fn]);
  }

  /** Waits for the copies of all but the last `pending` batches; the number is part of the instruction. */
  waitAsync(pending: number): string {
    return this.use(`wait_async_${pending}`, waitAsync(pending));
  }

  /** Pairs of 16-bit numbers from words of memory. */
  pairs(fn: PairFn): string {
    return this.withNeeds(fn, pairFunction);
  }

  /** Codes from numbers, or their bytes turned. */
  codes(fn: "pack_e4m3" | "pack_e5m2" | "pack_int8" | "transpose_bytes"): string {
    return this.withNeeds(fn, codeFunction);
  }

  /** Four values of a storage type. */
  unpack(fn: keyof typeof UNPACK): string {
    return this.use(fn, UNPACK[fn]);
  }

  matrices(transposed: boolean): string {
    return this.warp(transposed ? "ldmatrix_transposed" : "ldmatrix");
  }

  mma(format: MmaFormat): string {
    return isCodes(format) ? this.withNeeds(`mma_${format}`, codeFunction) : this.warp(`mma_${format}`);
  }

  private withNeeds(name: string, find: (name: string) => DeviceFunction): string {
    const { lines, needs } = find(name);
    for (const need of needs) this.withNeeds(need, find);
    return this.use(name, lines, needs);
  }

  private function(name: string): DeviceFunction {
    const found = this.known.get(name);
    if (found === undefined) throw new Error(`internal: the text has no function ${name}`);
    return found;
  }

  private own(fn: ThreadFn, of: Scalar): string {
    const body = BODIES[fn]?.[of];
    if (body === undefined) throw new Error(`internal: ${fn} of ${of} has no spelling in CUDA-C`);
    const type = SCALARS[of];
    const args = BINARY.has(fn) ? `${type} a, ${type} b` : `${type} a`;
    const name = `${fn}_${of}`;
    return this.use(name, [`${QUALIFIERS} ${type} ${name}(${args}) {`, ...body.map((l) => `  ${l}`), "}"]);
  }

  private fold(fn: "sum4" | "max4" | "min4", of: Scalar): string {
    const name = `${fn}_${of}`;
    const two = fn === "sum4" ? undefined : this.named(fn === "max4" ? "max" : "min", { of, width: 1 });
    const value =
      two === undefined ? "(a.x + a.y) + (a.z + a.w)" : `${two}(${two}(a.x, a.y), ${two}(a.z, a.w))`;
    return this.use(
      name,
      [`${QUALIFIERS} ${SCALARS[of]} ${name}(${GROUPS[of]} a) {`, `  return ${value};`, "}"],
      two !== undefined && this.known.has(two) ? [two] : [],
    );
  }

  private shuffle(fn: ThreadFn, of: Scalar): string {
    const name = `${fn}_${of}`;
    return this.use(name, [
      `${QUALIFIERS} ${SCALARS[of]} ${name}(${SCALARS[of]} a, int lane) {`,
      "  return __shfl_sync(0xffffffffu, a, lane);",
      "}",
    ]);
  }

  private butterfly(fn: ThreadFn, of: Scalar): string {
    const two =
      fn === "subgroup_add" ? undefined : this.named(fn === "subgroup_max" ? "max" : "min", { of, width: 1 });
    const other = "__shfl_xor_sync(0xffffffffu, a, distance)";
    const name = `${fn}_${of}`;
    return this.use(
      name,
      [
        `${QUALIFIERS} ${SCALARS[of]} ${name}(${SCALARS[of]} a) {`,
        "#pragma unroll",
        "  for (int distance = 16; distance > 0; distance /= 2) {",
        two === undefined ? `    a += ${other};` : `    a = ${two}(a, ${other});`,
        "  }",
        "  return a;",
        "}",
      ],
      two !== undefined && this.known.has(two) ? [two] : [],
    );
  }
}

function make(of: Scalar, parts: readonly string[]): string {
  const own = of === "bool" || of === "f16" || of === "bf16";
  return own ? `${GROUPS[of]}{${parts.join(", ")}}` : `make_${GROUPS[of]}(${parts.join(", ")})`;
}
