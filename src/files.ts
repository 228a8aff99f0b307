/**
 * @file Files and folders that appear whole or not at all: everything is written under a temporary name beside its place
 * and renamed into it.
 */
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { InputError } from "./ir/error.ts";

/** Replaces or creates one file. */
export function writeFileAtomic(path: string, content: string | Uint8Array): void {
  const temporary = `${path}.${process.pid}.tmp`;
  writing(path, () => {
    try {
      writeFileSync(temporary, content);
      renameSync(temporary, path);
    } finally {
      rmSync(temporary, { force: true });
    }
  });
}

/** The same for a file that is too large to be held: `chunks` one after another. */
export function writeChunksAtomic(path: string, chunks: Iterable<Uint8Array>): void {
  const temporary = `${path}.${process.pid}.tmp`;
  writing(path, () => {
    try {
      const file = openSync(temporary, "w");
      try {
        for (const chunk of chunks) writeFileSync(file, chunk);
      } finally {
        closeSync(file);
      }
      renameSync(temporary, path);
    } finally {
      rmSync(temporary, { force: true });
    }
  });
}

/**
 * Replaces or creates the folder `path` with exactly these files (names may hold `/`). An existing folder is replaced
 * only if `ours` says that it is one of ours: a mistyped `-o` must not cost anyone their files.
 */
export function writeFolderAtomic(
  path: string,
  files: ReadonlyMap<string, string>,
  ours: (path: string) => boolean,
): void {
  const place = resolve(path);
  writing(path, () => {
    if (existsSync(place) && !statSync(place).isDirectory()) {
      throw new InputError("RMX0510", `${JSON.stringify(path)} is a file, not a folder`);
    }
    if (existsSync(place) && !ours(place)) {
      throw new InputError("RMX0510", `${JSON.stringify(path)} holds other files, which would be lost`, {
        help: "name a new folder, an empty one or one that rmxc wrote",
      });
    }
    mkdirSync(dirname(place), { recursive: true });
    const temporary = join(dirname(place), `.${basename(place)}.${process.pid}.tmp`);
    try {
      mkdirSync(temporary);
      for (const [name, text] of files) {
        const file = join(temporary, name);
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, text);
      }
      replaceFolder(temporary, place);
    } finally {
      rmSync(temporary, { recursive: true, force: true });
    }
  });
}

/** A folder cannot be renamed over one that holds files: the old one steps aside first. */
function replaceFolder(from: string, to: string): void {
  if (!existsSync(to)) {
    renameSync(from, to);
    return;
  }
  const aside = `${from}-old`;
  renameSync(to, aside);
  try {
    renameSync(from, to);
  } catch (error) {
    renameSync(aside, to);
    throw error;
  }
  rmSync(aside, { recursive: true, force: true });
}

function writing(path: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (error instanceof InputError) throw error;
    const reason = error instanceof Error && "code" in error ? String(error.code) : String(error);
    throw new InputError("RMX0510", `${JSON.stringify(path)} cannot be written`, {
      notes: [reasonText(reason)],
    });
  }
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: "permission is denied",
  EPERM: "the operation is not permitted",
  EROFS: "the file system is read-only",
  ENOSPC: "no space is left",
  ENOENT: "its folder does not exist",
  ENOTDIR: "a part of the path is a file, not a folder",
  EISDIR: "it is a folder",
};

function reasonText(code: string): string {
  return reasons[code] ?? code;
}
