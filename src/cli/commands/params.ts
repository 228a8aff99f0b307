/** @file `rmxc params SPEC`: every parameter, by the path that a weights file uses. */
import type { Init, ParamInfo } from "../../ir/graph.ts";
import { storageText, storedBytes } from "../../ir/storage.ts";
import { defineCommand } from "../command.ts";
import { jsonOption, precisionOption, readSets, setOption, specPositional } from "../options.ts";
import { sayDiagnostics } from "../report.ts";
import { bytes, figure, table } from "../text.ts";

export const paramsCommand = defineCommand({
  usage: "params <spec>",
  summary: "list the parameters: path, shape, type, size, initialiser",
  positionals: specPositional,
  options: { ...setOption, ...precisionOption, ...jsonOption },
  examples: [["rmxc params model.rmx --json", "what a weights file must hold"]],
  async run(args, out) {
    const { elaborateSpec } = await import("../../spec.ts");
    const { graph, diagnostics, sources } = elaborateSpec(args.spec, {
      set: readSets(args.set),
      precision: args.precision,
    });
    await sayDiagnostics(diagnostics, sources, out);
    if (args.json) {
      out.json(graph.params.map(describe));
      return 0;
    }
    const rows = graph.params.map((p) => [
      p.path,
      `[${p.shape.join(", ")}]`,
      typeText(p),
      values(p).toLocaleString("en-US"),
      bytes(storedBytes(p.shape, p.storage)),
      initName(p.init),
      p.table ? "table" : p.training ? "training" : "",
    ]);
    out.print(
      table(["parameter", "shape", "type", "values", "size", "init", ""], rows, [
        "left",
        "left",
        "left",
        "right",
        "right",
        "left",
        "left",
      ]),
    );
    const tables = sum(graph.params.filter((p) => p.table));
    const dense = sum(graph.params.filter((p) => !p.table && !p.training));
    const serving = graph.params.reduce(
      (total, p) => total + (p.training ? 0 : storedBytes(p.shape, p.storage)),
      0,
    );
    out.print(
      `\n${figure(dense + tables)} values (${bytes(serving)} as stored): ` +
        `${figure(dense)} dense, ${figure(tables)} in tables`,
    );
    return 0;
  },
});

function describe(p: ParamInfo) {
  return {
    path: p.path,
    shape: p.shape,
    type: storageText(p.storage),
    ...(p.inputs !== undefined && { inputs: p.inputs }),
    size: values(p),
    bytes: storedBytes(p.shape, p.storage),
    init: p.init,
    training: p.training,
    table: p.table,
  };
}

function values(p: ParamInfo): number {
  return p.shape.reduce((a, b) => a * b, 1);
}

function sum(params: readonly ParamInfo[]): number {
  return params.reduce((total, p) => total + values(p), 0);
}

function typeText({ storage, inputs }: ParamInfo): string {
  return `${storageText(storage)}${inputs === undefined ? "" : ` inputs ${inputs}`}`;
}

/** As a `param` line writes it. */
function initName(init: Init): string {
  if (init.kind === "normal") return `normal(std = ${init.std})`;
  if (init.kind === "xavier") return init.scale === 1 ? "xavier" : `xavier(scale = ${init.scale})`;
  return init.kind;
}
