/**
 * @file Progress bars on stderr, drawn for a person at a terminal and for no one else. Short work shows none: a bar
 * appears once the work has lasted a moment.
 */
import type { SingleBar } from "cli-progress";
import type { Output } from "./output.ts";

/** Called with how much is done of how much. */
export type ProgressReport = (done: number, total: number) => void;

const MOMENT_MS = 300;

/** Runs `work` with a bar named `label`; the bar is gone when it ends, whichever way. */
export async function withProgress<T>(
  out: Output,
  label: string,
  work: (report: ProgressReport) => Promise<T>,
): Promise<T> {
  if (!out.terminal) return work(() => {});
  const { SingleBar, Presets } = await import("cli-progress");
  const started = Date.now();
  let bar: SingleBar | undefined;
  const report: ProgressReport = (done, total) => {
    if (bar === undefined && Date.now() - started >= MOMENT_MS && done < total) {
      bar = new SingleBar(
        { format: `${label} {bar} {percentage} %`, clearOnComplete: true, hideCursor: true },
        Presets.shades_classic,
      );
      bar.start(total, done);
    }
    bar?.update(done);
  };
  try {
    return await work(report);
  } finally {
    bar?.stop();
  }
}
