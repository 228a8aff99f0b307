/**
 * How many kernels a layer takes. A layer's kernels are those of which a phase computes one of its values; where a kernel does the end
 * of one layer and the beginning of the next, it counts for the one that its main phase belongs to.
 */
import { describe, expect, it } from "vitest";
import { compileFor } from "../../src/compile.ts";
import { builtinProfiles } from "../../src/ir/profiles.ts";
import { partsOf, type TileKernel } from "../../src/ir/tile.ts";
import { elaborateSpec } from "../../src/spec.ts";
import { elaborateText } from "../model/harness.ts";

type Fuse = "off" | "vertical" | "all";

const compiled = new Map<string, readonly TileKernel[]>();

function itemKernels(
  spec: string,
  set: Record<string, string> = {},
  fuse: Fuse = "all",
  profile: "software" | "gpu" = "software",
): readonly TileKernel[] {
  const key = JSON.stringify([spec, set, fuse, profile]);
  const known = compiled.get(key);
  if (known) return known;
  const { graph } = elaborateSpec(spec, { set });
  const { item } = compileFor(graph, builtinProfiles[profile], { fuse }).plan.kernels;
  compiled.set(key, item);
  return item;
}

const countOf = (kernels: readonly TileKernel[], layer: string): number =>
  kernels.filter(({ name }) => name.startsWith(layer)).length;

describe("kernels of a layer", () => {
  it("RankMixer: three, where the FFN's weights are too large to go through in one workgroup", () => {
    const inside = itemKernels("examples/rankmixer.rmx", { L: "3" });
    expect(countOf(inside, "layers_1_block")).toBe(3);
  });

  it("RankMixer: two, where they are not", () => {
    const kernels = itemKernels("bench/workloads/rankmixer_blocks.rmx", { L: "3", D: "64" });
    for (const layer of ["layers_0", "layers_1", "layers_2"]) expect(countOf(kernels, layer)).toBe(2);
    const apart = itemKernels("bench/workloads/rankmixer_blocks.rmx", { L: "3", D: "64" }, "vertical");
    expect(countOf(apart, "layers_1")).toBe(4);
  });

  it("RankMixer on a GPU: three", () => {
    const inside = itemKernels("examples/rankmixer.rmx", { L: "3" }, "all", "gpu");
    expect(countOf(inside, "layers_1_block")).toBe(3);
  });

  it.each([
    ["longer", "encoder_layers_1_self_attention"],
    ["onetrans", "stack_blocks_1_block_(q|k|v|attention|out)_"],
  ])("attention of %s: three projections, the score product, the output", (name, layer) => {
    const kernels = itemKernels(`examples/${name}.rmx`).filter((k) => new RegExp(`^${layer}`).test(k.name));
    const scores = kernels.filter((k) =>
      partsOf(k).some((part) => part.body.some((s) => s.kind === "score")),
    );
    expect(kernels).toHaveLength(5);
    expect(scores).toHaveLength(1);
  });

  it.each([
    ["longer", "encoder_layers_1_self_(ffn|norm2)"],
    ["onetrans", "stack_blocks_1_block_(ffn|norm2)"],
    ["hiformer", "last_(ffn|norm2)"],
  ])("FFN of %s: norm, up, down", (name, layer) => {
    const kernels = itemKernels(`examples/${name}.rmx`).filter((k) => new RegExp(`^${layer}`).test(k.name));
    expect(kernels).toHaveLength(3);
  });

  it("HSTU: norm, projection, attention, output, and views of queries and keys", () => {
    const kernels = itemKernels("examples/hstu.rmx");
    expect(countOf(kernels, "layers_1_hstu")).toBeLessThanOrEqual(6);
  });

  it("TokenMixer-Large: gate and up with the norm's statistics, and down, for each of its two FFNs", () => {
    const gpu = itemKernels("examples/tokenmixer_large.rmx", {}, "all", "gpu");
    expect(countOf(gpu, "layers_1_block")).toBe(4);
    const software = itemKernels("examples/tokenmixer_large.rmx", { D: "256" });
    expect(countOf(software, "layers_1_block")).toBe(4);
    const apart = itemKernels("examples/tokenmixer_large.rmx", { D: "256" }, "vertical");
    expect(countOf(apart, "layers_1_block")).toBe(8);
  });

  it("TokenMixer-Large where weights side by side are above one binding: gate and up apart", () => {
    const large = itemKernels("examples/tokenmixer_large.rmx");
    expect(countOf(large, "layers_1_block")).toBe(8);
  });

  it("says why a norm keeps its kernel", () => {
    const { graph } = elaborateSpec("examples/longer.rmx");
    const said: string[] = [];
    compileFor(graph, builtinProfiles.software, { onExplain: (sentence) => said.push(sentence) });
    expect(said).toContain(
      "encoder.layers.1.self.norm2 keeps its kernel: gathered by the products that read it, once every 32 of their 512 columns, its statistics would take longer",
    );
  });

  it("a router, its table and its experts: three more than a dense layer", () => {
    const dense = itemKernels("examples/rankmixer.rmx", { L: "3" });
    const sparse = itemKernels("examples/rankmixer_moe.rmx", { L: "3" });
    const more = countOf(sparse, "layers_1_block") - countOf(dense, "layers_1_block");
    expect(more).toBeLessThanOrEqual(3);
  });
});

describe("how far kernels are fused", () => {
  const spec = "examples/quickstart.rmx";

  it("off: an op a kernel, at most one computation beside its sum", () => {
    const kernels = itemKernels(spec, {}, "off");
    expect(kernels.length).toBeGreaterThan(itemKernels(spec, {}, "vertical").length);
    // No epilogue: what a product's kernel stores is the sum.
    for (const { body } of kernels.filter((k) => k.body.some((s) => s.kind === "dot"))) {
      const store = body.find((s) => s.kind === "store");
      expect(store?.kind === "store" && store.value.kind).toBe("tile");
    }
  });

  it("all: fewer kernels store the same values", () => {
    const stored = (fuse: Fuse): number[] =>
      itemKernels(spec, {}, fuse)
        .flatMap((k) => partsOf(k).flatMap((part) => part.roots))
        .sort((a, b) => a - b);
    expect(stored("all")).toEqual(stored("vertical"));
    expect(itemKernels(spec).length).toBeLessThan(itemKernels(spec, {}, "vertical").length);
  });
});

describe("keep(x)", () => {
  const model = (h: string): string =>
    `model m() {\n item { x: f32[8] }\n h = ${h}\n y = h * 2\n task z = linear(y, 4)\n serve { requests <= 1, candidates <= 64 }\n}`;
  const stored = (h: string): number => {
    const { graph } = elaborateText(model(h));
    if (graph === undefined) throw new Error("the model has errors");
    return compileFor(graph, builtinProfiles.software).plan.kernels.item.flatMap((k) => k.roots).length;
  };

  it("stores what would have been computed where it is read", () => {
    expect(stored("keep(x + 1)")).toBe(stored("x + 1") + 1);
  });
});

describe("what keeps kernels apart", () => {
  const apart = (limits: Partial<(typeof builtinProfiles.software)["limits"]>) => {
    const { graph } = elaborateSpec("bench/workloads/rankmixer_blocks.rmx", { set: { L: "2" } });
    const profile = {
      ...builtinProfiles.software,
      limits: { ...builtinProfiles.software.limits, ...limits },
    };
    return compileFor(graph, profile);
  };

  it("the device's bindings", () => {
    const { plan, apart: pairs } = apart({ storageBuffers: 6 });
    for (const kernel of plan.kernels.item) expect(kernel.buffers.length).toBeLessThanOrEqual(6);
    expect(pairs.map((p) => p.reason)).toContain("together they bind 7 values, the device allows 6");
  });

  it("each pair has its reason", () => {
    const { plan, apart: pairs } = apart({});
    const names = new Set(plan.kernels.item.map((k) => k.name));
    expect(pairs.length).toBeGreaterThan(0);
    for (const { from, to, reason } of pairs) {
      expect(names).toContain(from);
      expect(names).toContain(to);
      expect(reason).not.toBe("");
    }
  });
});
