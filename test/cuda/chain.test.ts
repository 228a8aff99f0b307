/**
 * Both products of an FFN in one launch, on the host: workgroups run at one time and wait for what others store. Buffers are NaN before, so
 * that rows which are read too early show; whole numbers that 16 bits hold exactly make every other sum exact.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { printCuda } from "../../backends/cuda/print.ts";
import { lowerKernel } from "../../backends/lower/index.ts";
import { type ArtifactVariant, readArtifact, writeArtifact } from "../../src/artifact.ts";
import { compileFor, type Variant } from "../../src/compile.ts";
import { loadsOf, mul, tile } from "../../src/ir/expr.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { sm_90a } from "../../src/ir/profiles.ts";
import { points, withSchedule } from "../../src/ir/schedule.ts";
import { partsOf, type TileKernel, type TilePhase, workgroupsOf } from "../../src/ir/tile.ts";
import { allKernels } from "../../src/variant.ts";
import { graphOfSpec } from "../support/zoo.ts";
import { assemble, findNvcc } from "./compiler.ts";
import { HostProgram } from "./host.ts";
import { programErrors } from "./products.ts";

/**
 * - plain: an FFN of each token. - gated: its first phase has two products. - shared: tokens share their weights, so that rows are
 *   candidates times tokens. - normed: what follows each product has a factor of its row. - single: no tokens.
 */
const SPEC = `
model m(T: int, D: int, K: int) {
  item { x: f32[T, D], s: f32[T] }
  param w: [T, D, K]
  param b: [T, K]
  param v: [T, K, D]
  y = keep(max(x, -9.0))
  plain_h = relu(einsum("t d, t d k -> t k", y, w) + b)
  task plain = einsum("t k, t k d -> t d", plain_h, v) + y
  param gated_u: [T, D, K]
  param gated_w: [T, D, K]
  param gated_v: [T, K, D]
  gated_x = keep(x + 1.0)
  gated_h = relu(einsum("t d, t d k -> t k", gated_x, gated_u)) * einsum("t d, t d k -> t k", gated_x, gated_w)
  task gated = einsum("t k, t k d -> t d", gated_h, gated_v)
  param shared_w: [D, K]
  param shared_v: [K, D]
  shared_x = keep(x - 1.0)
  shared_h = relu(einsum("t d, d k -> t k", shared_x, shared_w))
  task shared = einsum("t k, k d -> t d", shared_h, shared_v)
  param normed_w: [T, D, K]
  param normed_v: [T, K, D]
  normed_x = keep(2.0 * x)
  normed_h = relu(einsum("t d, t d k -> t k", normed_x, normed_w)) * rearrange(s * s, "t -> t 1")
  task normed = einsum("t k, t k d -> t d", normed_h, normed_v) * rearrange(s + 3.0, "t -> t 1")
  param single_w: [D, K]
  param single_v: [K, D]
  single_x = keep(x[0] + 2.0)
  single_h = relu(einsum("d, d k -> k", single_x, single_w))
  task single = einsum("k, k d -> d", single_h, single_v)
}`;

/** A plain one alone. */
const FFN = `
model m(T: int, D: int, K: int) {
  item { x: f32[T, D] }
  param w: [T, D, K]
  param v: [T, K, D]
  y = keep(max(x, -9.0))
  h = relu(einsum("t d, t d k -> t k", y, w))
  task plain = einsum("t k, t k d -> t d", h, v)
}`;

interface Shape {
  readonly groups: number;
  readonly columns: readonly [first: number, second: number];
  readonly stages: number;
  readonly cluster: 1 | 2;
  readonly blocks: number;
}

interface Made {
  readonly graph: Graph;
  readonly variant: Variant;
}

type Shapes = Readonly<Record<string, Shape>>;

/** The model with its chains, named after their tasks, in these shapes. */
function compiled(spec: string, set: Readonly<Record<string, number>>, shapes: Shapes): Made {
  const whole = graphOfSpec(spec, set, 'compute = bf16; "**" = bf16');
  const graph = { ...whole, serve: { requests: 1, candidates: 200 } };
  const variant = compileFor(graph, sm_90a, { reuseArena: false });
  const { load, user, item } = variant.plan.kernels;
  const names = item.filter(({ lowering }) => lowering.kind === "chain").map(({ name }) => name);
  expect(names.toSorted()).toEqual(Object.keys(shapes).toSorted());
  const shaped = item.map((kernel) => {
    const shape = shapes[kernel.name];
    return shape === undefined ? kernel : inShape(kernel, shape);
  });
  const plan = { ...variant.plan, kernels: { load, user, item: shaped } };
  const kernels = allKernels(plan).map((kernel) => printCuda(lowerKernel(kernel, plan)));
  return { graph, variant: { ...variant, plan, kernels } };
}

function inShape(kernel: TileKernel, { groups, columns, stages, cluster, blocks }: Shape): TileKernel {
  const { lowering } = kernel;
  if (lowering.kind !== "chain") return kernel;
  const rows = 64 * groups * cluster;
  const phases = partsOf(kernel).map((part, i): TilePhase => {
    const width = columns[i] ?? 0;
    const [n, m] = part.grid.slice(-2);
    const hopper = {
      kind: "hopper",
      half: lowering.half,
      groups,
      columns: width,
      stages,
      cluster,
      blocks,
    } as const;
    const { name, grid, inner, body, about, roots } = withSchedule(part, {
      lowering: hopper,
      tiles: { [n?.name ?? ""]: width, [m?.name ?? ""]: rows },
      steps: Object.fromEntries(part.inner.map((axis) => [axis.name, 64])),
    });
    return { name, grid, inner, body: withRowFactor(body), lowering: hopper, about, roots };
  });
  const across = (i: number): number => {
    const n = phases[i]?.grid.at(-2);
    return Math.ceil(points(n?.extent ?? 1, 1) / (n?.tile ?? 1));
  };
  return {
    ...kernel,
    phases,
    lowering: { ...lowering, cluster, blocks, threads: 128 * (groups + 1), tiles: [across(0), across(1)] },
  };
}

/** The program with the factor of what it stores as a tile of its own, which a row's threads share. */
function withRowFactor(body: TilePhase["body"]): TilePhase["body"] {
  return body.flatMap((s) => {
    if (s.kind !== "store" || s.value.kind !== "apply" || s.value.fn !== "mul") return [s];
    const [value, factor] = s.value.args;
    if (value === undefined || factor === undefined || loadsOf(factor).length === 0) return [s];
    return [
      { kind: "let", out: "factor", value: factor },
      { ...s, value: mul(value, tile("factor", "num")) },
    ];
  });
}

/** What a product's rows lose that are rounded to 16 bits. */
const ROUNDED = 4e-3;

describe("both products of an FFN in one launch", { timeout: 120_000 }, () => {
  it("are right for few and many workgroups, alone and in clusters, whatever follows them", () => {
    const shape = { groups: 1, columns: [64, 64], stages: 2, cluster: 1, blocks: 3 } as const;
    const { graph, variant } = compiled(
      SPEC,
      { T: 3, D: 72, K: 104 },
      {
        plain: shape,
        gated: { ...shape, groups: 2, columns: [64, 128], blocks: 132 },
        shared: { ...shape, columns: [128, 64], blocks: 2 },
        normed: { ...shape, columns: [128, 128], cluster: 2, blocks: 5 },
        single: { ...shape, stages: 3, blocks: 1 },
      },
    );
    const memory = variant.kernels.filter(({ text }) => text.includes("factor_tile")).map(({ name }) => name);
    expect(memory).toEqual(["normed"]);
    const program = new HostProgram(variant);
    try {
      for (const candidates of [0, 1, 131]) {
        for (const [name, error] of programErrors(program, graph, candidates))
          expect(error, `${name} of ${candidates}`).toBeLessThanOrEqual(ROUNDED);
      }
    } finally {
      program.close();
    }
  });
});

/** How the host run says that a text would go on for ever, or leaves to chance what is read. */
const ENDS = {
  arrive: /wait for each other/,
  stored: /not fenced for the copy engine/,
  read: /no fence between/,
};

describe("the host run of workgroups that wait for each other", { timeout: 120_000 }, () => {
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  it("shows what is not waited for, not told, not fenced or not zero", () => {
    const shape = { groups: 1, columns: [64, 64], stages: 2, cluster: 1, blocks: 132 } as const;
    const { graph, variant } = compiled(FFN, { T: 2, D: 64, K: 72 }, { plain: shape });
    const optional = (what: string, statement: string): string =>
      `if (std::strcmp(std::getenv("LEFT_OUT"), "${what}") != 0) ${statement}`;
    const without = (text: string): string =>
      text
        .replace(/^( +)(counter_await\(.*\n +)(fence_.*)$/m, (_, indent, wait, fence) =>
          [indent, optional("wait", wait), optional("read", fence)].join(""),
        )
        .replace(/fence_proxy_async_global\(\);(?=\s+bar_sync)/, (fence) => optional("stored", fence))
        .replace(/counter_arrive\(\w+ \+/, (arrive) => optional("arrive", arrive));
    let missing = "nothing";
    const kernels = variant.kernels.map((kernel) => ({
      ...kernel,
      text: without(kernel.text),
      get counters() {
        return missing === "zeros" ? [] : (kernel.counters ?? []);
      },
    }));
    expect(kernels.flatMap(({ text }) => [...text.matchAll(/LEFT_OUT/g)])).toHaveLength(4);
    const program = new HostProgram({ ...variant, kernels });
    const errorWithout = (what: string): number => {
      missing = what;
      vi.stubEnv("LEFT_OUT", what);
      return Math.max(...programErrors(program, graph, 67).values());
    };
    try {
      expect(errorWithout("nothing")).toBeLessThanOrEqual(ROUNDED);
      for (const what of ["wait", "zeros"]) expect(errorWithout(what), what).toBe(Number.POSITIVE_INFINITY);
      for (const [what, reason] of Object.entries(ENDS))
        expect(() => errorWithout(what), what).toThrow(reason);
    } finally {
      program.close();
    }
  });
});

describe("chained products", { timeout: 120_000 }, () => {
  it("keep what a launch needs in an artifact", () => {
    const shape = { groups: 1, columns: [64, 64], stages: 2, cluster: 1, blocks: 132 } as const;
    const { variant } = compiled(FFN, { T: 5, D: 64, K: 130 }, { plain: shape });
    const dir = join(mkdtempSync(join(tmpdir(), "rmxc-chain-")), "out");
    const launches = ({ plan, kernels }: ArtifactVariant) => ({
      counters: kernels.map(({ counters, bindings }) =>
        counters?.map((at) => plan.values[bindings[at]?.value ?? -1]?.name),
      ),
      // Three tiles of h's columns and one of the result's, for each of 5 tokens and ⌈N / 64⌉ tiles of rows.
      workgroups: [0, 1, 65, 1000].map((n) => plan.kernels.item.map((kernel) => workgroupsOf(kernel, n))[1]),
    });
    try {
      writeArtifact(dir, { name: "ffn", variants: [variant] });
      const [read] = readArtifact(dir).variants;
      expect(read && launches(read)).toEqual({
        counters: [undefined, ["plain_done"]],
        workgroups: [0, 20, 40, 132],
      });
    } finally {
      rmSync(dirname(dir), { recursive: true, force: true });
    }
  });

  it("compile without a warning, a spill or a stack frame", () => {
    const shape = { groups: 2, columns: [256, 256], stages: 4, cluster: 2, blocks: 132 } as const;
    const { variant } = compiled(
      SPEC,
      { T: 2, D: 512, K: 520 },
      {
        plain: shape,
        gated: { ...shape, columns: [128, 256] },
        shared: shape,
        normed: { ...shape, stages: 3 },
        single: { ...shape, cluster: 1 },
      },
    );
    const chains = variant.kernels.filter(({ counters }) => counters !== undefined);
    const texts = chains.filter(({ name }) => name === "gated" || name === "normed");
    expect(texts).toHaveLength(2);
    for (const { text } of texts) expect(text).toContain("ld.acquire.gpu");
    const nvcc = findNvcc();
    if (nvcc === undefined) return;
    const assembled = assemble(nvcc, "sm_90a", texts);
    expect(assembled.map(({ registers, stack, spills }) => ({ registers, stack, spills }))).toEqual(
      texts.map(() => ({ registers: 168, stack: 0, spills: 0 })),
    );
  });
});
