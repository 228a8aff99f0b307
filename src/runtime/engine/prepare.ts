/** @file Kernels' texts made executable on whichever device, and ready for their first launch. */
import type { KernelText } from "../../ir/plan.ts";
import type { KernelDevice } from "../device.ts";
import type { Pipeline } from "./compute.ts";
import type { Counters } from "./memory.ts";
import { createPipelines } from "./pipelines.ts";
import { warmPipelines } from "./warm.ts";

type Progress = (done: number, total: number) => void;
type Wait = <T>(kind: string, promise: Promise<T>) => Promise<T>;

/** Pipelines by kernel name. Throws RMX0803. */
export function pipelinesOn(
  device: KernelDevice,
  kernels: readonly KernelText[],
  counters: Pick<Counters, "pipelinesCreated">,
): Promise<ReadonlyMap<string, Pipeline>> {
  return device.kind === "webgpu"
    ? createPipelines(device.gpu, kernels, counters)
    : device.gpu.createPipelines(kernels, counters, () => {});
}

/** Pipelines on their way. */
export interface Preparing {
  /** Done when the device has what it can work at while the host does something else. */
  readonly begun: Promise<void>;
  /** Pipelines by kernel name, launched once where a driver compiles at the first launch. */
  readonly ready: Promise<ReadonlyMap<string, Pipeline>>;
}

/**
 * Begins to make pipelines. Drivers compile as they are created, on threads of their own; a software driver compiles at the first
 * launch, which is made as soon as they are there. CUDA's kernels are machine code when they are loaded.
 */
export function beginPipelines(
  device: KernelDevice,
  kernels: readonly KernelText[],
  counters: Pick<Counters, "pipelinesCreated">,
  wait: Wait,
  onProgress: Progress,
): Preparing {
  if (device.kind === "cuda") {
    const ready = wait("pipelines", device.gpu.createPipelines(kernels, counters, onProgress));
    ready.catch(() => {});
    return { begun: Promise.resolve(), ready };
  }
  const created = wait("pipelines", createPipelines(device.gpu, kernels, counters));
  const ready = created.then(async (made) => {
    const distinct = new Map([...made.values()].map((each) => [each.pipeline, each]));
    await warmPipelines({ device, pipelines: [...distinct.values()], wait, onProgress });
    return made;
  });
  ready.catch(() => {});
  const nothing = (): void => {};
  return {
    begun: device.profile.features.software ? created.then(nothing, nothing) : Promise.resolve(),
    ready,
  };
}
