/**
 * @file `rmxc quantize SPEC`: weights in the storage types that the spec asks for, with a report of what each parameter and each task
 * loses by it, as text, JSON and a plot.
 */
import { defineCommand, UsageError } from "../command.ts";
import { jsonOption, precisionOption, readSets, setOption, specPositional } from "../options.ts";
import { withProgress } from "../progress.ts";
import { sayDiagnostics } from "../report.ts";

const file = { type: "string", requiresArg: true } as const;

export const quantizeCommand = defineCommand({
  usage: "quantize <spec>",
  summary: "convert weights to the spec's storage types; what parameters and scores lose by it",
  positionals: specPositional,
  options: {
    ...setOption,
    ...precisionOption,
    weights: { ...file, describe: "safetensors, by parameter path [default: drawn]" },
    out: { ...file, alias: "o", describe: "write the converted weights here [default: report alone]" },
    inputs: { ...file, describe: "compare the scores of these inputs: safetensors [default: drawn]" },
    calibrate: { ...file, describe: "set the scales of `inputs` activations from these inputs: safetensors" },
    requests: { type: "number", requiresArg: true, describe: "how many requests to draw [default: 1]" },
    candidates: {
      type: "number",
      requiresArg: true,
      describe: "how many candidates to draw [default: 8 to 64; none for a very large model]",
    },
    seed: { type: "number", requiresArg: true, default: 0, describe: "what is drawn is drawn from this" },
    plot: { ...file, describe: "draw the report here, as SVG" },
    ...jsonOption,
  },
  examples: [
    [
      "rmxc quantize model.rmx --weights w.safetensors -o w8.safetensors",
      "as the spec's precision block says",
    ],
    [
      `rmxc quantize model.rmx --precision '"**.ffn.w*" = int8 per group(64)'`,
      "what another type would lose",
    ],
  ],
  async run(args, out) {
    if (args.inputs !== undefined && (args.requests !== undefined || args.candidates !== undefined)) {
      throw new UsageError(
        "--inputs says how many requests and candidates there are; --requests and --candidates are for drawn inputs",
      );
    }
    if (args.requests === 0) throw new UsageError("candidates need a request: --requests 1 or more");
    const { elaborateSpec } = await import("../../spec.ts");
    const { quantize } = await import("../quantize/session.ts");
    const { describeQuantize, quantizeJson } = await import("../quantize/report.ts");
    const { graph, diagnostics, sources } = elaborateSpec(args.spec, {
      set: readSets(args.set),
      precision: args.precision,
    });
    // What kernels compute in is no matter of this command.
    await sayDiagnostics(
      diagnostics.filter(({ code }) => code !== "RMX0490"),
      sources,
      out,
    );
    if (graph.params.every(({ storage, inputs }) => storage.element === "f32" && inputs === undefined)) {
      out.say("rmxc: every parameter is stored in f32; --precision '\"**\" = f16' would change that");
    }
    const result = await quantize(
      graph,
      {
        weights: args.weights,
        output: args.out,
        inputs: args.inputs,
        calibrate: args.calibrate,
        seed: args.seed,
        requests: args.requests,
        candidates: args.candidates,
      },
      (label, work) => withProgress(out, label, work),
    );
    if (args.json) out.json(quantizeJson(result));
    else out.print(describeQuantize(result));
    if (args.plot !== undefined) {
      const { quantizePlot } = await import("../quantize/plot.ts");
      const { writeFileAtomic } = await import("../../files.ts");
      writeFileAtomic(args.plot, quantizePlot(result));
      out.say(`wrote ${args.plot}`);
    }
    if (args.out !== undefined) out.say(`wrote ${args.out}`);
    return 0;
  },
});
