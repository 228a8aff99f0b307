/** @file What compiles kernels: NVRTC in this process, or `nvcc` beside it. */

/** Text that includes nothing needs nothing else. Line numbers are for sanitizers and profilers. */
export const OPTIONS: readonly string[] = ["--std=c++17", "-lineinfo"];

export type Compiled =
  /** `log`: warnings. */
  | { readonly ok: true; readonly image: Uint8Array; readonly log: string }
  | { readonly ok: false; readonly log: string };

export interface Toolchain {
  readonly name: "NVRTC" | "nvcc";
  readonly version: string;
  readonly path: string;
  /** Compiles the text for `arch`, such as `sm_90a`, or to PTX for the newest architecture that it knows below that. */
  compile(name: string, text: string, arch: string): Promise<Compiled>;
}

/**
 * What to ask for: `arch` where the compiler knows it; without its `a` where only that is unknown, which is for text that does not
 * need it; PTX otherwise, which the driver translates. `architectures`: 80 for sm_80, …
 */
export function targetFor(arch: string, architectures: readonly number[], version: string): string {
  const [, digits = "", suffix = ""] = /^sm_(\d+)([a-z]?)$/.exec(arch) ?? [];
  const wanted = Number(digits);
  const major = Number(version.split(".")[0]);
  if (architectures.includes(wanted)) return suffix === "" || major >= 12 ? arch : `sm_${wanted}`;
  const older = architectures.filter((known) => known < wanted);
  return older.length === 0 ? arch : `compute_${Math.max(...older)}`;
}
