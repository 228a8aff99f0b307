/** @file `rmxc cost SPEC`: parameters, FLOPs, bytes and the least time of a call, by stage and by the model's parts. */
import { readFileSync } from "node:fs";
import { builtinCeilings, type Ceilings, readCeilings } from "../../cost/ceilings.ts";
import { InputError } from "../../ir/error.ts";
import { gpu } from "../../ir/profiles.ts";
import { defineCommand, UsageError } from "../command.ts";
import { jsonOption, precisionOption, readSets, setOption, specPositional } from "../options.ts";
import { sayDiagnostics } from "../report.ts";

/** No limit of a binding shall decide what a model costs. */
const UNLIMITED = { ...gpu, limits: { ...gpu.limits, storageBinding: 2 ** 50, bufferSize: 2 ** 50 } };

const names = Object.keys(builtinCeilings);

export const costCommand = defineCommand({
  usage: "cost <spec>",
  summary: "parameters, FLOPs, bytes and roofline time, by stage and by part",
  positionals: specPositional,
  options: {
    ...setOption,
    ...precisionOption,
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
    device: {
      type: "string",
      requiresArg: true,
      default: "h100-sxm",
      describe: `whose ceilings: ${names.join(", ")}, or a JSON file of name, flops and bandwidth`,
    },
    profile: {
      type: "string",
      requiresArg: true,
      describe: "compile for this profile [default: a GPU without limits]",
    },
    depth: {
      type: "number",
      requiresArg: true,
      default: 3,
      describe: "labels of a part's path that are told apart",
    },
    ...jsonOption,
  },
  examples: [
    ["rmxc cost model.rmx --requests 1 --candidates 512", "of one request with 512 candidates"],
    ["rmxc cost model.rmx --device mine.json", "on a device of your own"],
  ],
  async run(args, out) {
    if (args.depth === 0) throw new UsageError("--depth is 1 or more");
    const { elaborateSpec } = await import("../../spec.ts");
    const { costOf } = await import("../../cost/cost.ts");
    const { loadProfile } = await import("../../runtime/profile.ts");
    const { costJson, describeCost } = await import("../cost/report.ts");
    const ceilings = ceilingsOf(args.device);
    const profile = args.profile === undefined ? UNLIMITED : loadProfile(args.profile);
    const { graph, diagnostics, sources } = elaborateSpec(args.spec, {
      set: readSets(args.set),
      precision: args.precision,
    });
    await sayDiagnostics(diagnostics, sources, out);
    const report = {
      cost: costOf(graph, profile),
      repeated: costOf(graph, profile, { reuse: false }),
      size: {
        requests: args.requests ?? graph.serve.requests,
        candidates: args.candidates ?? graph.serve.candidates,
      },
      ceilings,
    };
    if (args.json) out.json(costJson(report));
    else out.print(describeCost(report, args.depth));
    return 0;
  },
});

/** The device of that name, else the one in that file. Throws RMX0811. */
function ceilingsOf(nameOrPath: string): Ceilings {
  const builtin = Object.hasOwn(builtinCeilings, nameOrPath) ? builtinCeilings[nameOrPath] : undefined;
  if (builtin !== undefined) return builtin;
  const help = `the devices that rmxc knows are ${names.map((name) => `\`${name}\``).join(", ")}`;
  let text: string;
  try {
    text = readFileSync(nameOrPath, "utf8");
  } catch {
    const message = `\`${nameOrPath}\` is neither a device that rmxc knows nor a file that can be read`;
    throw new InputError("RMX0811", message, { help, exit: 1 });
  }
  const wrong: string[] = [];
  const ceilings = readCeilings(parsed(text), wrong);
  if (ceilings === undefined)
    throw new InputError("RMX0811", `the ceilings in ${nameOrPath} are incomplete`, {
      notes: wrong,
      help,
      exit: 1,
    });
  return ceilings;
}

/** Undefined where the text is no JSON: then everything is missing. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
