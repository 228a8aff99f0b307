/**
 * @file `rmxc run SPEC`: compiles a model for the device at hand, loads it, scores candidates, and shows the scores, the
 * time of each stage and, with `--verify`, how far every kernel is from the reference. Weights and inputs that no file gives
 * are drawn from the seed, so that any spec runs at once.
 */
import { InputError } from "../../ir/error.ts";
import { defineCommand, UsageError } from "../command.ts";
import {
  explainOption,
  fuseOption,
  jsonOption,
  precisionOption,
  readSets,
  reuseOption,
  schedulesOption,
  setOption,
  specPositional,
} from "../options.ts";
import type { Output } from "../output.ts";
import { withProgress } from "../progress.ts";
import { reportFailure, sayDiagnostics } from "../report.ts";

const deviceChoices = ["auto", "cuda", "webgpu", "reference"] as const;

export const runCommand = defineCommand({
  usage: "run <spec>",
  summary: "run a model: scores, time of each stage, error against the reference",
  positionals: specPositional,
  options: {
    ...setOption,
    ...precisionOption,
    weights: {
      type: "string",
      requiresArg: true,
      describe: "safetensors, by parameter path [default: drawn]",
    },
    input: { type: "string", requiresArg: true, describe: "safetensors, by feature name [default: drawn]" },
    output: {
      type: "string",
      requiresArg: true,
      describe: "write the scores here: safetensors, by task name",
    },
    seed: { type: "number", requiresArg: true, default: 0, describe: "what is drawn is drawn from this" },
    requests: { type: "number", requiresArg: true, describe: "how many requests to draw [default: 1]" },
    candidates: {
      type: "number",
      requiresArg: true,
      describe: "how many candidates to draw [default: 64, fewer for a large model]",
    },
    device: { choices: deviceChoices, default: "auto" as const, describe: "where to run" },
    ...reuseOption,
    ...schedulesOption,
    ...explainOption,
    ...fuseOption,
    verify: {
      type: "boolean",
      default: false,
      describe: "hold every kernel's output against the f64 reference",
    },
    ...jsonOption,
  },
  examples: [
    ["rmxc run model.rmx --verify", "with drawn weights and inputs"],
    [
      "rmxc run model.rmx --weights w.safetensors --input in.safetensors --output out.safetensors",
      "with yours",
    ],
  ],
  async run(args, out) {
    if (args.input !== undefined && (args.requests !== undefined || args.candidates !== undefined)) {
      throw new UsageError(
        "--input says how many requests and candidates there are; --requests and --candidates are for drawn inputs",
      );
    }
    if (args.requests === 0 && args.candidates !== 0)
      throw new UsageError("candidates need a request: --requests 1 or more");
    const { StageWatch } = await import("../stages.ts");
    const watch = new StageWatch({ reuse: !args["no-reuse"] });
    const { runModel } = await import("../run/session.ts");
    const { schedulesOf } = await import("../schedules.ts");
    const { openDevice } = await import("../../runtime/device.ts");
    const device = await openDevice(args.device, { quiet: true });
    try {
      if (device.notice !== undefined) out.say(`rmxc: ${device.notice}`);
      const result = await runModel(
        {
          spec: args.spec,
          set: readSets(args.set),
          precision: args.precision,
          weights: args.weights,
          input: args.input,
          seed: args.seed,
          requests: args.requests,
          candidates: args.candidates,
          verify: args.verify,
          reuse: !args["no-reuse"],
          fuse: args.fuse,
          schedules: await schedulesOf(args, device, out),
          onPass: (pass, result) => watch.onPass(pass, result),
        },
        device,
        { ...watcher(out), warn: (diagnostics, sources) => sayDiagnostics(diagnostics, sources, out) },
      );
      if (args.output !== undefined) {
        const { writeOutputs } = await import("../../runtime/datafiles.ts");
        writeOutputs(args.output, result.scores, result.outputs);
      }
      const { describeRun, runJson } = await import("../run/report.ts");
      const explained = args.explain === undefined ? undefined : watch.report(result.plan);
      if (args.json)
        out.json({ ...runJson(result), ...(explained && { stages: await explained.json(result.sources) }) });
      else out.print(describeRun(result));
      if (explained && !args.json) out.print(`\n${await explained.text(result.sources, out)}`);
      if (args.verify && device.kind === "reference")
        out.say("rmxc: nothing to verify: the device is the reference");
      if (result.verification === undefined || result.verification.ok) return 0;
      return await reportFailure(verificationDiffered(), out, false);
    } finally {
      device.destroy();
    }
  },
});

/** The report has said what differs, by how much. */
function verificationDiffered(): InputError {
  return new InputError("RMX0806", "the device's results are not the reference's", {
    help: "`rmxc explain RMX0806` says how they are compared",
  });
}

function watcher(out: Output) {
  return {
    progress: <T>(label: string, work: (report: (done: number, total: number) => void) => Promise<T>) =>
      withProgress(out, label, work),
  };
}
