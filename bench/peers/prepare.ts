/** @file What the comparison needs on disk: the peers' packages, and each workload as an ONNX file. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { writeSafetensors } from "../../src/runtime/safetensors.ts";
import { countOf } from "../../src/runtime/weights.ts";
import { draw } from "./job.ts";
import type { Workload } from "./workloads.ts";

/** Installs the peers as their lock file says, unless they are there. */
export function installPeers(folder: string, say: (line: string) => void): void {
  const stamp = join(folder, "node_modules/.package-lock.json");
  if (existsSync(stamp) && installed(folder)) return;
  say("installing the peers (about 500 MB) into bench/peers/node_modules");
  const ran = spawnSync("npm", ["ci", "--no-audit", "--no-fund"], { cwd: folder, encoding: "utf8" });
  if (ran.status !== 0) throw new Error(`the peers could not be installed: ${ran.stderr}`);
}

/** Every package of the lock file is there in its version; optional ones of other platforms are not looked for. */
function installed(folder: string): boolean {
  const { dependencies } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as {
    readonly dependencies: Readonly<Record<string, string>>;
  };
  return Object.entries(dependencies).every(([name, version]) => {
    const file = join(folder, "node_modules", name, "package.json");
    return (
      existsSync(file) && (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version === version
    );
  });
}

/** Writes `NAME.onnx` into `folder` with the very weights that the others draw; throws what `rmxc export` says. */
export function exportWorkload(workload: Workload, folder: string): string {
  const name = workload.name.replaceAll(" ", "_");
  const [weights, onnx] = [join(folder, `${name}.safetensors`), join(folder, `${name}.onnx`)];
  const drawn = draw({ ...workload, onnx });
  const tensors = drawn.graph.params.map(({ path, shape }) => {
    return [path, { shape, data: drawn.weights.read(path, 0, countOf(shape)) }] as const;
  });
  writeSafetensors(weights, new Map(tensors));
  const sets = Object.entries(workload.set).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
  const args = [
    "dist/cli.js",
    "export",
    workload.spec,
    ...sets,
    "--no-reuse",
    "--weights",
    weights,
    "-o",
    onnx,
  ];
  const ran = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (ran.status !== 0) throw new Error(`rmxc export: ${ran.stderr.trim().split("\n")[0]}`);
  return onnx;
}
