/**
 * @file `rmxc tune SPEC`: measures schedules of the model's kernels on the device at hand and keeps the fastest, in the user's cache or in
 * a file to ship. docs/bench.md says how it searches.
 */
import { defineCommand, UsageError } from "../command.ts";
import { openKernelDevice } from "../kerneldevice.ts";
import {
  jsonOption,
  kernelDeviceOption,
  precisionOption,
  readSets,
  reuseOption,
  setOption,
  specPositional,
} from "../options.ts";
import { withProgress } from "../progress.ts";
import { sayDiagnostics } from "../report.ts";

/** A tuned call that takes more than this of the untuned one is not stored. */
const MOST_RATIO = 1.02;

export const tuneCommand = defineCommand({
  usage: "tune <spec>",
  summary: "measure schedules of a model's kernels on this device and keep the fastest",
  positionals: specPositional,
  options: {
    ...setOption,
    ...precisionOption,
    weights: {
      type: "string",
      requiresArg: true,
      describe: "safetensors, by parameter path [default: drawn]",
    },
    seed: { type: "number", requiresArg: true, default: 0, describe: "what is drawn is drawn from this" },
    requests: {
      type: "number",
      requiresArg: true,
      describe: "tune for calls of so many requests [default: the spec's `serve`]",
    },
    candidates: {
      type: "number",
      requiresArg: true,
      describe: "tune for calls of so many candidates [default: the spec's `serve`]",
    },
    budget: {
      type: "string",
      requiresArg: true,
      default: "60s",
      describe: "time for the search: 45s, 5m or 1h",
    },
    out: {
      alias: "o",
      type: "string",
      requiresArg: true,
      describe: "write the schedules here, for --schedules [default: the user's cache]",
    },
    ...kernelDeviceOption,
    ...reuseOption,
    ...jsonOption,
  },
  examples: [
    ["rmxc tune model.rmx", "into the cache, where run and bench find it"],
    ["rmxc tune model.rmx --candidates 128 --budget 5m -o tuned.json", "a file to ship"],
  ],
  async run(args, out) {
    const budgetSeconds = budgetOf(args.budget);
    for (const name of ["requests", "candidates"] as const)
      if (args[name] === 0) throw new UsageError(`--${name} is 1 or more`);
    const { elaborateSpec, notesFor } = await import("../../spec.ts");
    const { servedAs } = await import("../bench/session.ts");
    const { openInputs, openWeights } = await import("../run/session.ts");
    const { storedOf, tuneModel } = await import("../../tuner/session.ts");
    const { describeTune, tuneJson } = await import("../tune/report.ts");
    const elaborated = elaborateSpec(args.spec, { set: readSets(args.set), precision: args.precision });
    const { serve } = elaborated.graph;
    const size = {
      requests: args.requests ?? serve.requests,
      candidates: args.candidates ?? serve.candidates,
    };
    const graph = servedAs(elaborated.graph, size);
    const device = await openKernelDevice(args.device, out);
    await sayDiagnostics(notesFor(elaborated.diagnostics, [device.profile]), elaborated.sources, out);
    const weights = openWeights({ weights: args.weights, seed: args.seed }, graph);
    try {
      const inputs = openInputs({ input: undefined, seed: args.seed, ...size }, graph, size.candidates);
      const result = await tuneModel({
        graph,
        device,
        weights,
        inputs,
        reuse: !args["no-reuse"],
        budgetSeconds,
        progress: (label, work) => withProgress(out, label, work),
      });
      const slower = result.call.tuned > MOST_RATIO * result.call.untuned;
      const path = slower || result.tuned.length === 0 ? undefined : await pathOf(args.out, device);
      if (path !== undefined) {
        const { storeSchedules } = await import("../../tuner/store.ts");
        const { name, description, profile } = device;
        const file = {
          device: { name, description, profile },
          schedules: storedOf(graph.name, result.tuned),
        };
        storeSchedules(path, file);
      }
      if (args.json) out.json(tuneJson(result, path));
      else out.print(describeTune(result));
      if (slower) out.say("rmxc: nothing stored: whole calls are slower with these schedules");
      if (path !== undefined) out.say(`wrote ${path}`);
      return 0;
    } finally {
      weights.close();
      device.destroy();
    }
  },
});

async function pathOf(
  out: string | undefined,
  device: Parameters<typeof import("../../runtime/schedules.ts").cachedFileOf>[0],
): Promise<string> {
  return out ?? (await import("../../runtime/schedules.ts")).cachedFileOf(device);
}

const UNITS = { s: 1, m: 60, h: 3600 } as const;

/** `60s`, `5m`, `1h`, or seconds without a unit. */
function budgetOf(text: string): number {
  const [, count = "", unit = "s"] = /^(\d+(?:\.\d+)?)([smh])?$/.exec(text) ?? [];
  const seconds = Number(count) * UNITS[unit as keyof typeof UNITS];
  if (count === "" || !(seconds > 0))
    throw new UsageError(
      `--budget takes a time, not ${JSON.stringify(text)}`,
      "for example --budget 45s or --budget 5m",
    );
  return seconds;
}
