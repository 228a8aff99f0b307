/** @file Holds the CUDA-C of a model to its meaning: compiled for the host, run, and compared value by value with the f64 reference. */
import { expect } from "vitest";
import { compileFor, type Variant } from "../../src/compile.ts";
import type { Graph } from "../../src/ir/graph.ts";
import type { Profile } from "../../src/ir/profile.ts";
import { sm_80 } from "../../src/ir/profiles.ts";
import { drawnWeights } from "../../src/runtime/drawn.ts";
import { drawnInputs } from "../../src/runtime/drawninputs.ts";
import type { UserHandle } from "../../src/runtime/engine/types.ts";
import type { ModelInputs } from "../../src/runtime/inputs.ts";
import { type InspectedEngine, verify } from "../../src/runtime/verify.ts";
import { F32, type Sizes } from "../support/zoo.ts";
import { HostProgram, type HostRun } from "./host.ts";

export interface HostOptions {
  readonly sizes?: readonly Sizes[];
  readonly tolerance?: number;
  readonly profile?: Profile;
  readonly seed?: number;
  /** The size of call to compile for; default: the largest of `sizes`. */
  readonly serve?: Sizes;
}

/** One request with one candidate, several, and none. */
const SIZES: readonly Sizes[] = [
  { requests: 1, candidates: 1 },
  { requests: 3, candidates: 7 },
  { requests: 1, candidates: 0 },
];

export async function expectHostAgrees(graph: Graph, options: HostOptions = {}): Promise<Variant> {
  const { sizes = SIZES, tolerance = F32, profile = sm_80, seed = 1 } = options;
  const weights = drawnWeights(graph.params, { seed, perturb: true });
  const serve = options.serve ?? {
    requests: Math.max(...sizes.map((size) => size.requests)),
    candidates: Math.max(...sizes.map((size) => size.candidates)),
  };
  const variant = compileFor({ ...graph, serve }, profile, { reuseArena: false, choices: true });
  const program = new HostProgram(variant);
  try {
    for (const size of sizes) {
      const inputs = drawnInputs(graph.features, { ...size, seed: seed + size.candidates });
      const engine = inspected(program.run(inputs, weights), inputs);
      const { kernels, tasks, choices } = await verify({ ...variant, engine, inputs, weights, tolerance });
      const said = `${size.requests} requests, ${size.candidates} candidates`;
      for (const { name, what, error } of [...kernels, ...tasks])
        expect(error, `${name}: ${what}, ${said}`).toBeLessThanOrEqual(tolerance);
      for (const { name, what, gap } of choices)
        expect(gap, `${name}: ${what}, distance from a tie, ${said}`).toBeLessThanOrEqual(tolerance);
    }
  } finally {
    program.close();
  }
  return variant;
}

/** A call that has run, as `verify` looks at one. */
export function inspected(run: HostRun, { requests }: ModelInputs): InspectedEngine {
  const handle: UserHandle = {
    requests,
    bytes: 0,
    live: true,
    retain: () => handle,
    serialize: () => Promise.reject(new Error("nothing is kept")),
    free: () => {},
  };
  return {
    user: () => Promise.resolve(handle),
    score: () => Promise.resolve(new Map()),
    read: (value) => Promise.resolve(run.read(value)),
  };
}
