/** @file TypeScript for a process of its own: bundled to a file beside it, which goes when this process ends. */
import { rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { build } from "esbuild";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** The bundle's path. Packages stay outside and are found from the folder of `entry`. */
export async function bundleBeside(entry: string): Promise<string> {
  const outfile = join(dirname(entry), `.${basename(entry, ".ts")}.${process.pid}.mjs`);
  process.on("exit", () => rmSync(outfile, { force: true }));
  // A signal ends a process without its exit handlers.
  for (const signal of SIGNALS) process.once(signal, () => process.exit(1));
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    packages: "external",
    logLevel: "warning",
  });
  return outfile;
}
