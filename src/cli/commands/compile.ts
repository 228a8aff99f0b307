/** @file `rmxc compile SPEC`: kernels and a plan, for device profiles; no device is needed. */

import type { Program, Variant } from "../../compile.ts";
import type { Graph } from "../../ir/graph.ts";
import type { Plan } from "../../ir/plan.ts";
import { defineCommand, UsageError } from "../command.ts";
import {
  explainFusionOption,
  fuseOption,
  jsonOption,
  precisionOption,
  readSets,
  reuseOption,
  scheduleFileOption,
  setOption,
} from "../options.ts";
import type { Output } from "../output.ts";
import { jsonDiagnostics, sayDiagnostics } from "../report.ts";
import { bytes, figure, plural, table } from "../text.ts";

export const compileCommand = defineCommand({
  usage: "compile [spec]",
  summary: "compile a model to kernels; needs no device",
  positionals: { spec: { type: "string", describe: "the model: a .rmx file" } },
  options: {
    ...setOption,
    ...precisionOption,
    target: { choices: ["wgsl", "cuda"] as const, describe: "the kernels' language [default: wgsl]" },
    arch: {
      choices: ["sm_80", "sm_89", "sm_90", "sm_90a"] as const,
      describe: "with --target cuda: the GPU's architecture [default: sm_80]",
    },
    out: {
      alias: "o",
      type: "string",
      requiresArg: true,
      describe: "write plan.json, kernels/ and README.txt into this folder",
    },
    profile: {
      type: "string",
      array: true,
      requiresArg: true,
      describe:
        "gpu, software, sm_80, sm_89, sm_90, sm_90a or a JSON file; may be repeated: a variant each [default: gpu]",
    },
    ...reuseOption,
    ...scheduleFileOption,
    ...explainFusionOption,
    ...fuseOption,
    emit: { choices: ["graph", "plan", "kernels"] as const, describe: "print this on stdout" },
    "print-after": {
      type: "string",
      array: true,
      requiresArg: true,
      describe: "print the graph or plan after this pass; may be repeated",
    },
    "print-passes": { type: "boolean", default: false, describe: "list the passes in order" },
    ...jsonOption,
  },
  examples: [
    ["rmxc compile model.rmx -o out", "kernels for a GPU of which nothing is known"],
    ["rmxc compile model.rmx --emit kernels", "the WGSL on stdout"],
    ["rmxc compile model.rmx --target cuda --arch sm_90a -o out", "CUDA-C for an H100; needs no GPU"],
    ["rmxc compile model.rmx --print-after fuse", "the IR after one pass"],
    [
      "rmxc compile model.rmx --explain fusion",
      "what each kernel does, and why it is not one with its neighbours",
    ],
    ["rmxc compile model.rmx --explain stages", "what runs once a request, and why the rest does not"],
  ],
  async run(args, out) {
    const { passes } = await import("../../../passes/pipeline.ts");
    if (args["print-passes"]) {
      if (args.json) out.json(passes.map(({ name, summary }) => ({ name, summary })));
      else
        out.print(
          table(
            ["pass", "what it does"],
            passes.map((pass) => [pass.name, pass.summary]),
            ["left", "left"],
          ),
        );
      return 0;
    }
    if (args.spec === undefined)
      throw new UsageError("compile takes a spec", "rmxc compile --help shows how it is called");
    const after = args["print-after"] ?? [];
    const shown = (args.emit === undefined ? 0 : 1) + (after.length === 0 ? 0 : 1);
    if (shown + (args.json ? 1 : 0) > 1)
      throw new UsageError("--emit, --print-after and --json each print on stdout: give one");
    const known = passes.map((pass) => pass.name);
    for (const name of after) await checkPass(name, known);

    const profiles = profilesOf(args);
    const schedules = await scheduleFile(args.schedules, profiles);

    const { compile } = await import("../../compile.ts");
    const { StageWatch } = await import("../stages.ts");
    const watch = new StageWatch({ reuse: !args["no-reuse"] });
    const printed: { pass: string; result: Graph | Plan }[] = [];
    const sentences: { readonly sentence: string; readonly profile: string }[] = [];
    const program = await compile(args.spec, {
      set: readSets(args.set),
      precision: args.precision,
      reuse: !args["no-reuse"],
      fuse: args.fuse,
      ...(schedules !== undefined && { schedules }),
      ...(profiles !== undefined && { profiles }),
      onPass: (pass, result) => {
        watch.onPass(pass, result);
        if (after.includes(pass)) printed.push({ pass, result });
      },
      onExplain: (sentence, { name }) => sentences.push({ sentence, profile: name }),
    });
    if (!args.json) await sayDiagnostics(program.warnings, program.sources, out);
    for (const { pass, result } of printed) out.print(`// after ${pass}\n${await irText(result)}`);
    if (args.emit !== undefined) out.print(await emitted(program, args.emit));
    if (args.out !== undefined) await program.write(args.out);
    const explained = args.explain === "stages" ? watch.report(program.variants[0].plan) : undefined;
    // All that is explained is of the first variant.
    const first = program.variants[0].plan.profile.name;
    const choices = sentences.filter(({ profile }) => profile === first).map(({ sentence }) => sentence);
    const fused = args.explain === "fusion" ? await fusionOf(program) : undefined;
    if (args.json)
      out.json({
        ...(await summary(program)),
        ...(explained && { stages: await explained.json(program.sources) }),
        ...(fused && { fusion: fused.json, choices }),
      });
    else if (fused) out.print([fused.text, ...choices].join("\n\n"));
    else if (explained) out.print(await explained.text(program.sources, out));
    else if (shown === 0) describe(program, out);
    if (args.out !== undefined) out.say(`wrote ${args.out}`);
    return 0;
  },
});

/** Of one device: a file for several profiles would be wrong for all but one. */
async function scheduleFile(path: string | undefined, profiles: readonly string[] = ["gpu"]) {
  if (path === undefined) return undefined;
  const [profile, ...more] = profiles;
  if (profile === undefined || more.length > 0) throw new UsageError("--schedules takes one profile");
  const { loadProfile } = await import("../../runtime/profile.ts");
  const { loadSchedules } = await import("../../runtime/schedules.ts");
  return loadSchedules(path, loadProfile(profile));
}

/** `--target` and `--arch` name a built-in profile; `--profile` names any. */
function profilesOf(args: {
  readonly target: "wgsl" | "cuda" | undefined;
  readonly arch: string | undefined;
  readonly profile: string[] | undefined;
}): readonly string[] | undefined {
  if (args.target === undefined && args.arch === undefined) return args.profile;
  if (args.target !== "cuda") {
    if (args.arch !== undefined) throw new UsageError("--arch is an NVIDIA GPU's", "add --target cuda");
    return args.profile;
  }
  if (args.profile !== undefined)
    throw new UsageError(
      "a profile says what the kernels are made for",
      "give --profile, or --target cuda and --arch",
    );
  return [args.arch ?? "sm_80"];
}

async function checkPass(name: string, known: readonly string[]): Promise<void> {
  if (known.includes(name)) return;
  const { closest } = await import("../../../grammar/suggest.ts");
  const near = closest(name, [...known]);
  throw new UsageError(
    `there is no pass ${JSON.stringify(name)}`,
    near === undefined ? "rmxc compile --print-passes lists them" : `did you mean ${near}?`,
  );
}

async function fusionOf(program: Program) {
  const { fusionJson, fusionText } = await import("../fusion.ts");
  const [variant] = program.variants;
  return { json: fusionJson(variant), text: fusionText(variant) };
}

async function irText(result: Graph | Plan): Promise<string> {
  if ("nodes" in result) return (await import("../../ir/print.ts")).printGraph(result);
  return (await import("../../ir/print-plan.ts")).printPlan(result);
}

async function emitted(program: Program, what: "graph" | "plan" | "kernels"): Promise<string> {
  if (what === "graph") return irText(program.graph);
  const parts = await Promise.all(
    program.variants.map(async (variant) => {
      const text =
        what === "plan"
          ? await irText(variant.plan)
          : variant.kernels.map((kernel) => kernel.text).join("\n");
      return program.variants.length === 1 ? text : `// variant ${variant.plan.profile.name}\n${text}`;
    }),
  );
  return parts.join("\n");
}

function describe(program: Program, out: Output): void {
  for (const { plan, kernels } of program.variants) {
    const rows = kernelRows({ plan, kernels });
    out.print(`${program.name} for ${plan.profile.name}: ${plural(rows.length, "kernel")}`);
    out.print(
      table(
        ["stage", "kernel", "lowering", "FLOPs a row", "bytes", "bytes a row", "workgroup"],
        rows.map((row) => [
          row.stage,
          row.name,
          row.lowering,
          figure(row.flops),
          bytes(row.bytes.fixed),
          bytes(row.bytes.perRow),
          String(row.workgroup),
        ]),
        ["left", "left", "left", "right", "right", "right", "right"],
      ),
    );
  }
}

function kernelRows({ plan, kernels }: Pick<Variant, "plan" | "kernels">) {
  const tiles = new Map(
    [...plan.kernels.load, ...plan.kernels.user, ...plan.kernels.item].map((tile) => [tile.name, tile]),
  );
  return kernels.map((kernel) => {
    const tile = tiles.get(kernel.name);
    if (tile === undefined) throw new Error(`internal: kernel ${kernel.name} is not in the plan`);
    const { flops, bytes: moved, fused } = tile.about;
    return {
      stage: kernel.stage,
      name: kernel.name,
      lowering: tile.lowering.kind,
      fused,
      flops,
      bytes: moved,
      workgroup: kernel.workgroup,
      bindings: kernel.bindings.length,
    };
  });
}

async function summary(program: Program) {
  return {
    ok: true,
    model: program.name,
    variants: program.variants.map((variant) => ({
      profile: variant.plan.profile,
      kernels: kernelRows(variant),
    })),
    diagnostics: await jsonDiagnostics(program.warnings, program.sources),
  };
}
