/**
 * Every kernel of the zoo compiles with NVRTC without a word, for sm_80 in f32 and for sm_90 in bf16, on tensor cores: with the NVRTC of
 * Debian's non-free packages, which `npm test` fetches (scripts/nvrtc.sh), or with one that the machine has. nvcc.test.ts tells of
 * registers.
 */
import { afterAll, describe, expect, it } from "vitest";
import { compileFor } from "../../src/compile.ts";
import { builtinProfiles } from "../../src/ir/profiles.ts";
import { complaints, findNvrtc } from "./compiler.ts";
import { graphOf, models, title } from "./models.ts";

const nvrtc = await findNvrtc();
const compiled = new Map<string, number>();
/** Texts that an earlier model has in common with a later one, but for the model's names. */
const known = new Set<string>();

afterAll(() => {
  const counts = [...compiled].map(([arch, count]) => `${count} kernels for ${arch}`).join(", ");
  console.log(
    nvrtc ? `NVRTC ${nvrtc.version}: ${counts}` : "no NVRTC here (bash scripts/nvrtc.sh): 0 kernels compiled",
  );
});

/** CUDA's own words among those that look like a model's. */
const CUDA_WORD = /^(?:__\w+|(?:u?(?:char|short|int)|float|bool|bf16|f16)(?:x?\d)?)$/;

/** The text without comments and with the kernel's own words numbered: alike for two layers of a form. */
function formOf(name: string, text: string): string {
  const words = new Map<string, string>();
  return text.replace(/\/\/[^\n]*/g, "").replace(/[A-Za-z_]\w*/g, (word) => {
    if (CUDA_WORD.test(word) || (!/_|\d/.test(word) && word !== name)) return word;
    const number = words.get(word) ?? `$${words.size}`;
    words.set(word, number);
    return number;
  });
}

describe.each([
  { arch: "sm_80", compute: "f32" },
  { arch: "sm_90", compute: "bf16" },
] as const)("for $arch in $compute", ({ arch, compute }) => {
  it.each(models.map((model) => ({ model, name: title(model) })))(
    "$name",
    { timeout: 240_000 },
    async ({ model }) => {
      const profile = builtinProfiles[arch];
      if (profile === undefined) throw new Error(`no profile ${arch}`);
      const graph = graphOf(model);
      const stored = compute === "f32" ? {} : { storage: { element: compute } };
      const params = graph.params.map((param) => ({ ...param, ...stored }));
      const { kernels } = compileFor(
        { ...graph, params, precision: { ...graph.precision, compute } },
        profile,
      );
      expect(kernels.length).toBeGreaterThan(0);
      expect(kernels.every(({ language }) => language === "cuda")).toBe(true);
      expect(kernels.some(({ text }) => text.includes("mma.sync"))).toBe(compute === "bf16");
      if (nvrtc === undefined) return;
      const fresh = kernels.filter(({ name, text }) => {
        const form = `${arch} ${formOf(name, text)}`;
        return !known.has(form) && known.add(form);
      });
      expect(await complaints(nvrtc, arch, fresh)).toBe("");
      compiled.set(arch, (compiled.get(arch) ?? 0) + fresh.length);
    },
  );
});
