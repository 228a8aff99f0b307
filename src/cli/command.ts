/**
 * @file The form of a command. A command file holds its words and options; what it needs to do its work is imported
 * inside `run`, so that `rmxc --help` and `rmxc check` never load a device library.
 */
import type { InferredOptionTypes, Options } from "yargs";
import type { ExitCode, Output } from "./output.ts";

type OptionTable = Readonly<Record<string, Options>>;

export interface Command<P extends OptionTable = OptionTable, O extends OptionTable = OptionTable> {
  /** `run <spec>`: the name, then the positional arguments. */
  readonly usage: string;
  /** One line of `rmxc --help`. */
  readonly summary: string;
  readonly positionals: P;
  readonly options: O;
  readonly examples: readonly (readonly [command: string, what: string])[];
  /** Text under the options of `rmxc NAME --help`. */
  epilogue?(): Promise<string>;
  run(args: InferredOptionTypes<P> & InferredOptionTypes<O>, out: Output): Promise<ExitCode>;
}

/** A command whose argument types are known only to itself; the parser has checked them by its tables. */
export interface AnyCommand extends Omit<Command, "run"> {
  run(args: Readonly<Record<string, unknown>>, out: Output): Promise<ExitCode>;
}

export function defineCommand<P extends OptionTable, O extends OptionTable>(
  command: Command<P, O>,
): AnyCommand {
  return {
    ...command,
    run: (args, out) => command.run(args as unknown as InferredOptionTypes<P> & InferredOptionTypes<O>, out),
  };
}

export function commandName(command: AnyCommand): string {
  return command.usage.split(" ")[0] ?? command.usage;
}

/** The command was called wrongly; exit 2. */
export class UsageError extends Error {
  readonly hint: string | undefined;
  constructor(message: string, hint?: string) {
    super(message);
    this.name = "UsageError";
    this.hint = hint;
  }
}
