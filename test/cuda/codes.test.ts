/**
 * Products of 8-bit codes on the host. Activations are whole numbers, of which every code is exact; so are the sums, and each byte must be
 * in its place. The rounding of activations is held to the codecs, code by code. Each in all ways in which the text may be compiled.
 */
import { describe, expect, it } from "vitest";
import { Builder } from "../../backends/lower/builder.ts";
import { blockFragments } from "../../backends/lower/codeoperands.ts";
import { codeFormat } from "../../passes/scheduling/codes.ts";
import { compileFor, type Variant } from "../../src/compile.ts";
import { e4m3, e5m2, type Float8 } from "../../src/ir/codecs/float8.ts";
import type { Graph } from "../../src/ir/graph.ts";
import type { KernelText } from "../../src/ir/plan.ts";
import type { Profile } from "../../src/ir/profile.ts";
import { sm_80, sm_89, sm_90 } from "../../src/ir/profiles.ts";
import { scalarFns } from "../../src/ir/scalar.ts";
import { I32, i32, type ThreadExpr, variable } from "../../src/ir/thread.ts";
import { type CodePair, isCodes, type Lowering, partsOf } from "../../src/ir/tile.ts";
import { drawnWeights } from "../../src/runtime/drawn.ts";
import type { ModelInputs } from "../../src/runtime/inputs.ts";
import type { WeightSource } from "../../src/runtime/weights.ts";
import { graphOfSpec } from "../support/zoo.ts";
import { assemble, complaints, findNvcc, findNvrtc } from "./compiler.ts";
import { HostProgram } from "./host.ts";
import { models, specOf } from "./models.ts";
import { rescheduled, taskErrors, wholeInputs, wholeWeights } from "./products.ts";
import { expectHostAgrees } from "./zoo.ts";

/** Instructions for codes; those of f16 for products; none for codes at all. */
const WAYS: Readonly<Record<string, (text: string) => string>> = {
  "as sm_89": (text) => `${text}\n`,
  "as sm_90": (text) => text.replaceAll("__CUDA_ARCH__", "900"),
  "by an old compiler": (text) => text.replaceAll("__CUDACC_VER_MAJOR__", "11"),
};

/** Both formats of fp8 on both sides, int8, weights of each token and shared ones, a pair of products with an epilogue. */
const SPEC = `
model m(T: int, D: int, K: int) {
  item { x: f32[T, D] }
  param w: [T, D, K]
  param v: [T, D, K]
  param s: [D, K]
  param u: [T, D, K]
  param i: [T, D, K]
  param g: [T, D, K]
  param h: [T, D, K]
  param b: [T, K]
  task e4m3_e4m3 = einsum("t d, t d k -> t k", x, w)
  task e4m3_e5m2 = einsum("t d, t d k -> t k", x, v)
  task e5m2_e4m3 = einsum("t d, d k -> t k", x, s)
  task e5m2_e5m2 = einsum("t d, t d k -> t k", x, u)
  task int8 = einsum("t d, t d k -> t k", x, i)
  task gated = (einsum("t d, t d k -> t k", x, g) + b) * einsum("t d, t d k -> t k", x, h)
  precision { compute = bf16
    "w" = fp8_e4m3 inputs fp8_e4m3
    "v" = fp8_e5m2 inputs fp8_e4m3
    "s" = fp8_e4m3 inputs fp8_e5m2
    "u" = fp8_e5m2 inputs fp8_e5m2
    "i" = int8 per channel inputs int8 per channel
    "g" = fp8_e4m3 inputs fp8_e4m3
    "h" = fp8_e4m3 inputs fp8_e4m3 }
}`;

/** A lowering of codes, its tile and its step. */
interface Way {
  readonly lowering: (format: CodePair) => Lowering;
  readonly m: number;
  readonly n: number;
  readonly step: number;
}

function fragments(
  warpsM: number,
  warpsN: number,
  tilesM: number,
  tilesN: number,
  stages: 2 | 3 | 4,
  step: number,
): Way {
  const lowering = { kind: "mma", warpsM, warpsN, tilesM, tilesN, stages } as const;
  return {
    lowering: (format) => ({ ...lowering, format }),
    m: 16 * warpsM * tilesM,
    n: 8 * warpsN * tilesN,
    step,
  };
}

function streamed(rows: 1 | 2 | 4 | 8, columns: 1 | 2, warpsN: number, warpsK: number, ahead: number): Way {
  const lowering = { kind: "stream", rows, columns, warpsN, warpsK, ahead } as const;
  return {
    lowering: (format) => ({ ...lowering, format }),
    m: 8 * rows,
    n: 32 * columns * warpsN,
    step: 16 * ahead * warpsK,
  };
}

/** Every product as one of codes. */
function withCodes(variant: Variant, { lowering, m, n, step }: Way): Variant {
  const all = rescheduled(variant, (kernel, dot) => {
    if (dot === undefined) return undefined;
    const format = codeFormat(kernel, variant.plan.values, sm_89);
    if (format === undefined) throw new Error("a product of other numbers");
    return { lowering: lowering(format), tiles: { [dot.m]: m, [dot.n]: n }, steps: { [dot.k]: step } };
  });
  expect(all.names.length).toBeGreaterThan(0);
  return all.variant;
}

const compiledWay = (variant: Variant, change: (text: string) => string): Variant => ({
  ...variant,
  kernels: variant.kernels.map((kernel) => ({ ...kernel, text: change(kernel.text) })),
});

const CASES = [
  { T: 3, D: 37, K: 21, candidates: 1, as: fragments(2, 2, 2, 4, 2, 64), way: "as sm_90" },
  { T: 2, D: 131, K: 75, candidates: 35, as: fragments(1, 2, 2, 4, 3, 64), way: "as sm_89" },
  { T: 1, D: 262, K: 130, candidates: 19, as: fragments(2, 1, 1, 8, 4, 32), way: "by an old compiler" },
  { T: 3, D: 68, K: 21, candidates: 11, as: streamed(2, 2, 1, 4, 2), way: "as sm_89" },
];

/** Sums are exact, scales are rounded. */
const SCALED = 1e-6;

/** Inputs of −2, 0 and 2: codes of every format, whatever scale makes 2 the largest. */
function extremes(inputs: ModelInputs): ModelInputs {
  const { features } = wholeInputs(inputs);
  return {
    ...inputs,
    features: new Map([...features].map(([name, x]) => [name, x.map((each) => 2 * Math.sign(each))])),
  };
}

describe("products of codes", () => {
  it.each(CASES)(
    "add up exactly, $T × $D × $K, $candidates candidates, $way",
    { timeout: 60_000 },
    (given) => {
      const { T, D, K, candidates, as, way } = given;
      const graph = graphOfSpec(SPEC, { T, D, K });
      const compiled = compileFor({ ...graph, serve: { requests: 1, candidates } }, sm_89, {
        reuseArena: false,
      });
      const variant = compiledWay(withCodes(compiled, as), WAYS[way] ?? String);
      // Codes of weights are exact whatever they are: drawn ones have them all.
      const weights = drawnWeights(graph.params, { seed: 2 });
      for (const [task, error] of taskErrors(variant, graph, candidates, weights, extremes))
        expect(error, task).toBeLessThanOrEqual(SCALED);
    },
  );

  it("round activations as the codec does, NaN and what is too large included", { timeout: 60_000 }, () => {
    const { round_e4m3, round_e5m2, round_int8 } = scalarFns;
    const values = ({ values }: Float8): number[] => [...values.slice(0, 128)].filter(Number.isFinite);
    const formats = [
      {
        name: "e4m3",
        storage: "fp8_e4m3",
        round: round_e4m3,
        codes: values(e4m3),
        ways: Object.values(WAYS),
      },
      {
        name: "e5m2",
        storage: "fp8_e5m2",
        round: round_e5m2,
        codes: values(e5m2),
        ways: Object.values(WAYS),
      },
      { name: "int8", storage: "int8 per channel", round: round_int8, codes: range(128), ways: [String] },
    ];
    const tasks = formats.flatMap(({ ways, ...format }) =>
      ways.map((way, i) => ({ ...format, way, name: `${format.name}_${i}` })),
    );
    const graph = graphOfSpec(`
model m {
  item { x: f32[32] }
${tasks.map(({ name }) => `  param w_${name}: [32, 32]\n  task ${name} = einsum("d, d k -> k", x, w_${name})`).join("\n")}
  precision { compute = f16
${tasks.map(({ name, storage }) => `    "w_${name}" = ${storage} inputs ${storage}`).join("\n")} }
}`);
    // Every code, what lies in the middle between it and the next, and the nearest on both sides of that.
    const single = (bits: number): number => new Float32Array(Uint32Array.of(bits).buffer)[0] ?? 0;
    const bitsOf = (x: number): number => new Uint32Array(Float32Array.of(x).buffer)[0] ?? 0;
    const numbers = formats.flatMap(({ codes }) =>
      codes.slice(1).flatMap((high, i) => {
        const low = codes[i] ?? 0;
        const middle = bitsOf((low + high) / 2);
        return [low, single(middle - 1), single(middle), single(middle + 1)];
      }),
    );
    const both = [...numbers, 460, 470, 1e6, Number.POSITIVE_INFINITY].flatMap((x) => [x, -x]);
    const rows = [...both, ...Array.from({ length: 32 - (both.length % 32) }, () => 0)];
    const x = Float32Array.from([
      ...rows,
      ...Array.from({ length: 32 }, (_, i) => (i === 5 ? Number.NaN : 1)),
    ]);
    const candidates = x.length / 32;
    const compiled = compileFor({ ...graph, serve: { requests: 1, candidates } }, sm_89, {
      reuseArena: false,
    });
    const variant = withCodes(compiled, fragments(2, 1, 1, 4, 2, 32));
    const change = new Map(tasks.map(({ name, way }) => [name, way]));
    const program = new HostProgram({
      ...variant,
      kernels: variant.kernels.map((kernel) => ({
        ...kernel,
        text: (change.get(kernel.name) ?? String)(kernel.text),
      })),
    });
    const identity: WeightSource = {
      ...wholeWeights,
      read: (_path, start, count) =>
        Float32Array.from({ length: count }, (_, i) => ((start + i) % 33 === 0 ? 1 : 0)),
      inputScaleOf: () => 1,
    };
    try {
      const inputs = {
        requests: 1,
        candidates,
        request: new Int32Array(candidates),
        features: new Map([["x", x]]),
      };
      const run = program.run(inputs, identity);
      for (const { name, round, storage } of tasks) {
        const { value } = variant.plan.outputs.find(({ task }) => task === name) ?? { value: -1 };
        const rounded = run.read(value).data;
        for (const [i, each] of rows.entries()) {
          const meant = round.evaluate(each, 0, 0);
          const error = Math.abs((rounded[i] ?? 0) - meant);
          expect(error, `${name}: ${each}`).toBeLessThanOrEqual(SCALED * Math.abs(meant));
        }
        // int8 has no code for what is no number.
        const none = Array.from(rounded).slice(rows.length);
        expect(none.every(storage.startsWith("fp8") ? Number.isNaN : Number.isFinite), name).toBe(true);
      }
    } finally {
      program.close();
    }
  });

  const model = models.find(({ name }) => name === "rankmixer");
  const narrow = (set: Readonly<Record<string, number>>, precision: string): Graph =>
    graphOfSpec(specOf(model ?? { name: "", set }), set, precision);
  const FP8 = 'compute = bf16; "**.ffn.w*" = fp8_e4m3 inputs fp8_e4m3';
  const INT8 = 'compute = f16; "**.ffn.w*" = int8 per channel inputs int8 per channel';

  it("are a model's where the architecture has them, and agree with the reference", {
    timeout: 120_000,
  }, async () => {
    const set = { T: 3, D: 72, L: 1, U: 2 };
    const [fp8, int8] = [narrow(set, FP8), narrow(set, INT8)];
    const codes = ({ plan }: Pick<Variant, "plan">): number =>
      plan.kernels.item.flatMap(partsOf).filter(({ lowering: l }) => l.kind === "mma" && isCodes(l.format))
        .length;
    const sizes = [{ requests: 2, candidates: 35 }];
    expect(codes(await expectHostAgrees(fp8, { profile: sm_89, tolerance: 3e-2, sizes }))).toBe(2);
    expect(codes(await expectHostAgrees(int8, { profile: sm_80, tolerance: 1e-2, sizes }))).toBe(2);
    const serve = { requests: 1, candidates: 35 };
    expect(codes(compileFor({ ...fp8, serve }, sm_80))).toBe(0);
    const inF32 = { ...fp8.precision, compute: "f32" } as const;
    expect(codes(compileFor({ ...fp8, serve, precision: inF32 }, sm_89))).toBe(0);
  });

  it("compile without a word, in any way, and keep to their registers", { timeout: 240_000 }, async () => {
    const set = { T: 4, D: 512, L: 1, U: 2 };
    const of = (precision: string, profile: Profile, candidates: number): readonly KernelText[] =>
      compileFor({ ...narrow(set, precision), serve: { requests: 1, candidates } }, profile).kernels.filter(
        ({ text }) => /\bmma_(e4m3_e4m3|int8)\(/.test(text),
      );
    const [nvcc, nvrtc] = [findNvcc(), await findNvrtc()];
    // One that streams its weights, and on each side of the preprocessor's choice one of fragments; of different names.
    for (const [profile, first, second] of [
      [sm_89, of(FP8, sm_89, 2048)[0], of(FP8, sm_89, 16)[1]],
      [sm_90, of(FP8, sm_90, 2048)[0], of(INT8, sm_90, 2048)[1]],
    ] as const) {
      if (first === undefined || second === undefined) throw new Error("no product of codes");
      const kernels = [first, second];
      if (nvrtc !== undefined) expect(await complaints(nvrtc, profile.name, kernels)).toBe("");
      if (nvcc === undefined) continue;
      const assembled = assemble(nvcc, profile.name, kernels);
      expect(assembled.map(({ stack, spills }) => stack + spills)).toEqual([0, 0]);
    }
  });

  it("lie so that eight lanes' reads of 16 bytes are from all banks", () => {
    for (const [columns, rows] of [
      [32, 8],
      [64, 16],
      [256, 16],
    ] as const) {
      const builder = new Builder([]);
      const tile = { array: "b_tile", rows, width: columns / 4 };
      const words = blockFragments(
        builder,
        tile,
        variable("lane", I32),
        i32(1),
        i32(columns / 32 - 1),
        rows / 8 - 1,
      );
      const names = new Map(
        builder.finish().flatMap((s) => (s.kind === "let" ? [[s.name, s.value] as const] : [])),
      );
      for (const word of words) {
        const read = word.kind === "call" ? word.args[0] : undefined;
        if (read?.kind !== "shared") throw new Error("a word that is not read from workgroup memory");
        for (let first = 0; first < 32; first += 8) {
          const places = Array.from({ length: 8 }, (_, i) => indexOf(read.index, names, first + i));
          expect(new Set(places.map((place) => place % 8)).size).toBe(8);
        }
      }
    }
  });
});

/** An index of workgroup memory for one lane. */
function indexOf(e: ThreadExpr, names: ReadonlyMap<string, ThreadExpr>, lane: number): number {
  if (e.kind === "const") return e.value;
  if (e.kind === "var") {
    const value = names.get(e.name);
    return value === undefined ? lane : indexOf(value, names, lane);
  }
  if (e.kind !== "call") throw new Error(`an index with a ${e.kind}`);
  const [a = 0, b = 0] = e.args.map((arg) => indexOf(arg, names, lane));
  switch (e.fn) {
    case "add":
      return a + b;
    case "mul":
      return a * b;
    case "idiv":
      return Math.floor(a / b);
    case "irem":
      return a % b;
    case "bitxor":
      return a ^ b;
    default:
      throw new Error(`an index with ${e.fn}`);
  }
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
