/**
 * @file Silence for native code that writes to stderr past the process: Dawn prints two warnings about limits that nobody
 * asked for whenever it looks at a Vulkan adapter, and has no switch for it.
 */
import { closeSync, openSync } from "node:fs";

const STDERR = 2;

/**
 * Runs `look` with file descriptor 2 pointing to /dev/null. Linux only; elsewhere, and where stderr is a socket, which cannot
 * be opened again, `look` just runs. `look` must be synchronous: nothing else of this thread writes in the meantime. For a process that
 * owns its descriptors, a command line: another thread that opens a file at that moment could be given descriptor 2.
 */
export function withoutNativeStderr<T>(look: () => T): T {
  const kept = tryOpen(`/proc/self/fd/${STDERR}`, "a");
  if (kept === undefined) return look();
  try {
    // Descriptors are given out lowest first; `kept` above 2 means that 0 and 1 are taken, so 2 comes next.
    if (kept < STDERR) return look();
    closeSync(STDERR);
    openSync("/dev/null", "w");
    try {
      return look();
    } finally {
      closeSync(STDERR);
      openSync(`/proc/self/fd/${kept}`, "a");
    }
  } finally {
    closeSync(kept);
  }
}

function tryOpen(path: string, flags: string): number | undefined {
  if (process.platform !== "linux") return undefined;
  try {
    return openSync(path, flags);
  } catch {
    return undefined;
  }
}
