/** @file `rmxc export SPEC -o model.onnx`: the inference graph, unfused, for every other runtime. */
import { LAYOUTS } from "../../../backends/onnx/layouts.ts";
import type { Exported } from "../../export.ts";
import { defineCommand } from "../command.ts";
import { jsonOption, readSets, reuseOption, setOption, specPositional } from "../options.ts";
import type { Output } from "../output.ts";
import { withProgress } from "../progress.ts";
import { jsonDiagnostics, sayDiagnostics } from "../report.ts";
import { bytes, plural, table } from "../text.ts";

export const exportCommand = defineCommand({
  usage: "export <spec>",
  summary: "write a model as ONNX, with its weights",
  positionals: specPositional,
  options: {
    ...setOption,
    out: { alias: "o", type: "string", requiresArg: true, demandOption: true, describe: "write this file" },
    weights: {
      type: "string",
      requiresArg: true,
      describe: "safetensors, by parameter path [default: drawn]",
    },
    seed: { type: "number", requiresArg: true, default: 0, describe: "what is drawn is drawn from this" },
    ...reuseOption,
    layout: {
      choices: LAYOUTS,
      default: "tokens" as const,
      describe: "how activations lie: [T, N, D], or [N, T, D] as in the spec",
    },
    logits: { type: "boolean", default: false, describe: "each task's logit is an output too: TASK.logit" },
    "external-data": {
      type: "boolean",
      describe: "weights in OUT.data beside the model [default: where it would be above 2 GiB]",
    },
    ...jsonOption,
  },
  examples: [
    ["rmxc export model.rmx -o model.onnx", "with drawn weights"],
    ["rmxc export model.rmx --weights w.safetensors -o model.onnx --no-reuse", "every input with N rows"],
  ],
  async run(args, out) {
    const { exportSpec } = await import("../../export.ts");
    const exported = await withProgress(out, "exporting", async (report) =>
      exportSpec(args.spec, args.out, {
        set: readSets(args.set),
        seed: args.seed,
        reuse: !args["no-reuse"],
        layout: args.layout,
        logits: args.logits,
        ...(args.weights !== undefined && { weights: args.weights }),
        ...(args["external-data"] !== undefined && { externalData: args["external-data"] }),
        onProgress: report,
      }),
    );
    if (args.json) out.json(await summary(exported));
    else {
      await sayDiagnostics(exported.warnings, exported.sources, out);
      await describe(exported, out);
    }
    out.say(`wrote ${exported.files.join(" and ")}`);
    return 0;
  },
});

async function describe({ model, constantBytes }: Exported, out: Output): Promise<void> {
  const { opsUsed } = await import("../../../backends/onnx/model.ts");
  const ends = [
    ...model.inputs.map((info) => ({ what: "input", ...info })),
    ...model.outputs.map((info) => ({ what: "output", ...info })),
  ];
  out.print(
    `${model.name}: ONNX opset ${model.opset}, ${plural(model.nodes.length, "node")}, ${bytes(constantBytes)} of constants`,
  );
  out.print(
    table(
      ["", "name", "type", "shape"],
      ends.map(({ what, name, type, dims }) => [what, name, type, `[${dims.join(", ")}]`]),
      ["left", "left", "left", "left"],
    ),
  );
  const used = [...opsUsed(model)].map(([op, count]) => `${op} ${count}`);
  out.print(`operators: ${used.join(", ")}`);
}

async function summary({ model, files, constantBytes, warnings, sources }: Exported) {
  const { opsUsed } = await import("../../../backends/onnx/model.ts");
  return {
    ok: true,
    model: model.name,
    opset: model.opset,
    files,
    constantBytes,
    nodes: model.nodes.length,
    operators: Object.fromEntries(opsUsed(model)),
    inputs: model.inputs,
    outputs: model.outputs,
    diagnostics: await jsonDiagnostics(warnings, sources),
  };
}
