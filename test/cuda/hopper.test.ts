/**
 * The `hopper` lowering on the host: with whole numbers that 16 bits hold exactly, sums are exact, so every copy, permutation and
 * fragment must be in its place; what is read before it has come is NaN, and a wait that never ends is an error.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { onHopper } from "../../passes/scheduling/hopper.ts";
import { readArtifact, writeArtifact } from "../../src/artifact.ts";
import { compileFor, type Variant } from "../../src/compile.ts";
import type { Graph } from "../../src/ir/graph.ts";
import type { KernelText } from "../../src/ir/plan.ts";
import { sm_90a } from "../../src/ir/profiles.ts";
import { type Lowering, partsOf, workgroupsOf } from "../../src/ir/tile.ts";
import { FFN, GATED_FFN, moeSpec } from "../sparse/specs.ts";
import { graphOfSpec } from "../support/zoo.ts";
import { assemble, findNvcc } from "./compiler.ts";
import { specOf } from "./models.ts";
import { rescheduled, taskErrors } from "./products.ts";
import { expectHostAgrees } from "./zoo.ts";

type Hopper = Extract<Lowering, { kind: "hopper" }>;

/**
 * Products with weights of each token, along their own axis in memory and (`back`, since `down` wants `v` the other way round)
 * along k; two that share an operand; and one whose rows are all tokens'.
 */
const SPEC = `
model m(T: int, D: int, K: int) {
  item { x: f32[T, D] }
  param w: [T, D, K]
  param b: [T, K]
  param v: [K, D]
  param g: [T, D, K]
  param p: [T, D, K]
  y = keep(max(x, -9.0))
  h = keep(relu(einsum("t d, t d k -> t k", y, w) + b))
  task down = einsum("t k, k d -> t d", h, v) + y
  task back = einsum("t d, k d -> t k", y, v)
  task gated = einsum("t d, t d k -> t k", y, g) * einsum("t d, t d k -> t k", y, p)
}`;

/** One weight both ways round. */
const SMALL = `
model m {
  item { x: f32[136], z: f32[64] }
  param v: [64, 136]
  y = keep(max(x, -9.0))
  h = keep(max(z, -9.0))
  task down = einsum("k, k d -> d", h, v)
  task back = einsum("d, k d -> k", y, v)
}`;

const HALF = 'compute = bf16; "**" = bf16';

const GATHERED = `
model m {
  table items(rows = 23, dim = 72)
  user { seen: f32[40] }
  item { id: id in items, x: f32[8] }
  param w: [72, 40]
  param v: [40, 24]
  h = relu(einsum("d, d k -> k", id, w))
  u = keep(relu(seen))
  task a = h
  task b = einsum("d, d k -> k", h + 0.0 * sum(x), v) + einsum("d, d k -> k", u, v)
}`;

/** Experts per token, of which each candidate takes two of four. */
const sparse = (mix: string): string =>
  moeSpec({ width: 24, hidden: 40, mix }).replace("x = v + s", "x = keep(v + s)");
/** The gated form's first two products are one kernel. */
const SPARSE = [FFN, GATED_FFN].map(sparse);

const lowering = (
  half: Hopper["half"],
  groups: number,
  columns: number,
  stages: number,
  cluster: 1 | 2,
  blocks: number,
): Hopper => ({
  kind: "hopper",
  half,
  groups,
  columns,
  stages,
  cluster,
  blocks,
});

function graphOf(half: Hopper["half"], set: Readonly<Record<string, number>>): Graph {
  return graphOfSpec(
    SPEC,
    set,
    `compute = ${half}; "w" = ${half}; "v" = ${half}; "g" = ${half}; "p" = ${half}`,
  );
}

/** The variant with every product that can be lowered so. */
const withHopper = (variant: Variant, given: Hopper): ReturnType<typeof rescheduled> =>
  rescheduled(variant, (kernel, dot) => {
    const { values } = variant.plan;
    if (dot === undefined || onHopper(kernel, values, dot, given.half, sm_90a, 1000).length === 0)
      return undefined;
    const tiles = { [dot.m]: 64 * (given.turns ? 1 : given.groups) * given.cluster, [dot.n]: given.columns };
    return { lowering: given, tiles, steps: { [dot.k]: 64 } };
  });

const cases = [
  { set: { T: 1, D: 64, K: 64 }, candidates: 1, schedule: lowering("bf16", 1, 64, 2, 1, 1) },
  { set: { T: 3, D: 72, K: 136 }, candidates: 67, schedule: lowering("bf16", 1, 128, 3, 1, 2) },
  { set: { T: 2, D: 136, K: 72 }, candidates: 129, schedule: lowering("f16", 2, 128, 4, 2, 132) },
  { set: { T: 1, D: 200, K: 264 }, candidates: 131, schedule: lowering("bf16", 2, 256, 2, 2, 2) },
  {
    set: { T: 2, D: 72, K: 136 },
    candidates: 130,
    schedule: { ...lowering("bf16", 2, 128, 3, 2, 2), turns: true as const },
  },
];

function lowered({ set, candidates, schedule }: (typeof cases)[number]): Lowered {
  return loweredGraph(graphOf(schedule.half, set), candidates, schedule);
}

function loweredGraph(of: Graph, candidates: number, schedule: Hopper): Lowered {
  const graph = { ...of, serve: { requests: 1, candidates } };
  const compiled = compileFor(graph, sm_90a, { reuseArena: false, fuse: "vertical" });
  return { graph, candidates, ...withHopper(compiled, schedule) };
}

interface Lowered {
  readonly graph: Graph;
  readonly candidates: number;
  readonly variant: Variant;
  readonly names: readonly string[];
}

/** The relative error of each task, on whole numbers. */
function errorsOf({ graph, candidates, variant }: Omit<Lowered, "names">): Map<string, number> {
  return taskErrors(variant, graph, candidates);
}

describe("products of warpgroups", () => {
  it.each(cases)(
    "are exact where the operands are, $set of $candidates, $schedule",
    { timeout: 120_000 },
    (given) => {
      const made = lowered(given);
      expect(made.names).toHaveLength(5);
      // What `down` multiplies is rounded to 16 bits, and so are the two products of `gated`.
      const rounded = given.schedule.half === "bf16" ? 4e-3 : 5e-4;
      for (const [name, error] of errorsOf(made))
        expect(error, name).toBeLessThanOrEqual(name === "back" ? 0 : rounded);
    },
  );

  it("are those of RankMixer-1B as it is served", () => {
    const model = { name: "rankmixer_1b", set: {} };
    const graph = graphOfSpec(specOf(model), {}, 'compute = bf16; "**.w*" = bf16');
    const served = { ...graph, serve: { requests: 1, candidates: 1024 } };
    const { plan } = compileFor(served, sm_90a, { fuse: "phases" });
    const ffn = plan.kernels.item.filter(({ name }) => /_ffn(_h)?$/.test(name));
    expect(
      ffn.map(({ lowering: l }) => l.kind === "hopper" && [l.groups, l.columns, l.cluster, l.turns]),
    ).toEqual([
      [2, 256, 2, true],
      [2, 256, 2, undefined],
      [2, 256, 2, true],
      [2, 256, 2, undefined],
    ]);
    // As many clusters as fit, whatever the call's rows.
    for (const kernel of ffn) expect([1024, 8].map((n) => workgroupsOf(kernel, n))).toEqual([132, 132]);
    const chains = compileFor(served, sm_90a).plan.kernels.item.filter(({ name }) => name.endsWith("_ffn"));
    expect(chains.map(({ lowering: l }) => l.kind === "chain" && [l.cluster, l.tiles])).toEqual([
      [2, [24, 6]],
      [2, [24, 6]],
    ]);
    for (const kernel of chains) expect([1024, 8].map((n) => workgroupsOf(kernel, n))).toEqual([132, 132]);
  });

  it("keep what a launch needs in an artifact", () => {
    const graph = { ...graphOfSpec(SMALL, {}, HALF), serve: { requests: 1, candidates: 200 } };
    const variant = compileFor(graph, sm_90a);
    const dir = join(mkdtempSync(join(tmpdir(), "rmxc-hopper-")), "out");
    try {
      writeArtifact(dir, { name: "small", variants: [variant] });
      const read = readArtifact(dir).variants[0]?.kernels ?? [];
      const launch = ({ name, maps, sharedBytes }: KernelText) => ({ name, maps, sharedBytes });
      expect(read.map(launch)).toEqual(variant.kernels.map(launch));
      expect(read.filter(({ maps, sharedBytes }) => maps && sharedBytes)).toHaveLength(2);
    } finally {
      rmSync(dirname(dir), { recursive: true, force: true });
    }
  });

  it("take rows from where a table, a request or a list of experts' rows says", {
    timeout: 120_000,
  }, async () => {
    for (const graph of [GATHERED, ...SPARSE].map((spec) => graphOfSpec(spec, {}, HALF))) {
      const sizes = [{ requests: 2, candidates: 19 }];
      const serve = { requests: 2, candidates: 2048 };
      const { plan } = await expectHostAgrees(graph, { profile: sm_90a, tolerance: 2e-2, sizes, serve });
      const chosen = plan.kernels.item.flatMap(partsOf).filter(({ lowering }) => lowering.kind === "hopper");
      expect(chosen).toHaveLength(2);
    }
  });

  it("compile without a warning, a spill or a stack frame", { timeout: 120_000 }, () => {
    const nvcc = findNvcc();
    const gathered = [GATHERED, ...SPARSE].map((spec) => {
      const graph = { ...graphOfSpec(spec, {}, HALF), serve: { requests: 2, candidates: 2048 } };
      return compileFor(graph, sm_90a);
    });
    const variants = [...cases.slice(1).map((given) => lowered(given).variant), ...gathered];
    // One file has them all, and they must differ in their names; products that differ in no more than that are left out.
    const kernels = variants.flatMap(({ kernels: all }, i) =>
      all
        .filter(({ name, maps }) => maps !== undefined && !["down", "gated_2"].includes(name))
        .map(({ text, name, ...rest }) => {
          const own = `${name}_${i}`;
          return { ...rest, name: own, text: text.replace(`${name}(\n`, `${own}(\n`) };
        }),
    );
    expect(kernels.every(({ text }) => text.includes("wgmma.mma_async"))).toBe(true);
    if (nvcc === undefined) return;
    const assembled = assemble(nvcc, "sm_90a", kernels);
    expect(assembled).toHaveLength(kernels.length);
    // What warpgroups take and give back is what the block was launched with: else they would wait for registers for ever.
    for (const { kernel, registers } of assembled) {
      const threads = kernels.find(({ name }) => name === kernel)?.workgroup ?? 0;
      expect(registers * threads, kernel).toBeGreaterThanOrEqual(128 * 40 + (threads - 128) * 232);
      expect(registers * threads, kernel).toBeLessThanOrEqual(65536);
    }
    expect(assembled.filter(({ stack, spills }) => stack + spills > 0)).toEqual([]);
  });
});

/** How the host run says that a text would read what is not there, or wait for ever. */
const ENDS = /changed while it was under way|before its products are done|wait for each other|more arrivals/;

describe("the host run of warpgroups", { timeout: 120_000 }, () => {
  const small = (cluster: 1 | 2): Lowered =>
    loweredGraph(graphOfSpec(SMALL, {}, HALF), 65, lowering("bf16", 1, 128, 2, cluster, cluster));
  const changed = (change: (text: string) => string, given = small(1)): readonly number[] => {
    const kernels = given.variant.kernels.map((kernel) => ({ ...kernel, text: change(kernel.text) }));
    expect(kernels.some(({ text }, i) => text !== given.variant.kernels[i]?.text)).toBe(true);
    return [...errorsOf({ ...given, variant: { ...given.variant, kernels } }).values()];
  };

  it("shows what is not waited for, and what lies elsewhere", () => {
    const right = changed((text) => `${text}\n`);
    expect(right).toEqual([0, 0]);
    for (const change of [
      (text: string) => text.replace(/^ +mbarrier_wait\(full.*$/m, ""),
      (text: string) => text.replace("wait_group.sync.aligned 0", "wait_group.sync.aligned 1"),
      (text: string) => text.replaceAll("64ull << 32", "32ull << 32"),
      (text: string) => text.replaceAll("(block >> 4) << 16", "(block >> 5) << 16"),
      (text: string) => text.replaceAll(/(along_k\(a_tile[^,]* \+ )2\)/g, "$11)"),
    ]) {
      let errors: readonly number[] = [];
      try {
        errors = changed(change);
      } catch (failure) {
        expect(String(failure)).toMatch(ENDS);
      }
      expect(errors).not.toEqual(right);
    }
  });

  it("ends where a phase never does, or a stage is overwritten too early", () => {
    const fewer = (text: string) => text.replace(/(mbarrier_expect\(full[^,]*, )(\d+)/, "$116");
    expect(() => changed(fewer)).toThrow(/wait for each other/);
    const early = (text: string) => text.replace(/^ +mbarrier_wait\(empty.*$/m, "");
    expect(() => changed(early)).toThrow(ENDS);
    const unseen = (text: string) => text.replace("fence_mbarrier_init();", "");
    expect(() => changed(unseen)).toThrow(/nobody was shown/);
    const alone = (text: string) => text.replaceAll("lane < 2", "lane < 1");
    expect(() => changed(alone, small(2))).toThrow(/wait for each other/);
    const inTurn = { ...lowering("bf16", 2, 128, 2, 1, 1), turns: true } as const;
    const impatient = (text: string) => text.replace(/^ +mbarrier_wait\(turn.*$/m, "");
    const given = loweredGraph(graphOfSpec(SMALL, {}, HALF), 65, inTurn);
    expect(() => changed(impatient, given)).toThrow(ENDS);
  });
});
