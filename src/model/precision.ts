/**
 * @file `precision { … }`: the compute type, the storage of parameters by pattern, and what is stored of load-stage values. Lines
 * apply in order, later ones win, those of `--precision` after all others.
 */
import type { PrecisionLine, StorageName, Str } from "../../grammar/ast.ts";
import type { Span } from "../../grammar/diagnostics.ts";
import type { Graph, Node, ParamInfo, Precision, Storage, StorageElement } from "../ir/graph.ts";
import { matchesPath } from "../ir/pathpattern.ts";
import { maxLevel } from "../ir/stage.ts";
import { needsScale } from "../ir/storage.ts";
import { ChannelFinder } from "./channels.ts";
import type { Env } from "./context.ts";
import { evaluateExtent } from "./evaluate.ts";
import { Failure } from "./report.ts";

type StoreLine = Extract<PrecisionLine, { kind: "store" }>;

export function applyPrecision(env: Env): Precision {
  const chosen: Chosen = { compute: "f32", parts: [], stored: new Map(), derived: new Map() };
  for (const line of env.ctx.precision.flatMap((block) => block.lines)) {
    try {
      applyLine(line, chosen, env);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
    }
  }
  return resolve(chosen, env);
}

/** What the lines say, before the products are asked for the channels. */
interface Chosen {
  compute: Graph["precision"]["compute"];
  readonly parts: Precision["parts"][number][];
  /** The last line for each parameter, by path. */
  readonly stored: Map<string, StoreLine>;
  /** The last line for each load-stage value, by path. */
  readonly derived: Map<string, StoreLine>;
}

function applyLine(line: PrecisionLine, chosen: Chosen, env: Env): void {
  const paths = env.ctx.params.infos.map((info) => info.path);
  if (line.kind === "compute") {
    if (!line.pattern) {
      chosen.compute = line.type;
      return;
    }
    matching(line.pattern, [...paths, ...nodesByPath(env, () => true).keys()], "part of the model", env);
    chosen.parts.push({ pattern: line.pattern.value, compute: line.type });
    return;
  }
  const found = line.derived
    ? matching(line.pattern, [...nodesByPath(env, isDerived).keys()], "value of the load stage", env)
    : matching(line.pattern, paths, "parameter", env);
  for (const path of found) (line.derived ? chosen.derived : chosen.stored).set(path, line);
}

function isDerived(node: Node): boolean {
  return maxLevel(node.stage) <= 1 && node.inputs.length > 0;
}

/** The last node of each path: the value that a statement binds. */
function nodesByPath({ ctx: { builder } }: Env, wanted: (node: Node) => boolean): Map<string, Node> {
  const found = new Map<string, Node>();
  for (let id = 0; id < builder.size; id++) {
    const node = builder.node(id);
    if (wanted(node)) found.set(node.path, node);
  }
  return found;
}

function matching(pattern: Str, paths: readonly string[], what: string, env: Env): string[] {
  const found = paths.filter((path) => matchesPath(pattern.value, path));
  if (found.length > 0) return found;
  const some = paths.slice(0, 3).map((path) => `\`${path}\``);
  return env.reporter.fail("RMX0404", pattern.span, `the pattern matches no ${what}`, {
    ...(some.length > 0 && { notes: [`there are ${some.join(", ")}${paths.length > 3 ? ", …" : ""}`] }),
    help: '`*` stays within one segment of a path, `**` spans any number of segments: `"**.ffn.w*"`',
  });
}

function resolve({ compute, parts, stored, derived }: Chosen, env: Env): Precision {
  const { builder, params } = env.ctx;
  const nodes = Array.from({ length: builder.size }, (_, id) => builder.node(id));
  const idsOf = new Map<string, number[]>();
  for (const { id, op } of nodes)
    if (op.kind === "param") idsOf.set(op.path, [...(idsOf.get(op.path) ?? []), id]);
  const finder = new ChannelFinder(nodes);
  const resolved = <T>(make: () => T): T[] => {
    try {
      return [make()];
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      return [];
    }
  };
  for (const info of params.infos) {
    const line = stored.get(info.path);
    if (line === undefined) continue;
    const ids = idsOf.get(info.path) ?? [];
    const axes = (): readonly number[] =>
      info.table ? info.shape.map((_, j) => j).slice(1) : sharedAxes(finder, ids, info, line.span, env);
    resolved(() => {
      params.update(info.path, { storage: storageOf(line.type, axes, env), ...inputsOf(line, env) });
    });
  }
  const ends = nodesByPath(env, isDerived);
  const values = [...derived].flatMap(([path, line]) => {
    const node = ends.get(path);
    if (node === undefined) return [];
    const value = { path, shape: node.type.shape.map(Number) };
    const axes = (): readonly number[] => sharedAxes(finder, [node.id], value, line.span, env);
    return resolved(() => ({
      path,
      storage: storageOf(line.type, axes, env),
      ...inputsOf(line, env),
    }));
  });
  return { compute, parts, derived: values };
}

function sharedAxes(
  finder: ChannelFinder,
  ids: readonly number[],
  { path, shape }: Pick<ParamInfo, "path" | "shape">,
  span: Span,
  env: Env,
): readonly number[] {
  const channels = finder.channelsOf(ids, shape.length);
  if (channels.kind === "shared") return channels.axes;
  const uses = channels.axes.map((axes) => axes.join(" and "));
  return env.reporter.fail("RMX0408", span, `\`${path}\` has no channels: its uses sum over different axes`, {
    notes: [`one use sums over axis ${uses[0]}, another over axis ${uses[1]}`],
    help: `store it in a type without scales: add the line \`"${path}" = f16\``,
  });
}

function storageOf(name: StorageName, axes: () => readonly number[], env: Env): Storage {
  if (name.kind === "plain") {
    return needsScale(name.type)
      ? { element: name.type, scale: { shared: axes(), symmetric: true } }
      : { element: name.type };
  }
  const symmetric = name.asymmetric !== true;
  if (name.per === "channel") return { element: "int8", scale: { shared: axes(), symmetric } };
  const group = evaluateExtent(name.size, env);
  return { element: "int8", scale: { shared: axes(), group, symmetric } };
}

/** Activations have a scale a row or a calibrated one, so groups and zero points say nothing about them. */
function inputsOf({ inputs, span }: StoreLine, env: Env): { readonly inputs?: StorageElement } {
  if (inputs === undefined) return {};
  if (inputs.kind === "plain") return { inputs: inputs.type };
  if (inputs.per === "group" || inputs.asymmetric === true) {
    env.reporter.fail("RMX0409", span, "activations are quantised with one scale a row", {
      help: "write `inputs fp8_e4m3` or `inputs int8 per channel`",
    });
  }
  return { inputs: "int8" };
}
