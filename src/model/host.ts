/**
 * @file What elaboration asks of the machine. Everything else in `src/model` is pure, so a browser or a test gives a host of
 * its own.
 */
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export interface Host {
  /** The text of a file, or undefined where there is none. */
  readFile(path: string): string | undefined;
  /** The path with every symbolic link resolved, or undefined where there is no such file. */
  realpath(path: string): string | undefined;
  /** The project's folder: a `use` may not leave it. */
  readonly root: string;
  /** The text of `std.NAME`; without it the package's own folder is read. */
  readStandard?(name: string): string | undefined;
}

export function nodeHost(entry: string): Host {
  return {
    readFile: (path) => quietly(() => readFileSync(path, "utf8")),
    realpath: (path) => quietly(() => realpathSync(path)),
    root: projectRoot(entry),
  };
}

/** The nearest folder above `entry` that holds `package.json` or `.git`, else the entry's own. */
export function projectRoot(entry: string): string {
  const start = dirname(resolve(entry));
  for (let folder = start; ; folder = dirname(folder)) {
    if (existsSync(join(folder, "package.json")) || existsSync(join(folder, ".git"))) return folder;
    if (dirname(folder) === folder) return start;
  }
}

/** Where the library lies, seen from this module: beside it in the source tree, under `src/` seen from a bundle in `dist/`. */
const STANDARD_FOLDERS = ["../std/", "../src/std/", "./std/", "../../src/std/"];

export function readStandard(name: string): string | undefined {
  for (const folder of STANDARD_FOLDERS) {
    const path = fileURLToPath(new URL(`${folder}${name}.rmx`, import.meta.url));
    const text = quietly(() => readFileSync(path, "utf8"));
    if (text !== undefined) return text;
  }
  return undefined;
}

/** The text behind a display name (see `SourceFile`): `std/NAME.rmx` or a path. */
export function readSource(name: string): string | undefined {
  const module = /^std\/(.+)\.rmx$/.exec(name)?.[1];
  return module === undefined ? quietly(() => readFileSync(name, "utf8")) : readStandard(module);
}

function quietly<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
