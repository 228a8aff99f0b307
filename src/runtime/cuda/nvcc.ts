/** @file `nvcc` as a compiler, where no NVRTC is to be found: a child process and two files a kernel. */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nvccCandidates } from "./libraries.ts";
import { type Compiled, OPTIONS, type Toolchain, targetFor } from "./toolchain.ts";

export function openNvcc(): { readonly toolchain: Toolchain } | { readonly failures: readonly string[] } {
  const failures: string[] = [];
  for (const path of nvccCandidates()) {
    const { stdout, error, status } = spawnSync(path, ["--version"], { encoding: "utf8" });
    const version = /release [\d.]+, V([\d.]+)/.exec(stdout ?? "")?.[1];
    if (version !== undefined) return { toolchain: toolchainOf(path, version) };
    failures.push(`${path}: ${error?.message ?? `it says no version (exit status ${status})`}`);
  }
  return { failures };
}

function toolchainOf(path: string, version: string): Toolchain {
  let known: readonly number[] | undefined;
  return {
    name: "nvcc",
    version,
    path,
    async compile(name, text, arch): Promise<Compiled> {
      known ??= architectures(path);
      const target = targetFor(arch, known, version);
      const folder = mkdtempSync(join(tmpdir(), "rmxc-nvcc-"));
      try {
        const source = join(folder, `${name}.cu`);
        const image = join(folder, "image");
        writeFileSync(source, text);
        const form = target.startsWith("sm_") ? "-cubin" : "-ptx";
        const { status, log } = await run(path, [form, `-arch=${target}`, ...OPTIONS, "-o", image, source]);
        if (status !== 0) return { ok: false, log: log.replaceAll(`${folder}/`, "") };
        // PTX ends with a zero, machine code knows its size.
        return { ok: true, image: Buffer.concat([readFileSync(image), new Uint8Array(1)]), log };
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
  };
}

function architectures(path: string): number[] {
  const { stdout } = spawnSync(path, ["--list-gpu-code"], { encoding: "utf8" });
  return [...(stdout ?? "").matchAll(/sm_(\d+)\b/g)].map(([, digits]) => Number(digits));
}

function run(path: string, args: readonly string[]): Promise<{ status: number | null; log: string }> {
  return new Promise((resolve) => {
    const child = spawn(path, args, { stdio: ["ignore", "pipe", "pipe"] });
    let log = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (text: string) => {
        log += text;
      });
    }
    child.on("error", (error) => resolve({ status: null, log: error.message }));
    child.on("close", (status) => resolve({ status, log: log.trim() }));
  });
}
