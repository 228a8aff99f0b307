/**
 * @file Runs a TypeScript file with Node 20, which cannot: bundles it with esbuild to a file under `dist/` (so that paths
 * relative to the package still hold), imports that, and removes it.
 *
 *     node scripts/run-ts.mjs bench/compile.ts --json
 */
import { mkdirSync, rmSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";

const [entry, ...rest] = process.argv.slice(2);
if (entry === undefined) {
  console.error("usage: node scripts/run-ts.mjs FILE.ts [arguments]");
  process.exit(2);
}
const folder = resolve(import.meta.dirname, "../dist");
mkdirSync(folder, { recursive: true });
const outfile = join(folder, `.${basename(entry, ".ts")}.${process.pid}.mjs`);
process.on("exit", () => rmSync(outfile, { force: true }));
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
process.argv = [process.argv[0], resolve(entry), ...rest];
await import(pathToFileURL(outfile).href);
