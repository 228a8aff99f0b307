/**
 * @file The compiler as one function: spec in, a Plan and the kernels' text for each device profile out. No device is
 * needed and no weight is read.
 *
 *     spec ──elaborate──▶ Graph ──passes──▶ Plan ──lower──▶ threads ──print──▶ WGSL | CUDA-C
 */
import { printCuda } from "../backends/cuda/print.ts";
import { lowerKernel } from "../backends/lower/index.ts";
import { printWgsl } from "../backends/wgsl/print.ts";
import type { Diagnostic, Sources } from "../grammar/diagnostics.ts";
import type { Apart } from "../passes/fuse.ts";
import type { Fusion } from "../passes/pass.ts";
import { runPipeline } from "../passes/pipeline.ts";
import { type Artifact, writeArtifact } from "./artifact.ts";
import type { DeviceCeilings } from "./ir/ceilings.ts";
import { withChoices } from "./ir/choices.ts";
import type { Graph } from "./ir/graph.ts";
import type { KernelText, Plan } from "./ir/plan.ts";
import type { Profile } from "./ir/profile.ts";
import type { ScheduleSource } from "./ir/schedule.ts";
import type { LoadOptions } from "./load.ts";
import type { Device } from "./runtime/device.ts";
import type { Engine } from "./runtime/engine/types.ts";
import { loadProfile } from "./runtime/profile.ts";
import type { WeightSource } from "./runtime/weights.ts";
import { elaborateSpec, notesFor, type SpecOptions } from "./spec.ts";
import { allKernels } from "./variant.ts";

export interface CompileOptions extends SpecOptions {
  /** A variant is made for each: a built-in profile (`gpu`, `software`, `sm_80`, `sm_89`, `sm_90`, `sm_90a`), a JSON file of one, or a device's own. Default: `gpu`. */
  readonly profiles?: readonly (string | Profile)[];
  /** Default true. False gives every temporary a buffer of its own, so that each can be read back and verified. */
  readonly reuseArena?: boolean;
  /** Default false. True also stores every discontinuous choice, so that verification can follow the device's. */
  readonly choices?: boolean;
  /** Default true. False computes what depends on the request alone for every candidate all the same: what reuse is measured against. */
  readonly reuse?: boolean;
  /** Schedules that overrule the cost model's, where they are valid for the kernel and the profile: what a tuner has measured. */
  readonly schedules?: ScheduleSource;
  /** What the cost model takes the device for. Default: that of the profile's class. */
  readonly ceilings?: DeviceCeilings;
  /** How far kernels are fused: `off`, `vertical`, `phases` or `all`, the default. */
  readonly fuse?: Fusion;
  /** Called after each pass of each variant with what the pass made. */
  readonly onPass?: (pass: string, result: Graph | Plan, profile: Profile) => void;
  /** Called with what passes say of their choices, a sentence each. */
  readonly onExplain?: (sentence: string, profile: Profile) => void;
}

/** A compiled model: one variant a profile. */
export interface Variant {
  readonly plan: Plan;
  readonly kernels: readonly KernelText[];
  /** The Graph whose nodes the plan's values hold: what verification evaluates. */
  readonly graph: Graph;
  /** Kernels that read one another and were not merged, each with the reason. */
  readonly apart: readonly Apart[];
  /** The Graph that the passes were given: the model as elaborated, with its choices as outputs where asked for. */
  readonly source: Graph;
}

export class Program {
  readonly name: string;
  /** The model as elaborated, before any pass. */
  readonly graph: Graph;
  readonly variants: readonly Variant[];
  /** Warnings and notes about the spec. */
  readonly warnings: readonly Diagnostic[];
  /** The text of every file that the spec is made of, to render `warnings` with. */
  readonly sources: Sources;

  constructor(graph: Graph, variants: readonly Variant[], warnings: readonly Diagnostic[], sources: Sources) {
    this.name = graph.name;
    this.graph = graph;
    this.variants = variants;
    this.warnings = warnings;
    this.sources = sources;
  }

  get plans(): readonly Plan[] {
    return this.variants.map((variant) => variant.plan);
  }

  /** The kernels of one of `plans`, in execution order: load, user, item. */
  kernels(plan: Plan): readonly KernelText[] {
    const variant = this.variants.find((candidate) => candidate.plan === plan);
    if (variant === undefined) throw new Error("internal: the plan is not one of this program's");
    return variant.kernels;
  }

  /** Writes `plan.json`, `kernels/*.wgsl` and `README.txt` into the folder `dir`, whole or not at all. */
  async write(dir: string): Promise<void> {
    const artifact: Artifact = { name: this.name, variants: this.variants };
    writeArtifact(dir, artifact);
  }

  /**
   * Loads weights onto a device and runs the load stage once. `weights`: a safetensors file, or a source of values such as
   * `drawnWeights` gives. Throws an InputError that names the missing limit if no variant fits the device.
   */
  async load(weights: string | WeightSource, device: Device, options: LoadOptions = {}): Promise<Engine> {
    const { loadEngine } = await import("./load.ts");
    return loadEngine(this, weights, device, options);
  }
}

/**
 * Compiles the model in `specPath`. Throws a DiagnosticError that holds every error of the spec, and an InputError for a
 * profile that cannot be read.
 */
export async function compile(specPath: string, options: CompileOptions = {}): Promise<Program> {
  const profiles = (options.profiles ?? ["gpu"]).map((p) => (typeof p === "string" ? loadProfile(p) : p));
  const { graph, diagnostics, sources } = elaborateSpec(specPath, options);
  const variants = profiles.map((profile) => compileFor(graph, profile, options));
  return new Program(graph, variants, notesFor(diagnostics, profiles), sources);
}

/** The back half: passes, lowering and printing of one Graph for one profile. */
export function compileFor(graph: Graph, profile: Profile, options: CompileOptions = {}): Variant {
  const { onPass, onExplain } = options;
  const source = options.choices === true ? withChoices(graph) : graph;
  const {
    graph: final,
    plan,
    apart = [],
  } = runPipeline(source, {
    profile,
    reuseArena: options.reuseArena ?? true,
    reuse: options.reuse ?? true,
    ...(options.fuse !== undefined && { fusion: options.fuse }),
    ...(options.schedules !== undefined && { schedules: options.schedules }),
    ...(options.ceilings !== undefined && { ceilings: options.ceilings }),
    ...(onPass !== undefined && { onPass: (pass, result) => onPass(pass, result, profile) }),
    ...(onExplain !== undefined && { onExplain: (sentence) => onExplain(sentence, profile) }),
  });
  const print = profile.cuda === undefined ? printWgsl : printCuda;
  const kernels = allKernels(plan).map((kernel): KernelText => print(lowerKernel(kernel, plan)));
  return { plan, kernels, graph: final, apart, source };
}
