/**
 * @file Kernels on trial: one of a loaded model's kernels under other schedules, launched on the buffers of the model's last call, so
 * that inputs, gathers and limits are the real ones. Contenders run in turn, pass after pass, so that whatever else the
 * machine does meets them alike.
 */
import type { Stage } from "../../ir/graph.ts";
import type { KernelText } from "../../ir/plan.ts";
import type { TileKernel } from "../../ir/tile.ts";
import type { ComputeEncoder, PassTimestamps, Pipeline } from "./compute.ts";
import type { Memory } from "./memory.ts";
import type { Piece } from "./readback.ts";
import type { AlternativeLaunch, StageProgram } from "./stage.ts";
import { PassTimer } from "./timer.ts";
import type { ReadValue } from "./types.ts";

/** A kernel of the plan under some schedule, as text. */
export interface Contender {
  readonly kernel: TileKernel;
  readonly text: KernelText;
}

export interface TrialAccess {
  readonly memory: Memory;
  readonly createPipelines: (kernels: readonly KernelText[]) => Promise<ReadonlyMap<string, Pipeline>>;
  /** The device has timestamps. */
  readonly stamps: boolean;
  readonly stage: (stage: Stage) => StageProgram;
  /** Where a value lies after the last call. */
  readonly placeOf: (id: number) => readonly Piece[];
  readonly read: (id: number) => Promise<ReadValue>;
  readonly wait: (kind: string, promise: Promise<undefined>) => Promise<undefined>;
}

/** A contender that is ready to run. */
export interface Prepared {
  readonly name: string;
  readonly stage: Stage;
  /** One launch, or one a slice of a large parameter. */
  readonly launches: readonly AlternativeLaunch[];
  /** What it stores, by value. */
  readonly stores: readonly number[];
}

export class KernelTrials {
  readonly #access: TrialAccess;
  readonly #timers = new Map<number, PassTimer>();

  constructor(access: TrialAccess) {
    this.#access = access;
  }

  /** Throws RMX0803 where the device does not take the text. */
  async prepare({ kernel, text }: Contender): Promise<Prepared> {
    const { createPipelines, stage } = this.#access;
    const pipelines = await createPipelines([text]);
    const pipeline = pipelines.get(text.name);
    if (pipeline === undefined) throw new Error(`internal: no pipeline for ${text.name}`);
    const stores = kernel.buffers.filter(({ access }) => access === "write").map(({ value }) => value);
    return {
      name: kernel.name,
      stage: kernel.stage,
      launches: stage(kernel.stage).alternative(kernel, pipeline),
      stores: [...new Set(stores)],
    };
  }

  /** Runs it once, after what it stores was filled with NaN. A driver that compiles at the first launch does it here. */
  async once(prepared: Prepared): Promise<void> {
    const { memory, placeOf, wait } = this.#access;
    for (const id of prepared.stores) {
      for (const { buffer, at, count } of placeOf(id)) memory.fillNaN(buffer, at, count);
    }
    const encoder = memory.gpu.createCommandEncoder({ label: prepared.name });
    this.#pass(encoder, prepared, 1, {});
    memory.gpu.queue.submit([encoder.finish()]);
    await wait("trial once", memory.gpu.queue.onSubmittedWorkDone());
  }

  /** What lies where the kernel stores, value by value. */
  async results({ stores }: Prepared): Promise<ReadValue[]> {
    const values: ReadValue[] = [];
    for (const id of stores) values.push(await this.#access.read(id));
    return values;
  }

  /** Nanoseconds of one run of each contender, [contender][round]; each is run `repeats` times a round. */
  async race(contenders: readonly Prepared[], rounds: number, repeats: number): Promise<number[][]> {
    const times: number[][] = contenders.map(() => []);
    for (let round = 0; round < rounds; round++) {
      const taken = this.#access.stamps
        ? await this.#byTimestamps(contenders, repeats)
        : await this.#fromOutside(contenders, repeats);
      taken.forEach((nanoseconds, i) => {
        times[i]?.push(nanoseconds / repeats);
      });
    }
    return times;
  }

  destroy(): void {
    for (const timer of this.#timers.values()) timer.destroy();
    this.#timers.clear();
  }

  async #byTimestamps(contenders: readonly Prepared[], repeats: number): Promise<number[]> {
    const { memory, wait } = this.#access;
    const timer = this.#timer(contenders.length);
    const encoder = memory.gpu.createCommandEncoder({ label: "trial" });
    contenders.forEach((contender, i) => {
      this.#pass(encoder, contender, repeats, { timestampWrites: timer.writes(i) });
    });
    timer.resolve(encoder);
    memory.gpu.queue.submit([encoder.finish()]);
    const passes = await timer.collect((promise) => wait("trial", promise));
    return passes.map(({ begin, end }) => end - begin);
  }

  async #fromOutside(contenders: readonly Prepared[], repeats: number): Promise<number[]> {
    const { memory, wait } = this.#access;
    const taken: number[] = [];
    for (const [i, contender] of contenders.entries()) {
      const encoder = memory.gpu.createCommandEncoder({ label: contender.name });
      this.#pass(encoder, contender, repeats, {});
      const begin = performance.now();
      memory.gpu.queue.submit([encoder.finish()]);
      await wait(`trial ${i}`, memory.gpu.queue.onSubmittedWorkDone());
      taken.push(1e6 * (performance.now() - begin));
    }
    return taken;
  }

  #pass(
    encoder: ComputeEncoder,
    { name, launches }: Prepared,
    repeats: number,
    timed: { readonly timestampWrites?: PassTimestamps },
  ): void {
    const pass = encoder.beginComputePass({ label: name, ...timed });
    for (let repeat = 0; repeat < repeats; repeat++) {
      for (const { pipeline, group, workgroups } of launches) {
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, group);
        pass.dispatchWorkgroups(...workgroups);
      }
    }
    pass.end();
  }

  #timer(passes: number): PassTimer {
    let timer = this.#timers.get(passes);
    if (timer === undefined) {
      const names = Array.from({ length: passes }, (_, i) => String(i));
      timer = new PassTimer(this.#access.memory, `trial of ${passes}`, names, true);
      this.#timers.set(passes, timer);
    }
    return timer;
  }
}
