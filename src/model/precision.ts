/**
 * @file `precision { … }`: the compute type, the storage of parameters by pattern, and what is stored of load-stage values. Lines
 * apply in order, later ones win.
 */
import type { PrecisionLine, StorageName, Str } from "../../grammar/ast.ts";
import type { Graph, Precision, Storage } from "../ir/graph.ts";
import { maxLevel } from "../ir/stage.ts";
import type { Env } from "./context.ts";
import { evaluateExtent } from "./evaluate.ts";
import { matchesPath } from "./pathpattern.ts";
import { Failure } from "./report.ts";

export function applyPrecision(env: Env): Precision {
  const state: MutablePrecision = { compute: "f32", parts: [], derived: [] };
  for (const line of env.ctx.precision.flatMap((block) => block.lines)) {
    try {
      applyLine(line, state, env);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
    }
  }
  return state;
}

interface MutablePrecision {
  compute: Graph["precision"]["compute"];
  readonly parts: Precision["parts"][number][];
  readonly derived: Precision["derived"][number][];
}

function applyLine(line: PrecisionLine, state: MutablePrecision, env: Env): void {
  const { params, builder } = env.ctx;
  const paths = params.infos.map((info) => info.path);
  const nodes = (): Iterable<string> => nodePaths(env, () => true);
  if (line.kind === "compute") {
    if (!line.pattern) {
      state.compute = line.type;
      return;
    }
    matching(line.pattern, [...paths, ...nodes()], "part of the model", env);
    state.parts.push({ pattern: line.pattern.value, compute: line.type });
    return;
  }
  const storage = storageOf(line.type, env);
  if (line.derived) {
    const derived = nodePaths(
      env,
      (id) => maxLevel(builder.node(id).stage) <= 1 && builder.node(id).inputs.length > 0,
    );
    matching(line.pattern, derived, "value of the load stage", env);
    state.derived.push({ pattern: line.pattern.value, storage });
    return;
  }
  const inputs = line.inputs && storageOf(line.inputs, env);
  for (const path of matching(line.pattern, paths, "parameter", env)) {
    params.update(path, { storage, ...(inputs && { inputs }) });
  }
}

function nodePaths(env: Env, wanted: (id: number) => boolean): string[] {
  const { builder } = env.ctx;
  const paths = new Set<string>();
  for (let id = 0; id < builder.size; id++) {
    if (wanted(id)) paths.add(builder.node(id).path);
  }
  return [...paths];
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

function storageOf(name: StorageName, env: Env): Storage {
  if (name.kind === "plain") return { kind: "plain", type: name.type };
  if (name.per === "channel") return { kind: "int8", per: "channel" };
  return { kind: "int8", per: "group", size: evaluateExtent(name.size, env) };
}
