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

/** TYPE (of the argument) and OF (of its elements) are filled in, and the name. */
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
    line.replaceAll("TYPE", type).replaceAll("OF", of),
  );
}
