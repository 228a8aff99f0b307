/** @file Elaborating text in tests: files of a made-up project, the real standard library. */
import { resolve } from "node:path";
import type { Diagnostic } from "../../grammar/diagnostics.ts";
import type { Graph, Node } from "../../src/ir/graph.ts";
import { type Elaborated, type ElaborateOptions, elaborate } from "../../src/model/elaborate.ts";
import type { Host } from "../../src/model/host.ts";

/** `links` are symbolic links: path → the path it leads to. */
export function virtualHost(files: Record<string, string>, links: Record<string, string> = {}): Host {
  const real = new Map(Object.entries(files).map(([name, text]) => [resolve("/project", name), text]));
  const follow = (path: string): string => {
    const target = links[path.replace(/^\/project\//, "")];
    return target === undefined ? path : resolve("/project", target);
  };
  return {
    readFile: (path) => real.get(follow(path)),
    realpath: (path) => (path === "/project" || real.has(follow(path)) ? follow(path) : undefined),
    root: "/project",
  };
}

export function elaborateText(text: string, options: ElaborateOptions = {}): Elaborated {
  return elaborate("/project/m.rmx", { host: virtualHost({ "m.rmx": text }), ...options });
}

/** The Graph of a text without errors. */
export function graphOf(text: string, options: ElaborateOptions = {}): Graph {
  const { graph, diagnostics } = elaborateText(text, options);
  if (!graph) throw new Error(diagnostics.map((d) => `${d.code} ${d.message}`).join("\n"));
  return graph;
}

export function codesOf(text: string, options: ElaborateOptions = {}): string[] {
  return elaborateText(text, options).diagnostics.map((d) => d.code);
}

/** The source text under a diagnostic's primary span. */
export function pointed(result: Elaborated, diagnostic: Diagnostic | undefined): string {
  const { span } = diagnostic ?? {};
  return span ? (result.sources.get(span.file)?.text.slice(span.start, span.end) ?? "") : "";
}

export function outputNode(graph: Graph, task: string): Node {
  const output = graph.outputs.find(({ name }) => name === task);
  const node = output && graph.nodes[output.value.id];
  if (!node) throw new Error(`no task ${task}`);
  return node;
}
