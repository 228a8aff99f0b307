/**
 * @file Setup of the tests that start the built command line: builds `dist/` once, unless it is newer than every source.
 * A build that fails is shown; the tests that need it then say so themselves.
 */
import { spawnSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "../..");
const sources = ["src", "grammar", "passes", "backends", "scripts/build.mjs", "package.json"];
export default function setup(): void {
  if (newest(sources.map((name) => join(root, name))) < modified(join(root, "dist/cli.js"))) return;
  spawnSync(process.execPath, [join(root, "scripts/build.mjs")], {
    cwd: root,
    stdio: ["ignore", "ignore", "inherit"],
  });
}

function newest(paths: readonly string[]): number {
  return Math.max(
    ...paths.map((path) =>
      isFolder(path) ? newest(readdirSync(path).map((name) => join(path, name))) : modified(path),
    ),
  );
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function modified(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
