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

/**
 * Begins to make pipelines. What it returns waits for them and, where a driver compiles at the first launch, has it do that now.
 * CUDA's kernels are machine code when they are loaded.
 */
export function beginPipelines(
  device: KernelDevice,
  kernels: readonly KernelText[],
  counters: Pick<Counters, "pipelinesCreated">,
  onProgress: Progress,
): (wait: Wait) => Promise<ReadonlyMap<string, Pipeline>> {
  if (device.kind === "cuda") {
    const creating = device.gpu.createPipelines(kernels, counters, onProgress);
    creating.catch(() => {});
    return (wait) => wait("pipelines", creating);
  }
  const creating = createPipelines(device.gpu, kernels, counters);
  creating.catch(() => {});
  return async (wait) => {
    const created = await wait("pipelines", creating);
    const distinct = new Map([...created.values()].map((each) => [each.pipeline, each]));
    await warmPipelines({ device, pipelines: [...distinct.values()], wait, onProgress });
    return created;
  };
}
