/** @file `rmxc doctor`: what this machine can run a model on, and how to get better. */
import { createRequire } from "node:module";
import { InputError } from "../../ir/error.ts";
import type { Profile } from "../../ir/profile.ts";
import type { CudaReport } from "../../runtime/cuda/diagnose.ts";
import { defineCommand } from "../command.ts";
import { jsonOption } from "../options.ts";
import { bytes, table } from "../text.ts";
import { packageVersion } from "../version.ts";

interface Adapter {
  readonly name: string;
  readonly description: string;
  readonly profile: Profile;
}

export const doctorCommand = defineCommand({
  usage: "doctor",
  summary: "say what this machine can run a model on, and how to get better",
  positionals: {},
  options: { ...jsonOption },
  examples: [["rmxc doctor --json", "with the device's profile, which compile --profile FILE takes"]],
  async run(args, out) {
    const bindings = bindingsVersion();
    const { diagnoseCuda } = await import("../../runtime/cuda/diagnose.ts");
    const cuda = await diagnoseCuda();
    const { adapters, failure } = await findAdapters();
    if (args.json) {
      out.json({
        rmxc: packageVersion(),
        node: process.version,
        platform: `${process.platform} ${process.arch}`,
        webgpu: bindings ?? null,
        cuda: { ...cuda, problem: cuda.problem && failureJson(cuda.problem) },
        adapters,
        ...(failure !== undefined && { failure: failureJson(failure) }),
      });
      return 0;
    }
    out.print(
      table(
        ["rmxc", packageVersion()],
        [
          ["node", process.version],
          ["platform", `${process.platform} ${process.arch}`],
          ["webgpu", bindings ?? "not installed"],
          ...cudaRows(cuda),
        ],
        ["left", "left"],
      ),
    );
    for (const line of cudaMissing(cuda)) out.print(line);
    for (const adapter of adapters) out.print(`\n${describe(adapter)}`);
    if (failure !== undefined) {
      out.print(`\nno WebGPU device: ${failure.message}`);
      for (const note of failure.notes) out.print(`  ${note}`);
      if (cuda.problem !== undefined || cuda.compilers.length === 0)
        out.print("models run on the `reference` device: the right answers, slowly");
      if (failure.help !== undefined) out.print(`to get better: ${failure.help}`);
    }
    return 0;
  },
});

function failureJson({ code, message, notes, help }: InputError) {
  return { code, message, notes, help };
}

function cudaRows({ driver, devices, compilers }: CudaReport): string[][] {
  return [
    ["CUDA driver", driver === undefined ? "none" : `serves CUDA ${driver.version}, ${driver.path}`],
    ...devices.map(({ name, arch, bytes: memory, multiprocessors }) => [
      "CUDA device",
      `${name}, ${arch}, ${bytes(memory)}, ${multiprocessors} multiprocessors`,
    ]),
    ...(compilers.length === 0 ? [["CUDA compiler", "none"]] : []),
    ...compilers.map(({ name, version, path }) => ["CUDA compiler", `${name} ${version}, ${path}`]),
  ];
}

/** What keeps an NVIDIA GPU from being used; where there is no driver, that there is no GPU is the likelier reason. */
function cudaMissing({ driver, compilers, notFound, problem }: CudaReport): string[] {
  const lines: string[] = [];
  if (problem !== undefined) {
    lines.push(`\nno CUDA device: ${problem.message}`, ...problem.notes.map((note) => `  ${note}`));
    if (problem.help !== undefined) lines.push(`to get better: ${problem.help}`);
  }
  if (driver !== undefined && compilers.length === 0) {
    lines.push("\nno CUDA compiler:", ...notFound.map((note) => `  ${note}`));
    lines.push("to get better: `pip install nvidia-cuda-nvrtc-cu12`, or install a CUDA toolkit");
  }
  return lines;
}

/** The version of the optional package that holds Dawn. */
function bindingsVersion(): string | undefined {
  try {
    const found: unknown = createRequire(import.meta.url)("webgpu/package.json");
    if (typeof found === "object" && found !== null && "version" in found) return String(found.version);
  } catch {
    // Not installed, which is what was asked.
  }
  return undefined;
}

/** The adapters behind both power preferences, which are one on most machines. */
async function findAdapters(): Promise<{ adapters: Adapter[]; failure?: InputError }> {
  const { openDevice } = await import("../../runtime/device.ts");
  const adapters: Adapter[] = [];
  try {
    for (const power of ["high-performance", "low-power"] as const) {
      const device = await openDevice("webgpu", { power, quiet: true });
      const { name, description, profile } = device;
      if (!adapters.some((known) => known.description === description))
        adapters.push({ name, description, profile });
      device.destroy();
    }
    return { adapters };
  } catch (error) {
    if (error instanceof InputError) return { adapters, failure: error };
    throw error;
  }
}

function describe({ name, description, profile }: Adapter): string {
  const { limits, subgroup, features } = profile;
  const rows = [
    ...Object.entries(limits).map(([limit, value]) => [limit, value.toLocaleString("en-US")]),
    [
      "subgroup",
      subgroup === undefined
        ? "none"
        : subgroup.min === subgroup.max
          ? `${subgroup.min}`
          : `${subgroup.min} to ${subgroup.max}`,
    ],
    ...Object.entries(features).map(([feature, present]) => [feature, present ? "yes" : "no"]),
  ];
  return `${name}\n${description}\n${table(["limit or feature", "value"], rows, ["left", "right"])}`;
}
