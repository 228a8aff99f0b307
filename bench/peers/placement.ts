/** @file Where ONNX Runtime really ran the nodes of a graph: what its profile says. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const CPU = "CPUExecutionProvider";

interface ProfileEvent {
  readonly cat?: string;
  readonly name?: string;
  readonly args?: { readonly op_name?: string; readonly provider?: string };
}

/** Nodes that ran on the CPU, `Op name` each, once. `profiled` makes a run whose profile begins with the given path. */
export async function nodesOnCpu(profiled: (prefix: string) => Promise<void>): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), "rmxc-profile-"));
  try {
    await profiled(join(folder, "profile"));
    const files = readdirSync(folder).filter((name) => name.endsWith(".json"));
    return [...new Set(files.flatMap((name) => cpuNodes(readFileSync(join(folder, name), "utf8"))))];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export function cpuNodes(profile: string): string[] {
  const events = JSON.parse(profile) as readonly ProfileEvent[];
  return events.flatMap(({ cat, name = "", args }) =>
    cat === "Node" && args?.provider === CPU && name.endsWith("_kernel_time")
      ? [`${args.op_name} ${name.slice(0, -"_kernel_time".length)}`]
      : [],
  );
}
