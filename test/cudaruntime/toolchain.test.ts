/** Which architecture is asked for, where compilers are looked for, and the real nvcc where there is one. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { printCuda } from "../../backends/cuda/print.ts";
import { lowerKernel } from "../../backends/lower/index.ts";
import { compileFor } from "../../src/compile.ts";
import { sm_80 } from "../../src/ir/profiles.ts";
import {
  builtinsBeside,
  driverCandidates,
  nvccCandidates,
  nvrtcCandidates,
} from "../../src/runtime/cuda/libraries.ts";
import { openNvcc } from "../../src/runtime/cuda/nvcc.ts";
import { targetFor } from "../../src/runtime/cuda/toolchain.ts";
import { allKernels } from "../../src/variant.ts";
import { graphOf } from "../cuda/models.ts";

describe("targetFor", () => {
  const known = [80, 86, 89, 90];
  it("asks for the device's own architecture", () => {
    expect(targetFor("sm_89", known, "12.4")).toBe("sm_89");
    expect(targetFor("sm_90a", known, "12.4")).toBe("sm_90a");
  });
  it("leaves out the `a` where the compiler is too old for it", () => {
    expect(targetFor("sm_90a", known, "11.8")).toBe("sm_90");
  });
  it("asks for PTX where the device is newer than the compiler", () => {
    expect(targetFor("sm_120a", known, "12.4")).toBe("compute_90");
  });
});

describe("candidates", () => {
  it("are what the environment names, if it does", () => {
    expect(driverCandidates({ RMXC_LIBCUDA: "/x/libcuda.so" })).toEqual(["/x/libcuda.so"]);
    expect(nvrtcCandidates({ RMXC_NVRTC: "/x/libnvrtc.so" })).toEqual(["/x/libnvrtc.so"]);
    expect(nvccCandidates({ RMXC_NVCC: "/x/nvcc" })).toEqual(["/x/nvcc"]);
  });

  it("of NVRTC are a toolkit's, then Python's, then the loader's", () => {
    const root = mkdtempSync(join(tmpdir(), "rmxc-toolkit-"));
    const wheel = join(root, "venv/lib/python3.11/site-packages/nvidia/cuda_nvrtc/lib");
    const lib = join(root, "toolkit/lib64");
    for (const folder of [wheel, lib]) mkdirSync(folder, { recursive: true });
    writeFileSync(join(wheel, "libnvrtc.so.12"), "");
    writeFileSync(join(wheel, "libnvrtc-builtins.so.12.4"), "");
    writeFileSync(join(lib, "libnvrtc.so.11.2"), "");
    writeFileSync(join(lib, "libnvrtc.so.12"), "");
    const found = nvrtcCandidates({ CUDA_PATH: join(root, "toolkit"), VIRTUAL_ENV: join(root, "venv") });
    const ours = found.filter((path) => path.startsWith(root));
    expect(ours).toEqual([
      join(lib, "libnvrtc.so.12"),
      join(lib, "libnvrtc.so.11.2"),
      join(wheel, "libnvrtc.so.12"),
    ]);
    expect(found.indexOf("libnvrtc.so.12")).toBeGreaterThan(found.indexOf(ours[2] ?? ""));
    // What a wheel's NVRTC loads by its name, and would not find.
    expect(builtinsBeside(join(wheel, "libnvrtc.so.12"))).toEqual([join(wheel, "libnvrtc-builtins.so.12.4")]);
    expect(builtinsBeside("libnvrtc.so.12")).toEqual([]);
    rmSync(root, { recursive: true });
  });
});

const nvcc = openNvcc();

describe(`nvcc (${"toolchain" in nvcc ? nvcc.toolchain.version : "there is none here"})`, () => {
  it("makes machine code of a kernel, and PTX for an architecture that it does not know", async () => {
    if (!("toolchain" in nvcc)) {
      // Nothing to try; that is then said with the places that were looked at.
      expect(nvcc.failures.every((failure) => failure.includes("nvcc"))).toBe(true);
      return;
    }
    const { plan } = compileFor(graphOf({ name: "quickstart", set: { T: 6, D: 18, L: 1, U: 2 } }), sm_80);
    const [kernel] = allKernels(plan);
    if (kernel === undefined) throw new Error("no kernel");
    const { text, name } = printCuda(lowerKernel(kernel, plan));
    const cubin = await nvcc.toolchain.compile(name, text, "sm_90a");
    expect(cubin.ok && Buffer.from(cubin.image.subarray(0, 4)).toString("latin1")).toBe("\x7fELF");
    const ptx = await nvcc.toolchain.compile(name, text, "sm_999");
    expect(ptx.ok && Buffer.from(ptx.image).toString("latin1")).toContain(".target sm_");
    const broken = await nvcc.toolchain.compile(name, `${text}nonsense;\n`, "sm_80");
    expect(broken).toMatchObject({
      ok: false,
      log: expect.stringMatching(new RegExp(`^${name}\\.cu\\(\\d+\\)`)),
    });
  }, 120_000);
});
