/**
 * @file Functions that WGSL lacks or that its implementations compute too coarsely, as WGSL text for scalars and vectors.
 *
 * - gelu = x·Φ(x) = max(x, 0) − |x|·½erfc(|x|/√2): no cancellation on either side. erfc(z) = t·P(t)·exp(−z²) with
 *   t = 1/(1 + z/2); P is our own minimax fit of erfcx(z)/t (degree 8, relative error 4.3e-8 for z in [0, 10]).
 * - tanh: for |x| ≤ 0.625 the odd polynomial of Cephes' tanhf (Moshier), else 1 − 2/(exp(2|x|) + 1), which cannot
 *   overflow once |x| is cut at 9 (tanh(9) is 1 in f32). Drivers take differences of exponentials, which is all error near 0.
 * - log near 1: 2·atanh((x − 1)/(x + 1)) by its series; drivers are right to an absolute 1e-7 only there.
 * - pow of a negative base: defined for whole exponents.
 */
import type { Scalar, ThreadFn } from "../../src/ir/thread.ts";

export interface Helper {
  readonly fn: ThreadFn;
  readonly of: Scalar;
  readonly width: 1 | 4;
}

/**
 * Rounds to `fraction` bits, ties to even; below the smallest normal number, to multiples of `quantum`. The carry of the addition is
 * the rounding, as in the codecs.
 */
function rounding(
  fn: string,
  fraction: number,
  smallest: number,
  quantum: number,
  largest: number,
): readonly string[] {
  const dropped = 23 - fraction;
  const half = 2 ** (dropped - 1) - 1;
  return [
    `fn ${fn}(x: TYPE) -> TYPE {`,
    "  let bits = bitcast<BITS>(x);",
    `  let even = (bits + BITS(${half}u) + ((bits >> BITS(${dropped}u)) & BITS(1u))) & BITS(${2 ** 32 - 2 ** dropped}u);`,
    `  let small = round(x * ${1 / quantum}.0) * ${quantum};`,
    `  let y = select(bitcast<TYPE>(even), small, abs(x) < TYPE(${smallest}));`,
    `  return select(clamp(y, TYPE(-${largest}.0), TYPE(${largest}.0)), x, x != x);`,
    "}",
  ];
}

/** TYPE (of the argument), BITS (the same of u32) and OF (of its elements) are filled in, and the name. */
const HELPERS: Partial<Record<ThreadFn, readonly string[]>> = {
  sigmoid: [
    "fn sigmoid(x: TYPE) -> TYPE {",
    "  let e = exp(-abs(x));",
    "  return select(e, TYPE(1.0), x >= TYPE(0.0)) / (1.0 + e);",
    "}",
  ],
  silu: [
    "fn silu(x: TYPE) -> TYPE {",
    "  let e = exp(-abs(x));",
    "  return x * select(e, TYPE(1.0), x >= TYPE(0.0)) / (1.0 + e);",
    "}",
  ],
  gelu: [
    "fn gelu(x: TYPE) -> TYPE {",
    "  let a = abs(x);",
    "  let z = a * 0.70710678;",
    "  let t = 1.0 / (1.0 + 0.5 * z);",
    "  var p = t * -0.059069216 + 0.28457758;",
    "  p = p * t - 0.48720228;",
    "  p = p * t + 0.2780698;",
    "  p = p * t - 0.026627384;",
    "  p = p * t + 0.20268759;",
    "  p = p * t + 0.24310361;",
    "  p = p * t + 0.28237534;",
    "  p = p * t + 0.2820864;",
    "  return max(x, TYPE(0.0)) - a * (0.5 * t * p * exp(-z * z));",
    "}",
  ],
  tanh: [
    "fn tanh(x: TYPE) -> TYPE {",
    "  let a = min(abs(x), TYPE(9.0));",
    "  let s = a * a;",
    "  var p = s * -0.005704989 + 0.020639088;",
    "  p = p * s - 0.053739715;",
    "  p = p * s + 0.13331442;",
    "  p = p * s - 0.33333282;",
    "  let far = 1.0 - 2.0 / (exp(2.0 * a) + 1.0);",
    "  let y = select(far, a + a * s * p, a <= TYPE(0.625));",
    "  return select(y, -y, x < TYPE(0.0));",
    "}",
  ],
  gelu_tanh: [
    "fn gelu_tanh(x: TYPE) -> TYPE {",
    "  // x·(1 + tanh u)/2 = x/(1 + exp(−2u)), u = √(2/π)(x + 0.044715x³), written so that no exponential overflows.",
    "  let u = 0.7978845608 * (x + 0.044715 * x * x * x);",
    "  let e = exp(max(-2.0 * abs(u), TYPE(-80.0)));",
    "  return x * select(e, TYPE(1.0), u >= TYPE(0.0)) / (1.0 + e);",
    "}",
  ],
  log: [
    "fn log(x: TYPE) -> TYPE {",
    "  let s = (x - 1.0) / (x + 1.0);",
    "  let q = s * s;",
    "  let near = 2.0 * s * (1.0 + q * (0.33333333 + q * (0.2 + q * (0.14285714 + q * 0.11111111))));",
    "  return select(log(x), near, abs(x - 1.0) < TYPE(0.25));",
    "}",
  ],
  pow: [
    "fn pow(x: TYPE, y: TYPE) -> TYPE {",
    "  let magnitude = select(exp2(y * log2(abs(x))), TYPE(1.0), y == TYPE(0.0));",
    "  let odd = (floor(y) == y) & (floor(y * 0.5) * 2.0 != y);",
    "  return select(magnitude, -magnitude, (x < TYPE(0.0)) & odd);",
    "}",
  ],
  unpack_int8: [
    "fn unpack_int8(w: u32) -> vec4<f32> {",
    "  return vec4<f32>(vec4<i32>(vec4<u32>(w) << vec4<u32>(24, 16, 8, 0)) >> vec4<u32>(24));",
    "}",
  ],
  unpack_f16: [
    "fn unpack_f16(a: u32, b: u32) -> vec4<f32> {",
    "  return vec4<f32>(unpack2x16float(a), unpack2x16float(b));",
    "}",
  ],
  unpack_bf16: [
    "fn unpack_bf16(a: u32, b: u32) -> vec4<f32> {",
    "  return bitcast<vec4<f32>>(vec4<u32>(a << 16, a & 0xffff0000, b << 16, b & 0xffff0000));",
    "}",
  ],
  unpack_e5m2: [
    "fn unpack_e5m2(w: u32) -> vec4<f32> {",
    "  // The upper byte of an f16.",
    "  let a = ((w & 0xff) << 8) | ((w & 0xff00) << 16);",
    "  let b = ((w & 0xff0000) >> 8) | (w & 0xff000000);",
    "  return vec4<f32>(unpack2x16float(a), unpack2x16float(b));",
    "}",
  ],
  unpack_e4m3: [
    "fn unpack_e4m3(w: u32) -> vec4<f32> {",
    "  // An f16 with the same exponent field is 2^8 times smaller; subnormals come out right.",
    "  let a = ((w & 0xff) << 8) | ((w & 0xff00) << 16);",
    "  let b = ((w & 0xff0000) >> 8) | (w & 0xff000000);",
    "  let x = (a & 0x80008000) | ((a & 0x7f007f00) >> 1);",
    "  let y = (b & 0x80008000) | ((b & 0x7f007f00) >> 1);",
    "  return vec4<f32>(unpack2x16float(x), unpack2x16float(y)) * 256.0;",
    "}",
  ],
  round_f16: rounding("round_f16", 10, 2 ** -14, 2 ** -24, 65504),
  round_e5m2: rounding("round_e5m2", 2, 2 ** -14, 2 ** -16, 57344),
  round_e4m3: rounding("round_e4m3", 3, 2 ** -6, 2 ** -9, 448),
  round_bf16: [
    "fn round_bf16(x: TYPE) -> TYPE {",
    "  let bits = bitcast<BITS>(x);",
    "  let even = (bits + BITS(0x7fffu) + ((bits >> BITS(16u)) & BITS(1u))) & BITS(0xffff0000u);",
    "  // The largest: an infinity of the sum's carry goes back to it.",
    "  let y = bitcast<TYPE>(min(even & BITS(0x7fffffffu), BITS(0x7f7f0000u)) | (bits & BITS(0x80000000u)));",
    "  return select(y, x, x != x);",
    "}",
  ],
  round_int8: [
    "fn round_int8(x: TYPE) -> TYPE {",
    "  return select(clamp(round(x), TYPE(-127.0), TYPE(127.0)), x, x != x);",
    "}",
  ],
  sum4: ["fn sum4(v: vec4<OF>) -> OF {", "  return (v.x + v.y) + (v.z + v.w);", "}"],
  max4: ["fn max4(v: vec4<OF>) -> OF {", "  return max(max(v.x, v.y), max(v.z, v.w));", "}"],
  min4: ["fn min4(v: vec4<OF>) -> OF {", "  return min(min(v.x, v.y), min(v.z, v.w));", "}"],
};

const FLOORING: Readonly<Record<"floordiv" | "mod", Readonly<Record<"f32" | "i32", readonly string[]>>>> = {
  floordiv: {
    f32: ["fn floordiv(a: TYPE, b: TYPE) -> TYPE {", "  return floor(a / b);", "}"],
    i32: [
      "fn floordiv(a: TYPE, b: TYPE) -> TYPE {",
      "  let q = a / b;",
      "  return select(q, q - 1, ((a < TYPE(0)) != (b < TYPE(0))) & (q * b != a));",
      "}",
    ],
  },
  mod: {
    f32: ["fn mod(a: TYPE, b: TYPE) -> TYPE {", "  return a - floor(a / b) * b;", "}"],
    i32: [
      "fn mod(a: TYPE, b: TYPE) -> TYPE {",
      "  let r = a % b;",
      "  return select(r, r + b, ((r < TYPE(0)) != (b < TYPE(0))) & (r != TYPE(0)));",
      "}",
    ],
  },
};

export function isHelper(fn: ThreadFn): boolean {
  return HELPERS[fn] !== undefined || fn === "floordiv" || fn === "mod";
}

export function helperName({ fn, of, width }: Helper): string {
  if (fn === "sum4" || fn === "max4" || fn === "min4") return of === "f32" ? fn : `${fn}_${of}`;
  return `${fn}_${of}${width === 4 ? "x4" : ""}`;
}

export function helperText(helper: Helper): string[] {
  const { fn, of, width } = helper;
  const lines =
    fn === "floordiv" || fn === "mod" ? FLOORING[fn][of === "i32" ? "i32" : "f32"] : (HELPERS[fn] ?? []);
  if (lines.length === 0) throw new Error(`internal: ${fn} has no helper`);
  const type = width === 4 ? `vec4<${of}>` : of;
  const [head, ...rest] = lines;
  return [(head ?? "").replace(/^fn \w+/, `fn ${helperName(helper)}`), ...rest].map((line) =>
    line
      .replaceAll("TYPE", type)
      .replaceAll("BITS", width === 4 ? "vec4<u32>" : "u32")
      .replaceAll("OF", of),
  );
}
