/** Every kernel of the zoo compiles with NVIDIA's own compiler, where there is one, without a warning, a spill or a stack frame. */
import { afterAll, describe, expect, it } from "vitest";
import { compileFor } from "../../src/compile.ts";
import { builtinProfiles } from "../../src/ir/profiles.ts";
import { assemble, findNvcc, nvccVersion } from "./compiler.ts";
import { graphOf, models, title } from "./models.ts";

const nvcc = findNvcc();
const compiled = new Map<string, number>();

afterAll(() => {
  const counts = [...compiled].map(([arch, count]) => `${count} kernels for ${arch}`).join(", ");
  console.log(
    nvcc === undefined ? "no nvcc here: 0 kernels compiled" : `nvcc ${nvccVersion(nvcc)}: ${counts}`,
  );
});

/** f32 for the architecture that all later ones run, and the products of 16 bits for Hopper. */
const targets = [
  { arch: "sm_80", compute: "f32", names: undefined },
  { arch: "sm_90a", compute: "bf16", names: ["rankmixer", "rankmixer_moe"] },
  { arch: "sm_80", compute: "f16", names: ["quickstart", "unimixer"] },
] as const;

describe.each(targets)("for $arch in $compute", ({ arch, compute, names }) => {
  const chosen = models.filter(({ name }) => names === undefined || names.some((wanted) => wanted === name));
  const cases = chosen.map((model) => ({ model, name: title(model) }));
  it.each(cases)("$name", { timeout: 240_000 }, ({ model }) => {
    const profile = builtinProfiles[arch];
    if (profile === undefined) throw new Error(`no profile ${arch}`);
    const graph = graphOf(model);
    const { kernels } = compileFor({ ...graph, precision: { ...graph.precision, compute } }, profile);
    expect(kernels.every(({ language }) => language === "cuda")).toBe(true);
    expect(kernels.some(({ text }) => text.includes("mma.sync"))).toBe(compute !== "f32");
    if (nvcc === undefined) return;
    const assembled = assemble(nvcc, arch, kernels);
    expect(assembled.map(({ kernel }) => kernel).sort()).toEqual(kernels.map(({ name }) => name).sort());
    expect(assembled.filter(({ stack, spills }) => stack + spills > 0)).toEqual([]);
    compiled.set(arch, (compiled.get(arch) ?? 0) + assembled.length);
  });
});
