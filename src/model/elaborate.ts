/**
 * @file From a file to a Graph. Reading and parsing come first; a tree with syntax errors or files that are missing goes no
 * further, so that what follows reports the author's mistakes and not their echoes.
 */
import type { ModelDecl } from "../../grammar/ast.ts";
import type { Diagnostic, Sources } from "../../grammar/diagnostics.ts";
import { closest } from "../../grammar/suggest.ts";
import { GraphBuilder } from "../ir/build.ts";
import type { Graph } from "../ir/graph.ts";
import { pruneGraph } from "../ir/prune.ts";
import { Context, Env } from "./context.ts";
import { Loader, type Program } from "./files.ts";
import { type Host, nodeHost } from "./host.ts";
import { LabelScope } from "./labels.ts";
import { defaultLimits, type Limits } from "./limits.ts";
import { checkNames } from "./namecheck.ts";
import { ParamTable } from "./params.ts";
import { applyPrecision } from "./precision.ts";
import { type PrecisionText, parsePrecision } from "./precisiontext.ts";
import { Failure, Reporter } from "./report.ts";
import { Scope } from "./scope.ts";
import { bindSettings } from "./settings.ts";
import { runBody } from "./statements.ts";

export interface ElaborateOptions {
  /** `--set NAME=VALUE`: the model's parameters as text. */
  readonly sets?: Readonly<Record<string, string>>;
  /** `--precision`: lines of a `precision` block that come after the model's own. */
  readonly precision?: string;
  /** Which model of the file; without it the last one. */
  readonly model?: string;
  /** The value of `training`. */
  readonly training?: boolean;
  readonly host?: Host;
  readonly limits?: Partial<Limits>;
}

export interface Elaborated {
  /** Present exactly if no diagnostic is an error. */
  readonly graph?: Graph;
  readonly diagnostics: readonly Diagnostic[];
  /** Every file that was read, by display name. */
  readonly sources: Sources;
}

/** Elaborates a model of the file `entry`. Never throws for what a user wrote. */
export function elaborate(entry: string, options: ElaborateOptions = {}): Elaborated {
  const reporter = new Reporter();
  const loader = new Loader(options.host ?? nodeHost(entry), reporter);
  const graph = quietly(() => {
    const program = readProgram(entry, loader, reporter);
    const model = program && chooseModel(program, options.model, reporter);
    if (!program || !model) return undefined;
    const precision = readPrecision(options.precision, loader, reporter);
    return elaborateModel(program, model, loader.sources, reporter, options, precision);
  });
  return {
    ...(graph && !reporter.failed && { graph }),
    diagnostics: reporter.diagnostics,
    sources: loader.sources,
  };
}

/** Checks a file that need not declare a model: syntax, `use`, names. */
export function checkLibrary(
  entry: string,
  host: Host = nodeHost(entry),
): Omit<Elaborated, "graph"> & { readonly models: readonly string[] } {
  const reporter = new Reporter();
  const loader = new Loader(host, reporter);
  const program = readProgram(entry, loader, reporter);
  const models = program?.entry.models.map((model) => model.name.name) ?? [];
  return { models, diagnostics: reporter.diagnostics, sources: loader.sources };
}

function readProgram(entry: string, loader: Loader, reporter: Reporter): Program | undefined {
  const program = loader.load(entry);
  if (!program || reporter.failed) return undefined;
  checkNames(program, reporter);
  return program;
}

function readPrecision(
  text: string | undefined,
  loader: Loader,
  reporter: Reporter,
): PrecisionText["blocks"] {
  if (text === undefined) return [];
  const { source, blocks, diagnostics } = parsePrecision(text);
  loader.sources.set(source.name, source);
  for (const diagnostic of diagnostics) reporter.add(diagnostic);
  return blocks;
}

function chooseModel(
  program: Program,
  wanted: string | undefined,
  reporter: Reporter,
): ModelDecl | undefined {
  const { models, tree, name } = program.entry;
  const chosen = wanted === undefined ? models.at(-1) : models.find((model) => model.name.name === wanted);
  if (chosen) return chosen;
  const names = models.map((model) => model.name.name);
  const near = wanted === undefined ? undefined : closest(wanted, names);
  reporter.add({
    code: "RMX0110",
    severity: "error",
    message: wanted === undefined ? `${name} declares no model` : `${name} declares no model \`${wanted}\``,
    span: { file: name, start: tree.span.start, end: tree.span.start },
    help: near
      ? `did you mean \`${near}\`?`
      : names.length > 0
        ? `it declares ${names.map((n) => `\`${n}\``).join(", ")}`
        : "a model is what is compiled: `model NAME() { … }`; `rmxc check` also takes files of blocks alone",
  });
  return undefined;
}

function elaborateModel(
  program: Program,
  model: ModelDecl,
  sources: Sources,
  reporter: Reporter,
  options: ElaborateOptions,
  precisionLines: PrecisionText["blocks"],
): Graph | undefined {
  const ctx = new Context({
    reporter,
    limits: { ...defaultLimits, ...options.limits },
    program,
    sources,
    builder: new GraphBuilder(),
    params: new ParamTable(),
    training: options.training ?? false,
  });
  const labels = LabelScope.root();
  const env = new Env({ ctx, scope: new Scope(), labels, file: program.entry, body: "model" });
  bindSettings(model, options.sets ?? {}, env);
  runBody(model.body, env);
  if (ctx.outputs.length === 0 && !reporter.failed) {
    reporter.error("RMX0114", model.name.span, `the model \`${model.name.name}\` has no task`, {
      help: "a task is an output per candidate: `task click = sigmoid(linear(x, 1))`",
    });
  }
  if (reporter.failed) return undefined;
  ctx.precision.push(...precisionLines);
  const precision = applyPrecision(env);
  if (reporter.failed) return undefined;
  return pruneGraph(
    ctx.builder.finish({
      name: model.name.name,
      outputs: ctx.outputs,
      precision,
      serve: ctx.serve,
      params: ctx.params.infos,
      features: ctx.features,
    }),
  );
}

/** Runs a step whose failures were reported; a stack that ends is a program too deeply nested. */
function quietly<T>(step: () => T): T | undefined {
  try {
    return step();
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
}
