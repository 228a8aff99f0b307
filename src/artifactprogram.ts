/** @file A compiled model read back from its folder: the runtime alone, without the compiler. */
import { readArtifact } from "./artifact.ts";
import type { KernelText, Plan } from "./ir/plan.ts";
import { type LoadableVariant, type LoadOptions, loadEngine } from "./load.ts";
import type { Device } from "./runtime/device.ts";
import type { Engine } from "./runtime/engine/types.ts";
import type { WeightSource } from "./runtime/weights.ts";

/** What `Program` is after it was written to a folder. */
export class ArtifactProgram {
  readonly name: string;
  readonly variants: readonly LoadableVariant[];

  constructor(name: string, variants: readonly LoadableVariant[]) {
    this.name = name;
    this.variants = variants;
  }

  get plans(): readonly Plan[] {
    return this.variants.map((variant) => variant.plan);
  }

  kernels(plan: Plan): readonly KernelText[] {
    const variant = this.variants.find((candidate) => candidate.plan === plan);
    if (variant === undefined) throw new Error("internal: the plan is not one of this program's");
    return variant.kernels;
  }

  /** As `Program.load`. The `reference` device evaluates the model, which an artifact does not hold: RMX0821. */
  async load(weights: string | WeightSource, device: Device, options: LoadOptions = {}): Promise<Engine> {
    return loadEngine(this, weights, device, options);
  }
}

/** Reads the folder that `rmxc compile -o` or `Program.write` wrote. Throws RMX0520 if it holds none. */
export async function loadArtifact(dir: string): Promise<ArtifactProgram> {
  const { name, variants } = readArtifact(dir);
  return new ArtifactProgram(name, variants);
}
