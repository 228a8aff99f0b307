/**
 * Kernels of every lowering compile with nvcc, where there is one, without a warning, and the assembler tells of no spill and no stack
 * frame. nvrtc.test.ts compiles all kernels of the zoo.
 */
import { afterAll, describe, expect, it } from "vitest";
import { compileFor } from "../../src/compile.ts";
import { builtinProfiles } from "../../src/ir/profiles.ts";
import { assemble, findNvcc, nvccVersion } from "./compiler.ts";
import { graphOf, type Model, models, title } from "./models.ts";

const nvcc = findNvcc();
const compiled = new Map<string, number>();

afterAll(() => {
  const counts = [...compiled].map(([arch, count]) => `${count} kernels for ${arch}`).join(", ");
  console.log(nvcc ? `nvcc ${nvccVersion(nvcc)}: ${counts}` : "no nvcc here: 0 kernels assembled");
});

/** Wide enough for the largest tiles. */
const WIDE: Model = { name: "rankmixer", set: { T: 4, D: 256, L: 1, U: 2 } };
const named = (...names: readonly string[]): Model[] => models.filter(({ name }) => names.includes(name));

/** f32 for the architecture that all later ones run; tensor cores there and on Hopper, weights of 16 bits where products are. */
const targets = [
  { arch: "sm_80", compute: "f32", chosen: [WIDE, ...named("wukong")] },
  { arch: "sm_90a", compute: "bf16", chosen: [WIDE, ...named("rankmixer_moe", "hstu")] },
  { arch: "sm_80", compute: "f16", chosen: [WIDE, ...named("unimixer", "pangu")] },
  { arch: "sm_80", compute: "tf32", chosen: named("quickstart") },
] as const;

describe.each(targets)("for $arch in $compute", ({ arch, compute, chosen }) => {
  const cases = chosen.map((model) => ({ model, name: title(model) }));
  it.each(cases)("$name", { timeout: 240_000 }, async ({ model }) => {
    const profile = builtinProfiles[arch];
    if (profile === undefined) throw new Error(`no profile ${arch}`);
    const graph = graphOf(model);
    const stored = compute === "f16" || compute === "bf16" ? { storage: { element: compute } } : {};
    const params = graph.params.map((param) => ({ ...param, ...stored }));
    const { kernels } = compileFor({ ...graph, params, precision: { ...graph.precision, compute } }, profile);
    expect(kernels.every(({ language }) => language === "cuda")).toBe(true);
    expect(kernels.some(({ text }) => text.includes("mma.sync"))).toBe(compute !== "f32");
    expect(kernels.some(({ text }) => text.includes("cp.async"))).toBe(compute !== "f32");
    if (nvcc === undefined) return;
    const assembled = assemble(nvcc, arch, kernels);
    expect(assembled.map(({ kernel }) => kernel).sort()).toEqual(kernels.map(({ name }) => name).sort());
    expect(assembled.filter(({ stack, spills }) => stack + spills > 0)).toEqual([]);
    compiled.set(arch, (compiled.get(arch) ?? 0) + kernels.length);
  });
});
