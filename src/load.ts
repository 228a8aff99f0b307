/** @file From a compiled model to an engine: chooses the variant that the device satisfies and opens the weights. */
import { InputError } from "./ir/error.ts";
import type { Graph } from "./ir/graph.ts";
import type { KernelText, Plan } from "./ir/plan.ts";
import { scaledBy, scaledDerived } from "./ir/storage.ts";
import type { Device } from "./runtime/device.ts";
import { loadKernelEngine } from "./runtime/engine/kernelengine.ts";
import { ReferenceEngine } from "./runtime/engine/reference.ts";
import type { Engine, EngineOptions, LoadOptions } from "./runtime/engine/types.ts";
import { fileWeights } from "./runtime/fileweights.ts";
import { missingLimits } from "./runtime/profile.ts";
import type { WeightSource } from "./runtime/weights.ts";

export type { LoadOptions } from "./runtime/engine/types.ts";

export interface LoadableVariant {
  readonly plan: Plan;
  readonly kernels: readonly KernelText[];
}

export interface Loadable {
  readonly name: string;
  readonly variants: readonly LoadableVariant[];
  /** The model itself, which the `reference` device evaluates; an artifact has none. */
  readonly graph?: Graph;
}

/**
 * See `Program.load`. Throws RMX0820 if no variant fits the device, and RMX0821 for the `reference` device, which
 * evaluates the model and runs no kernels, if there is no model.
 */
export async function loadEngine(
  program: Loadable,
  weights: string | WeightSource,
  device: Device,
  options: LoadOptions = {},
): Promise<Engine> {
  const variant = device.kind === "reference" ? undefined : chooseVariant(program, device);
  if (device.kind === "reference" && program.graph === undefined) {
    throw new InputError(
      "RMX0821",
      `${program.name} is compiled to kernels, which the reference device cannot run`,
      {
        help: "open a CUDA or WebGPU device, or compile the spec in this process",
      },
    );
  }
  const params = program.graph?.params ?? variant?.plan.params ?? [];
  if (typeof weights !== "string") return loadOnto(device, variant, program.graph, weights, options);
  const file = fileWeights(weights, params, scaledBeside(program.graph, variant?.plan));
  try {
    const engine = await loadOnto(device, variant, program.graph, file, { ...options, ownsWeights: true });
    // On the device they are enough; what is read again (a table's rows, all to restore) comes from the file.
    if (device.kind !== "reference") file.release();
    return engine;
  } catch (error) {
    file.close();
    throw error;
  }
}

async function loadOnto(
  device: Device,
  variant: LoadableVariant | undefined,
  graph: Graph | undefined,
  weights: WeightSource,
  options: EngineOptions,
): Promise<Engine> {
  if (device.kind !== "reference" && variant !== undefined) {
    return loadKernelEngine(device, variant, weights, options);
  }
  if (graph === undefined) throw new Error("internal: the reference device without a model");
  return new ReferenceEngine(graph, weights, options);
}

/**
 * The variants that the device satisfies, best first: one made for its kind (a CPU that poses as a GPU, or not), then the
 * order in which they were compiled. Throws RMX0820 if there is none, naming for each what is missing.
 */
export function chooseVariant<V extends LoadableVariant>(
  program: { readonly name: string; readonly variants: readonly V[] },
  device: Pick<Device, "profile" | "name">,
): V {
  const { software } = device.profile.features;
  const fitting = program.variants.filter(
    ({ plan }) => missingLimits(plan.profile, device.profile).length === 0,
  );
  const chosen = fitting.find(({ plan }) => plan.profile.features.software === software) ?? fitting[0];
  if (chosen !== undefined) return chosen;
  throw new InputError("RMX0820", `no variant of ${program.name} runs on ${device.name}`, {
    notes: program.variants.flatMap(({ plan }) =>
      missingLimits(plan.profile, device.profile).map(
        (missing) => `variant ${plan.profile.name}: ${missing}`,
      ),
    ),
    help: "compile for this device: pass its own `profile`, or a file of it (`rmxc doctor --json` prints it)",
  });
}

/** The load-stage values whose activations have a calibrated scale in the weights file. */
function scaledBeside(graph: Graph | undefined, plan: Plan | undefined): readonly string[] {
  if (graph !== undefined) return scaledDerived(graph);
  return (plan?.values ?? []).flatMap(({ home }) => {
    return (home.kind === "param" ? scaledBy(home.path) : undefined) ?? [];
  });
}
