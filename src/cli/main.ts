#!/usr/bin/env node
/**
 * @file The `rmxc` command: reads the arguments, runs one command, turns what it throws into words and an exit code.
 *
 * yargs parses; it never runs anything. The command that it chooses runs afterwards, so that a failure of the work
 * and a failure to understand the arguments cannot be taken for one another.
 */
import yargs, { type Argv } from "yargs";
import { type AnyCommand, commandName, UsageError } from "./command.ts";
import { benchCommand } from "./commands/bench.ts";
import { cacheCommand } from "./commands/cache.ts";
import { checkCommand } from "./commands/check.ts";
import { compileCommand } from "./commands/compile.ts";
import { costCommand } from "./commands/cost.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { explainCommand } from "./commands/explain.ts";
import { exportCommand } from "./commands/export.ts";
import { fmtCommand } from "./commands/fmt.ts";
import { graphCommand } from "./commands/graph.ts";
import { paramsCommand } from "./commands/params.ts";
import { quantizeCommand } from "./commands/quantize.ts";
import { runCommand } from "./commands/run.ts";
import { tuneCommand } from "./commands/tune.ts";
import { type ExitCode, finish, type Output, processOutput } from "./output.ts";
import { reportFailure } from "./report.ts";
import { packageVersion } from "./version.ts";

const commands: readonly AnyCommand[] = [
  checkCommand,
  compileCommand,
  runCommand,
  benchCommand,
  tuneCommand,
  cacheCommand,
  paramsCommand,
  graphCommand,
  exportCommand,
  costCommand,
  quantizeCommand,
  fmtCommand,
  explainCommand,
  doctorCommand,
];

/** Runs the command line `argv` (without node and the script). */
export async function main(argv: readonly string[], out: Output): Promise<ExitCode> {
  const json = argv.includes("--json");
  try {
    const chosen = await parseArguments(argv);
    return chosen === undefined ? 0 : await chosen.command.run(chosen.args, out);
  } catch (error) {
    return reportFailure(error, out, json);
  }
}

interface Chosen {
  readonly command: AnyCommand;
  readonly args: Readonly<Record<string, unknown>>;
}

/** Undefined: help or the version was asked for, and printed. */
async function parseArguments(argv: readonly string[]): Promise<Chosen | undefined> {
  const word = argv.find((argument) => !argument.startsWith("-"));
  const named = commands.find((command) => commandName(command) === word);
  if (word !== undefined && named === undefined) {
    throw new UsageError(
      `there is no command ${JSON.stringify(word)}`,
      await didYouMean(word, commands.map(commandName), "rmxc --help lists the commands"),
    );
  }
  let chosen: Chosen | undefined;
  const parser = yargs([...argv])
    .scriptName("rmxc")
    .usage("$0 <command>: from a declarative model (.rmx) to GPU kernels")
    .locale("en")
    .parserConfiguration({ "camel-case-expansion": false, "boolean-negation": false, "greedy-arrays": false })
    .version(packageVersion())
    .strict()
    .demandCommand(1, "which command?")
    .exitProcess(false)
    .showHelpOnFail(false)
    .fail(false)
    .wrap(Math.min(100, process.stdout.columns ?? 100));
  for (const command of commands) {
    parser.command(
      command.usage,
      command.summary,
      (y: Argv) => declare(y, command),
      (args) => {
        chosen = { command, args };
      },
    );
  }
  if (named?.epilogue !== undefined && (argv.includes("--help") || argv.includes("-h")))
    parser.epilogue(await named.epilogue());
  try {
    await parser.parseAsync();
  } catch (error) {
    throw await usageError(error instanceof Error ? error.message : String(error), argv, named);
  }
  if (chosen !== undefined) checkValues(chosen);
  return chosen;
}

function declare(y: Argv, command: AnyCommand): Argv {
  for (const [name, positional] of Object.entries(command.positionals)) {
    const { demandOption: _, requiresArg: __, ...rest } = positional;
    y.positional(name, rest as Parameters<Argv["positional"]>[1]);
  }
  y.options({ ...command.options });
  for (const [line, what] of command.examples) y.example(line, what);
  return y;
}

async function usageError(
  message: string,
  argv: readonly string[],
  command: AnyCommand | undefined,
): Promise<UsageError> {
  const help =
    command === undefined
      ? "rmxc --help lists the commands"
      : `rmxc ${commandName(command)} --help lists the options`;
  const choice = /Argument: ([^,]+), Given: (.+), Choices: (.+)$/m.exec(message);
  if (choice !== null) return new UsageError(`--${choice[1]} is one of ${choice[3]}, not ${choice[2]}`, help);
  const unknown = /^Unknown arguments?: ([^,]+)/.exec(message)?.[1];
  if (unknown === undefined || command === undefined) {
    return new UsageError(lowerFirst(message.split("\n")[0] ?? message), help);
  }
  const name = commandName(command);
  const asOption = argv.find((word) => word.startsWith("-") && word.replace(/^-+|=.*$/gs, "") === unknown);
  if (asOption === undefined)
    return new UsageError(`${name} takes no more arguments: ${JSON.stringify(unknown)}`, help);
  const hint = await didYouMean(unknown, Object.keys(command.options), help, "--");
  return new UsageError(`${name} has no option ${asOption.replace(/=.*/s, "")}`, hint);
}

async function didYouMean(
  word: string,
  known: readonly string[],
  otherwise: string,
  prefix = "",
): Promise<string> {
  const { closest } = await import("../../grammar/suggest.ts");
  const near = closest(word.replace(/^-+/, ""), [...known]);
  return near === undefined ? otherwise : `did you mean ${prefix}${near}?`;
}

/** What yargs accepts and we do not: an option given twice that is no list, a count that is no count. */
function checkValues({ command, args }: Chosen): void {
  for (const [name, option] of Object.entries(command.options)) {
    const value = args[name];
    if (Array.isArray(value) && option.array !== true) {
      throw new UsageError(`--${name} is given twice`);
    }
    if (
      option.type === "number" &&
      value !== undefined &&
      !(Number.isSafeInteger(value) && Number(value) >= 0)
    ) {
      throw new UsageError(`--${name} takes a whole number that is not negative`);
    }
  }
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

const out = processOutput();
finish(await main(process.argv.slice(2), out));
