/** @file NVIDIA's compiler on a model's kernels: warnings are errors, and the assembler says what registers and stack they take. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KernelText } from "../../src/ir/plan.ts";
import { loadNative } from "../../src/runtime/cuda/native.ts";
import { openNvrtc } from "../../src/runtime/cuda/nvrtc.ts";
import type { Toolchain } from "../../src/runtime/cuda/toolchain.ts";

/** What ptxas says of a kernel. */
export interface Assembled {
  readonly kernel: string;
  readonly registers: number;
  readonly stack: number;
  readonly spills: number;
}

/** The command, if there is one: what NVCC names and no other, where it is set. */
export function findNvcc(): string | undefined {
  const commands = process.env.NVCC === undefined ? ["nvcc", "/usr/local/cuda/bin/nvcc"] : [process.env.NVCC];
  for (const command of commands) {
    if (spawnSync(command, ["--version"], { stdio: "ignore" }).status === 0) return command;
  }
  return undefined;
}

/** What scripts/nvrtc.sh unpacks. */
const UNPACKED = join(import.meta.dirname, ".nvrtc/libnvrtc.so.11.2");

/** NVRTC, of whatever version: what RMXC_NVRTC names, Debian's if it was fetched, else a toolkit's or a Python wheel's. */
export async function findNvrtc(): Promise<Toolchain | undefined> {
  const native = await loadNative();
  const named = process.env.RMXC_NVRTC;
  if (named === undefined && existsSync(UNPACKED)) process.env.RMXC_NVRTC = UNPACKED;
  try {
    const found = openNvrtc(native, Number.MAX_SAFE_INTEGER);
    return "toolchain" in found ? found.toolchain : undefined;
  } finally {
    if (named === undefined) delete process.env.RMXC_NVRTC;
  }
}

/** Compiles the kernels in one go; gives what the compiler said, if anything. It tells no registers. */
export async function complaints(
  nvrtc: Toolchain,
  arch: string,
  kernels: readonly KernelText[],
): Promise<string> {
  const { ok, log } = await nvrtc.compile("model", together(kernels), arch);
  return ok ? log : `refused: ${log}`;
}

/** Kernels as one text: their helpers have the same names, so each stands in a namespace. */
function together(kernels: readonly KernelText[]): string {
  return kernels.map(({ text }, i) => `namespace kernel_${i} {\n${text}}\n`).join("");
}

/** Compiles the kernels in one run. */
export function assemble(nvcc: string, arch: string, kernels: readonly KernelText[]): readonly Assembled[] {
  const folder = mkdtempSync(join(tmpdir(), "rmxc-nvcc-"));
  try {
    writeFileSync(join(folder, "model.cu"), together(kernels));
    const args = [
      `-arch=${arch}`,
      "-Werror",
      "all-warnings",
      "-Xptxas",
      "-v",
      "-cubin",
      "-o",
      "model.cubin",
      "model.cu",
    ];
    const ran = spawnSync(nvcc, args, { cwd: folder, encoding: "utf8" });
    if (ran.status !== 0) throw new Error(ran.stderr || `nvcc ended with ${ran.status}`);
    // What the assembler finds slow is no warning of its own kind: products that it runs one by one, registers it cannot set aside.
    const slow = /^.*(?:\bC75\d\d\b|Potential Performance Loss|setmaxnreg).*$/m.exec(ran.stderr + ran.stdout);
    if (slow !== null) throw new Error(slow[0]);
    return parsed(ran.stderr + ran.stdout);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const KERNEL =
  /Function properties for (\w+)\s+(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads\s+ptxas info\s+: Used (\d+) registers/g;

function parsed(said: string): Assembled[] {
  return [...said.matchAll(KERNEL)].map(([, kernel = "", stack, stores, loads, registers]) => ({
    kernel,
    registers: Number(registers),
    stack: Number(stack),
    spills: Number(stores) + Number(loads),
  }));
}

/** The version, for messages: "13.0". */
export function nvccVersion(nvcc: string): string {
  return /release (\d+\.\d+)/.exec(execFileSync(nvcc, ["--version"], { encoding: "utf8" }))?.[1] ?? "unknown";
}
