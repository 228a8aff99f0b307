/** What the probe measures a CUDA device's ceilings with. */
import { describe, expect, it } from "vitest";
import type { Profile } from "../../src/ir/profile.ts";
import { sm_90, sm_90a } from "../../src/ir/profiles.ts";
import { cudaProbe } from "../../src/runtime/cuda/probekernels.ts";
import { assemble, findNvcc } from "../cuda/compiler.ts";

const probe = (profile: Profile) => cudaProbe({ multiprocessors: 132, l2Bytes: 50 << 20, profile });

describe("the ceiling of tensor cores", () => {
  it("is that of mma.sync, eight sums a warp, and on sm_90a that of two warpgroups a multiprocessor", () => {
    const [warps, warpgroups] = [sm_90, sm_90a].map((profile) => probe(profile).tensor);
    expect(warps?.text.text.match(/ mma_bf16\(s\d/g)).toHaveLength(8);
    expect(warps?.work).toBe(132 * 8 * 8 * 8 * (2 * 16 * 8 * 16));
    expect(warpgroups?.text.text.match(/ wgmma_m64n256k16_bf16_kn\(\n +s0,/g)).toHaveLength(4);
    expect(warpgroups?.work).toBe(132 * 2 * (2 * 64 * 256 * 64));
    // 64 × 64 for each warpgroup and 256 × 64 for both, from a multiple of 1024 bytes on.
    expect(warpgroups?.text.sharedBytes).toBe(2 * (2 * 64 * 64 + 256 * 64) + 1024);
  });

  it("takes no memory for registers", { timeout: 60_000 }, () => {
    const nvcc = findNvcc();
    const kernels = Object.values(probe(sm_90a)).flatMap((each) => (each ? [each.text] : []));
    expect(kernels).toHaveLength(5);
    if (nvcc === undefined) return;
    const named = kernels.map((kernel, i) => ({
      ...kernel,
      name: `${kernel.name}_${i}`,
      text: kernel.text.replace(`${kernel.name}(\n`, `${kernel.name}_${i}(\n`),
    }));
    const assembled = assemble(nvcc, "sm_90a", named);
    expect(assembled).toHaveLength(kernels.length);
    expect(assembled.filter(({ stack, spills }) => stack + spills > 0)).toEqual([]);
  });
});
