/** @file Runs the built command line as a user does: its own process, its own streams. */
import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { onTestFinished } from "vitest";

export const root = resolve(import.meta.dirname, "../..");
const script = join(root, "dist/cli.js");

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** No command of these tests takes longer; a hang fails. */
  readonly timeoutMs?: number;
}

/** stderr is a file: Node gives a child a socket for a pipe, which is no stream that a shell would give. */
export function rmxc(args: readonly string[], options: RunOptions = {}): Ran {
  const talk = join(mkdtempSync(join(tmpdir(), "rmxc-talk-")), "stderr");
  const fd = openSync(talk, "w");
  try {
    const { status, stdout } = spawnSync(process.execPath, [script, ...args], {
      cwd: options.cwd ?? root,
      env: { ...process.env, NO_COLOR: "1", ...options.env },
      stdio: ["ignore", "pipe", fd],
      encoding: "utf8",
      timeout: options.timeoutMs ?? 60_000,
      maxBuffer: 64 * 1024 * 1024,
    });
    return { status, stdout, stderr: readFileSync(talk, "utf8") };
  } finally {
    closeSync(fd);
    rmSync(dirname(talk), { recursive: true, force: true });
  }
}

/** The codes that stderr shows, in order. */
export function codesIn({ stderr }: Ran): string[] {
  return [...stderr.matchAll(/^error\[(RMX\d{4})\]/gm)].map((match) => match[1] ?? "");
}

/** A folder of its own, gone after the test, holding these files. */
export function folder(files: Readonly<Record<string, string | Uint8Array>> = {}): string {
  const path = mkdtempSync(join(tmpdir(), "rmxc-test-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), content);
  }
  return path;
}
