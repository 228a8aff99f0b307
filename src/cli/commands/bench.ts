/**
 * @file `rmxc bench SPEC`: how fast a model is on the device at hand, stage by stage and kernel by kernel, beside what the device can do
 * at best as measured in the same process. docs/bench.md says how to read it and what `--json` holds.
 */
import { defineCommand, UsageError } from "../command.ts";
import { openKernelDevice } from "../kerneldevice.ts";
import {
  fuseOption,
  jsonOption,
  kernelDeviceOption,
  precisionOption,
  readSets,
  reuseOption,
  schedulesOption,
  setOption,
  specPositional,
} from "../options.ts";
import { withProgress } from "../progress.ts";
import { sayDiagnostics } from "../report.ts";

const SECONDS = 4;

export const benchCommand = defineCommand({
  usage: "bench <spec>",
  summary: "time a model: latency of each stage, a table of its kernels, advice",
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
    seed: { type: "number", requiresArg: true, default: 0, describe: "what is drawn is drawn from this" },
    requests: {
      type: "number",
      requiresArg: true,
      describe: "requests of a call [default: the spec's `serve`]",
    },
    candidates: {
      type: "number",
      requiresArg: true,
      describe: "candidates of a call, of all its requests [default: the spec's `serve`]",
    },
    runs: { type: "number", requiresArg: true, describe: "time this many calls" },
    seconds: {
      type: "number",
      requiresArg: true,
      describe: `time calls for about so long [default: ${SECONDS}]`,
    },
    ...kernelDeviceOption,
    ...reuseOption,
    ...fuseOption,
    ...schedulesOption,
    trace: {
      type: "string",
      requiresArg: true,
      describe: "write the last calls here as trace events, for chrome://tracing or ui.perfetto.dev",
    },
    ...jsonOption,
  },
  examples: [
    ["rmxc bench model.rmx --candidates 128", "one request with 128 candidates"],
    ["rmxc bench model.rmx --device cuda --precision 'compute = bf16'", "on an NVIDIA GPU, on tensor cores"],
    ["rmxc bench model.rmx --no-reuse --runs 100", "without reuse, a hundred calls"],
  ],
  async run(args, out) {
    if (args.runs !== undefined && args.seconds !== undefined)
      throw new UsageError("--runs and --seconds both say when to end: give one");
    for (const name of ["runs", "seconds", "requests", "candidates"] as const)
      if (args[name] === 0) throw new UsageError(`--${name} is 1 or more`);
    if (args.input !== undefined && (args.requests !== undefined || args.candidates !== undefined))
      throw new UsageError("--input says how many requests and candidates there are");
    const { benchModel } = await import("../bench/session.ts");
    const { schedulesOf } = await import("../schedules.ts");
    const device = await openKernelDevice(args.device, out);
    try {
      const schedules = await schedulesOf(args, device, out);
      const result = await benchModel(
        {
          spec: args.spec,
          set: readSets(args.set),
          precision: args.precision,
          weights: args.weights,
          input: args.input,
          seed: args.seed,
          requests: args.requests,
          candidates: args.candidates,
          runs: args.runs,
          seconds: args.seconds ?? SECONDS,
          reuse: !args["no-reuse"],
          fuse: args.fuse,
          schedules,
        },
        device,
        {
          progress: (label, work) => withProgress(out, label, work),
          warn: (diagnostics, sources) => sayDiagnostics(diagnostics, sources, out),
        },
      );
      const { adviceOf } = await import("../bench/advice.ts");
      const { benchJson, describeBench } = await import("../bench/report.ts");
      const found = { tuned: schedules?.found ?? 0, from: schedules?.from };
      const advice = adviceOf(result, found.tuned > 0);
      if (args.json) out.json(benchJson(result, advice, found));
      else out.print(describeBench(result, advice, found));
      if (args.trace !== undefined) {
        const { writeFileAtomic } = await import("../../files.ts");
        const { traceOf } = await import("../bench/trace.ts");
        writeFileAtomic(args.trace, JSON.stringify(traceOf(result)));
        out.say(`wrote ${args.trace}`);
      }
      return 0;
    } finally {
      device.destroy();
    }
  },
});
