/** @file What each kernel took, beside what it had to do and what the device can do at best. */
import type { Stage } from "../../ir/graph.ts";
import type { Plan } from "../../ir/plan.ts";
import { partsOf, type TileKernel, tensorFormat } from "../../ir/tile.ts";
import type { Probe } from "../../runtime/probe.ts";
import { median } from "../../statistics.ts";
import { sum, type Watched } from "./measure.ts";

export interface KernelRow {
  readonly name: string;
  readonly stage: Stage;
  readonly lowering: string;
  /** In one call: slices of a parameter above the binding limit and chunks of rows are launches of their own. */
  readonly launches: number;
  /** Of all its launches in a call, the median. */
  readonly seconds: number;
  /** Of the sum of all kernels. */
  readonly share: number;
  /** In a call. Of a kernel over active rows: as many as can be active. */
  readonly flops: number;
  readonly bytes: number;
  readonly atMost: boolean;
  /** FLOP/s over the device's measured rate (of tensor cores where the kernel runs on them), bytes a second over its measured bandwidth. */
  readonly ofFlops: number;
  readonly ofBandwidth: number;
  readonly fused: readonly string[];
}

/** In execution order. */
export function kernelRows(
  plan: Plan,
  kernels: readonly Watched[],
  size: { readonly requests: number; readonly candidates: number },
  probe: Probe,
): KernelRow[] {
  const times = new Map<string, number[]>();
  const launches = new Map<string, number>();
  for (const { chunks } of kernels) {
    const inCall = new Map<string, number>();
    launches.clear();
    for (const { name, begin, end } of chunks.flatMap((chunk) => chunk.launches)) {
      inCall.set(name, (inCall.get(name) ?? 0) + (end - begin) / 1e9);
      launches.set(name, (launches.get(name) ?? 0) + 1);
    }
    for (const [name, seconds] of inCall) times.set(name, [...(times.get(name) ?? []), seconds]);
  }
  const timed = [...plan.kernels.user, ...plan.kernels.item].flatMap((kernel) => {
    const own = times.get(kernel.name);
    return own === undefined ? [] : [{ kernel, seconds: median(own) }];
  });
  const total = sum(timed.map(({ seconds }) => seconds));
  return timed.map(({ kernel, seconds }) => {
    const { flops, bytes } = workOf(kernel, kernel.stage === "user" ? size.requests : size.candidates);
    return {
      name: kernel.name,
      stage: kernel.stage,
      lowering: kernel.lowering.kind,
      launches: launches.get(kernel.name) ?? 0,
      seconds,
      share: total === 0 ? 0 : seconds / total,
      flops,
      bytes,
      atMost: kernel.indirect !== undefined,
      ofFlops: flops / seconds / rateFor(kernel, probe),
      ofBandwidth: bytes / seconds / probe.bandwidth,
      fused: kernel.about.fused,
    };
  });
}

function rateFor(kernel: TileKernel, { flops, tensor }: Probe): number {
  const onTensorCores = partsOf(kernel).some(({ lowering }) => tensorFormat(lowering) !== undefined);
  return onTensorCores ? (tensor ?? flops) : flops;
}

/** Of a call of so many rows, each element read and written once. */
export function workOf({ about }: Pick<TileKernel, "about">, rows: number): { flops: number; bytes: number } {
  const { flops, bytes } = about;
  return { flops: flops * rows, bytes: rows === 0 ? 0 : bytes.fixed + bytes.perRow * rows };
}
