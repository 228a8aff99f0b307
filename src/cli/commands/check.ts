/** @file `rmxc check SPEC`: every diagnostic of a spec, without compiling it to kernels; and what data the model takes. */
import type { FeatureInfo, Graph } from "../../ir/graph.ts";
import { defineCommand } from "../command.ts";
import { jsonOption, readSets, setOption, specPositional } from "../options.ts";
import { jsonDiagnostics, sayDiagnostics } from "../report.ts";
import { figure, plural, table } from "../text.ts";

export const checkCommand = defineCommand({
  usage: "check <spec>",
  summary: "report every error of a model, and list its inputs and tasks",
  positionals: specPositional,
  options: { ...setOption, ...jsonOption },
  examples: [["rmxc check model.rmx --set D=128", "with another width"]],
  async run(args, out) {
    const { checkLibrarySpec, elaborateSpec } = await import("../../spec.ts");
    const library = checkLibrarySpec(args.spec);
    if (library !== undefined) {
      if (args.json) {
        const diagnostics = await jsonDiagnostics(library.diagnostics, library.sources);
        out.json({ ok: true, blocks: library.blocks, diagnostics });
      } else {
        await sayDiagnostics(library.diagnostics, library.sources, out);
        out.print(
          `${args.spec}: a library of ${plural(library.blocks.length, "block")}: ${library.blocks.join(", ")}`,
        );
      }
      return 0;
    }
    const { graph, diagnostics, sources } = elaborateSpec(args.spec, { set: readSets(args.set) });
    if (args.json) {
      out.json({
        ok: true,
        model: graph.name,
        inputs: graph.features.map(({ origin: _, ...feature }) => feature),
        tasks: graph.outputs.map(({ name, shape }) => ({ name, shape })),
        diagnostics: await jsonDiagnostics(diagnostics, sources),
      });
      return 0;
    }
    await sayDiagnostics(diagnostics, sources, out);
    out.print(`${args.spec}: model ${graph.name} is fine: ${contents(graph)}`);
    if (graph.features.length > 0) out.print(`\n${inputTable(graph.features)}`);
    return 0;
  },
});

function contents(graph: Graph): string {
  const values = graph.params.reduce((sum, p) => sum + p.shape.reduce((a, b) => a * b, 1), 0);
  const tasks = graph.outputs.map((output) => output.name).join(", ");
  return (
    `${plural(graph.features.length, "input")}, ${plural(graph.params.length, "parameter")} ` +
    `with ${figure(values)} values, ${plural(graph.outputs.length, "task")} (${tasks})`
  );
}

/** Names, types and shapes as an inputs file holds them. */
function inputTable(features: readonly FeatureInfo[]): string {
  const rows = features.map((feature) => [
    feature.name,
    feature.stage,
    feature.dtype,
    `[${[feature.stage === "user" ? "R" : "N", ...feature.shape].join(", ")}]`,
    feature.table !== undefined
      ? `ids below ${feature.table.rows} (${feature.table.path})`
      : lengthText(feature),
  ]);
  return table(["input", "stage", "type", "shape", ""], rows, ["left", "left", "left", "left", "left"]);
}

function lengthText({ lengthOf }: FeatureInfo): string {
  return lengthOf === undefined ? "" : `0 to ${lengthOf.max}; may be left out`;
}
