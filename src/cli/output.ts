/**
 * @file Where the command line speaks: results on stdout, talk on stderr, and what a process ends with. A reader that
 * closes the pipe early (`rmxc params model.rmx | head`) is no error.
 */

/** 0 fine, 1 the input is wrong, 2 the usage is wrong, 3 the device failed or verification differed, 70 a bug of ours. */
export type ExitCode = 0 | 1 | 2 | 3 | 70;

export interface Output {
  /** A result: stdout. A line end is added where there is none. */
  print(text: string): void;
  /** A machine-readable result: one JSON document on stdout. */
  json(value: unknown): void;
  /** Talk: stderr. */
  say(text: string): void;
  /** Whether stderr shows colours. */
  readonly color: boolean;
  /** Whether a person watches stderr: progress bars are drawn for them only. */
  readonly terminal: boolean;
}

export function processOutput(): Output {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE") process.exit(process.exitCode ?? 0);
      throw error;
    });
  }
  const terminal = process.stderr.isTTY === true;
  return {
    print: (text) => void process.stdout.write(ended(text)),
    json: (value) => void process.stdout.write(`${JSON.stringify(value, finite, 2)}\n`),
    say: (text) => void process.stderr.write(ended(text)),
    color: colors(terminal),
    terminal,
  };
}

/** The customs of https://no-color.org and of FORCE_COLOR. */
function colors(terminal: boolean): boolean {
  if (process.env.NO_COLOR) return false;
  if (process.env.FORCE_COLOR) return process.env.FORCE_COLOR !== "0";
  return terminal && process.env.TERM !== "dumb";
}

function ended(text: string): string {
  return text === "" || text.endsWith("\n") ? text : `${text}\n`;
}

/** JSON has no infinity or NaN, and `null` would hide which it was. */
export function finite(_key: string, value: unknown): unknown {
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
}

/** Ends the process once stdout is written out, whatever handles a device library still holds open. */
export function finish(code: ExitCode): void {
  process.exitCode = code;
  process.stdout.write("", () => process.stderr.write("", () => process.exit(code)));
}
