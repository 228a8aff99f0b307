/** @file Builds the fake driver and its compiler, and points the runtime at them. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, copyFileSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";

const here = import.meta.dirname;
const cuda = join(here, "../cuda");
const COMMON = ["-std=c++17", "-O1", "-fPIC"];
/** As fakenvcc.ts has them: a precompiled header serves the same flags alone. */
const KERNELS = [...COMMON, "-fno-strict-aliasing", "-ffp-contract=off", "-w"];

/** Made once for every state of their sources. */
async function folder(): Promise<string> {
  const sources = [
    join(here, "fakecuda.cpp"),
    join(here, "fakemodule.cpp"),
    join(here, "fakenvcc.ts"),
    join(here, "fakenvrtc.cpp"),
    join(cuda, "hopper.cpp"),
    join(cuda, "hopper.hpp"),
    join(cuda, "hosttext.ts"),
    join(cuda, "prelude.hpp"),
    join(cuda, "ptx.cpp"),
    join(cuda, "scheduler.cpp"),
  ];
  const texts = sources.map((path) => readFileSync(path, "utf8"));
  const key = createHash("sha256")
    .update(JSON.stringify([KERNELS, texts]))
    .digest("hex")
    .slice(0, 16);
  const made = join(tmpdir(), `rmxc-fake-cuda-${key}`);
  if (existsSync(made)) return made;
  const making = mkdtempSync(join(tmpdir(), "rmxc-fake-making-"));
  const gpp = (...args: string[]): void => {
    execFileSync("g++", args, { cwd: making, stdio: ["ignore", "ignore", "pipe"], encoding: "utf8" });
  };
  for (const name of ["prelude.hpp", "hopper.hpp", "scheduler.cpp"])
    copyFileSync(join(cuda, name), join(making, name));
  gpp(...COMMON, "-Wall", "-shared", join(here, "fakecuda.cpp"), "-ldl", "-o", "libcuda.so.1");
  gpp(...COMMON, "-Wall", "-shared", join(here, "fakenvrtc.cpp"), "-o", "libnvrtc.so.12");
  gpp(...KERNELS, "-c", "prelude.hpp", "-o", "prelude.hpp.gch");
  gpp(...KERNELS, "-I", making, "-c", join(here, "fakemodule.cpp"), "-o", "fakemodule.o");
  gpp(...KERNELS, "-I", making, "-c", join(cuda, "ptx.cpp"), "-o", "ptx.o");
  gpp(...KERNELS, "-I", making, "-c", join(cuda, "hopper.cpp"), "-o", "hopper.o");
  await build({
    entryPoints: [join(here, "fakenvcc.ts")],
    outfile: join(making, "nvcc.mjs"),
    bundle: true,
    format: "esm",
    platform: "node",
    banner: { js: "#!/usr/bin/env node" },
    logLevel: "error",
  });
  chmodSync(join(making, "nvcc.mjs"), 0o755);
  try {
    renameSync(making, made);
  } catch (error) {
    // Another test was faster.
    rmSync(making, { recursive: true, force: true });
    if (!existsSync(made)) throw error;
  }
  return made;
}

export interface Fake {
  /** For a child process. */
  readonly env: Readonly<Record<string, string>>;
  readonly library: string;
  /** A compiler as a library, for `RMXC_NVRTC`; the environment names none. */
  readonly nvrtc: string;
  readonly cache: string;
}

/**
 * The environment that makes the runtime find the fake and nothing else. What is compiled is kept from run to run unless
 * `fresh` asks for a cache of one's own, which the caller removes.
 */
export async function fakeCuda({ fresh = false } = {}): Promise<Fake> {
  const made = await folder();
  const cache = fresh ? mkdtempSync(join(tmpdir(), "rmxc-fake-cache-")) : join(made, "cache");
  const library = join(made, "libcuda.so.1");
  return {
    library,
    nvrtc: join(made, "libnvrtc.so.12"),
    cache,
    env: {
      RMXC_LIBCUDA: library,
      RMXC_NVRTC: join(made, "no-nvrtc"),
      RMXC_NVCC: join(made, "nvcc.mjs"),
      FAKE_NVCC_SUPPORT: made,
      FAKE_NVRTC_NVCC: join(made, "nvcc.mjs"),
      RMXC_CACHE: cache,
    },
  };
}

/** Points this process at the fake. What it gives undoes that: the files that a worker runs share its environment. */
export function pointAt({ env }: Pick<Fake, "env">): () => void {
  const before = Object.keys(env).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, env);
  return () => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  };
}
