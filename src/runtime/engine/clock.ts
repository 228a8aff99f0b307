/**
 * @file Timing one stage's call: when it was submitted, when its results were there, and what it took on the device. Where
 * the device has timestamps they say so; elsewhere the call is cut into submissions that are waited for one by one, and
 * each time then holds a wait (`roundTrip` of the probe). A call that nobody watches has no clock and costs nothing.
 */
import type { ComputeEncoder } from "./compute.ts";
import type { Memory } from "./memory.ts";
import type { StageProgram } from "./stage.ts";
import { PassTimer } from "./timer.ts";
import type { CallTimes, CallWatcher, KernelTime, LaunchTime } from "./types.ts";

export interface ClockOf {
  readonly memory: Memory;
  readonly program: StageProgram;
  readonly rows: number;
  readonly detail: CallWatcher["detail"];
  /** The device has timestamps. */
  readonly stamps: boolean;
  /** Of the flight that the call is made in. */
  readonly timers: Map<string, PassTimer>;
  readonly submit: (encoder: ComputeEncoder) => void;
  readonly wait: (kind: string, promise: Promise<undefined>) => Promise<undefined>;
  readonly report: (times: CallTimes) => void;
}

export class CallClock {
  readonly #of: ClockOf;
  readonly #timer: PassTimer | undefined;
  readonly #begin = performance.now();
  #submitted = 0;
  #launches: LaunchTime[] = [];

  constructor(of: ClockOf) {
    this.#of = of;
    this.#timer = of.stamps ? timerFor(of) : undefined;
  }

  /** Where each launch must be a submission of its own: runs them all. Call after the stage's uploads. */
  get serially(): (() => Promise<void>) | undefined {
    const { detail } = this.#of;
    return this.#timer === undefined && detail === "kernels" ? () => this.#runSerially() : undefined;
  }

  /** Encodes the stage, which `serially` has not run. */
  encode(encoder: ComputeEncoder): void {
    this.#of.program.encode(encoder, { timer: this.#timer });
    this.#timer?.resolve(encoder);
  }

  /** Marks that the call's commands are with the device. Without timestamps, waits for them. */
  async submitted(): Promise<void> {
    this.#submitted ||= performance.now();
    const { program, detail, memory } = this.#of;
    if (this.#timer !== undefined || detail === "kernels") return;
    await this.#wait(`${program.stage} alone`, memory.gpu.queue.onSubmittedWorkDone());
    this.#launches = [{ name: program.stage, begin: 0, end: 1e6 * (performance.now() - this.#submitted) }];
  }

  /** The results are where the caller wants them. */
  async end(): Promise<void> {
    const end = performance.now();
    const { program, rows, report } = this.#of;
    const collected = await this.#timer?.collect((promise) => this.#wait("timestamps", promise));
    const launches = collected ?? this.#launches;
    const reading = performance.now() - end;
    report({
      stage: program.stage,
      rows,
      begin: this.#begin,
      submitted: this.#submitted,
      end,
      reading,
      launches,
    });
  }

  async #runSerially(): Promise<void> {
    const { program, memory, submit } = this.#of;
    const { gpu } = memory;
    // The uploads are no kernel's.
    await this.#wait("uploads", gpu.queue.onSubmittedWorkDone());
    const origin = performance.now();
    this.#submitted = origin;
    const since = (): number => 1e6 * (performance.now() - origin);
    for (const [i, { kernel }] of program.launches.entries()) {
      const encoder = gpu.createCommandEncoder({ label: kernel.name });
      program.encode(encoder, { only: i });
      const begin = since();
      submit(encoder);
      await this.#wait(`${program.stage} launch ${i}`, gpu.queue.onSubmittedWorkDone());
      this.#launches.push({ name: kernel.name, begin, end: since() });
    }
  }

  #wait(kind: string, promise: Promise<undefined>): Promise<undefined> {
    return this.#of.wait(kind, promise);
  }
}

function timerFor({ timers, memory, program, detail }: ClockOf): PassTimer {
  const key = `${program.stage} ${detail}`;
  let timer = timers.get(key);
  if (timer === undefined) {
    const each = detail === "kernels";
    const names = each ? program.launches.map(({ kernel }) => kernel.name) : [program.stage];
    timer = new PassTimer(memory, key, names, each);
    timers.set(key, timer);
  }
  return timer;
}

/** Adds the launches of a call to what each kernel took so far. */
export function addKernelTimes(times: Map<string, KernelTime>, { stage, launches }: CallTimes): void {
  for (const { name, begin, end } of launches) {
    const before = times.get(name) ?? { stage, runs: 0, nanoseconds: 0 };
    times.set(name, { stage, runs: before.runs + 1, nanoseconds: before.nanoseconds + end - begin });
  }
}
