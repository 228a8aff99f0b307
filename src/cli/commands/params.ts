/** @file `rmxc params SPEC`: every parameter, by the path that a weights file uses. */
import type { Init, ParamInfo, Storage } from "../../ir/graph.ts";
import { defineCommand } from "../command.ts";
import { jsonOption, readSets, setOption, specPositional } from "../options.ts";
import { sayDiagnostics } from "../report.ts";
import { bytes, figure, table } from "../text.ts";

/** Bytes of a value in a file and on the device, until storage types are built. */
const BYTES_PER_VALUE = 4;

export const paramsCommand = defineCommand({
  usage: "params <spec>",
  summary: "list the parameters: path, shape, type, size, initialiser",
  positionals: specPositional,
  options: { ...setOption, ...jsonOption },
  examples: [["rmxc params model.rmx --json", "what a weights file must hold"]],
  async run(args, out) {
    const { elaborateSpec } = await import("../../spec.ts");
    const { graph, diagnostics, sources } = elaborateSpec(args.spec, { set: readSets(args.set) });
    await sayDiagnostics(diagnostics, sources, out);
    if (args.json) {
      out.json(graph.params.map(describe));
      return 0;
    }
    const rows = graph.params.map((p) => [
      p.path,
      `[${p.shape.join(", ")}]`,
      storageName(p.storage),
      values(p).toLocaleString("en-US"),
      bytes(values(p) * BYTES_PER_VALUE),
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
    out.print(
      `\n${figure(dense + tables)} values (${bytes((dense + tables) * BYTES_PER_VALUE)}): ` +
        `${figure(dense)} dense, ${figure(tables)} in tables`,
    );
    return 0;
  },
});

function describe(p: ParamInfo) {
  return {
    path: p.path,
    shape: p.shape,
    type: storageName(p.storage),
    size: values(p),
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

/** As the `precision` block writes it. */
function storageName(storage: Storage): string {
  if (storage.kind === "plain") return storage.type;
  return storage.per === "channel" ? "int8 per channel" : `int8 per group(${storage.size})`;
}

/** As a `param` line writes it. */
function initName(init: Init): string {
  if (init.kind === "normal") return `normal(std = ${init.std})`;
  if (init.kind === "xavier") return init.scale === 1 ? "xavier" : `xavier(scale = ${init.scale})`;
  return init.kind;
}
