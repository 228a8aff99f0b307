/**
 * @file The WebGPU engine: executes a Plan and its kernels' texts.
 *
 * A call is: check the features, write them to the stage's buffers, submit one command buffer, wait, read the scores back.
 * Calls of one engine run one after another, in the order in which they were made. A call with more rows than the
 * limits of a binding allow is cut into chunks of rows, which do not know of one another.
 */
import { InputError } from "../../ir/error.ts";
import type { FeatureInfo, Stage } from "../../ir/graph.ts";
import { isScore, type KernelText, type Plan, type PlanOutput, type PlanValue } from "../../ir/plan.ts";
import type { WebGpuDevice } from "../device.ts";
import { checkInputs, checkRequest, type FeatureValues, type StageInputs, sliceRows } from "../inputs.ts";
import { missingLimits } from "../profile.ts";
import { Waiter } from "../wait.ts";
import type { WeightSource } from "../weights.ts";
import { BYTES, isBatched, layoutOf, newWords, unpackRows } from "./layout.ts";
import { type Counters, Memory } from "./memory.ts";
import { type Part, uploadConstants, uploadParams } from "./params.ts";
import { createPipelines, type Pipeline } from "./pipelines.ts";
import { OutputReader, type Piece, readWords } from "./readback.ts";
import { eachSlotRun, Slabs } from "./slabs.ts";
import { bindPart, StageProgram } from "./stage.ts";
import { KernelTimer } from "./timer.ts";
import type {
  Engine,
  EngineStats,
  KernelTime,
  LoadOptions,
  ReadValue,
  ScoreOptions,
  Scores,
  UserHandle,
} from "./types.ts";
import { uploadInputs, uploadKept, uploadSlots } from "./upload.ts";

export interface DeviceProgram {
  readonly plan: Plan;
  readonly kernels: readonly KernelText[];
}

/** Loads a program: pipelines, parameters, load stage. Throws RMX0802, RMX0803, RMX0805 and what reading weights throws. */
export async function loadWebGpuEngine(
  device: WebGpuDevice,
  program: DeviceProgram,
  weights: WeightSource,
  options: LoadOptions = {},
): Promise<WebGpuEngine> {
  const missing = missingLimits(program.plan.profile, device.profile);
  if (missing.length > 0) {
    throw new InputError("RMX0802", "the device has less than the program was compiled for", {
      notes: missing,
      help: "compile for this device's own profile, which is what `rmxc run` does",
    });
  }
  const engine = new WebGpuEngine(device, program.plan, weights, options);
  try {
    await engine.load(program.kernels);
  } catch (error) {
    engine.destroy();
    throw error;
  }
  return engine;
}

class SlotHandle implements UserHandle {
  readonly owner: WebGpuEngine;
  readonly slots: readonly number[];
  readonly #release: (slots: readonly number[]) => void;
  live = true;

  constructor(owner: WebGpuEngine, slots: readonly number[], release: (slots: readonly number[]) => void) {
    this.owner = owner;
    this.slots = slots;
    this.#release = release;
  }

  get requests(): number {
    return this.slots.length;
  }

  free(): void {
    if (!this.live) return;
    this.live = false;
    this.#release(this.slots);
  }
}

const noStage = (stage: Stage): never => {
  throw new Error(`internal: the ${stage} stage is not loaded`);
};

export class WebGpuEngine implements Engine {
  readonly #plan: Plan;
  readonly #weights: WeightSource;
  readonly #options: LoadOptions;
  readonly #gpu: GPUDevice;
  readonly #memory: Memory;
  readonly #waiter: Waiter;
  readonly #slabs: Slabs;
  readonly #outputs: OutputReader;
  readonly #scores: readonly PlanOutput[];
  readonly #outputValues: readonly PlanValue[];
  readonly #counters: Counters = { buffersCreated: 0, pipelinesCreated: 0, bindGroupsCreated: 0, submits: 0 };
  readonly #stageMs: Partial<Record<Stage, number>> = {};
  readonly #kernelTimes = new Map<string, KernelTime>();
  readonly #programs = new Map<Stage, StageProgram>();
  readonly #timers = new Map<Stage, KernelTimer>();
  readonly #deviceErrors: string[] = [];
  readonly #onDeviceError = (event: GPUUncapturedErrorEvent): void => {
    this.#deviceErrors.push(event.error.message);
  };
  #params: ReadonlyMap<number, readonly Part[]> = new Map();
  #whole = new Map<number, GPUBuffer>();
  #lastSlots: readonly number[] = [];
  #tail: Promise<unknown> = Promise.resolve();
  #lost: string | undefined;
  #destroyed = false;

  constructor(device: WebGpuDevice, plan: Plan, weights: WeightSource, options: LoadOptions) {
    this.#plan = plan;
    this.#weights = weights;
    this.#options = options;
    this.#gpu = device.gpu;
    this.#memory = new Memory(device.gpu, plan.profile.limits, this.#counters);
    this.#waiter = new Waiter(device.profile.features.software);
    this.#gpu.addEventListener("uncapturederror", this.#onDeviceError);
    this.#gpu.lost.then((lost) => {
      this.#lost = lost.message || lost.reason;
    });
    this.#slabs = new Slabs(plan, this.#memory);
    this.#scores = plan.outputs.filter(isScore);
    this.#outputValues = this.#scores.map((output) => this.#value(output.value));
    this.#outputs = new OutputReader(this.#memory, this.#outputValues);
  }

  /** Runs once, before anything else. */
  async load(kernels: readonly KernelText[]): Promise<void> {
    const begin = performance.now();
    const { onProgress = () => {} } = this.#options;
    const pipelines = await createPipelines(this.#gpu, kernels, this.#counters, (done, total) =>
      onProgress("kernels", done, total),
    );
    this.#gpu.pushErrorScope("out-of-memory");
    this.#params = uploadParams(this.#plan, this.#memory, this.#weights, (done, total) =>
      onProgress("weights", done, total),
    );
    this.#whole = uploadConstants(this.#plan, this.#memory);
    for (const value of this.#plan.values) {
      if (value.home.kind !== "load") continue;
      this.#whole.set(value.id, this.#memory.storage(value.name, value.unit * BYTES));
    }
    for (const stage of ["load", "user", "item"] as const)
      this.#programs.set(stage, this.#program(stage, pipelines));
    const outOfMemory = await this.#gpu.popErrorScope();
    if (outOfMemory !== null) {
      throw new InputError("RMX0805", "the model does not fit the device's memory", {
        notes: [outOfMemory.message],
      });
    }
    await this.#runLoadStage();
    await this.#warmUp();
    this.#stageMs.load = performance.now() - begin;
  }

  user(features: FeatureValues, options: { readonly requests?: number } = {}): Promise<UserHandle> {
    return this.#inTurn(async () => {
      const begin = performance.now();
      const inputs = checkInputs(this.#plan.features, "user", features, options.requests);
      if (this.#slabs.reserve(inputs.rows)) this.#invalidate();
      const slots = this.#slabs.allocate(inputs.rows);
      try {
        await this.#runUserStage(inputs, slots);
      } catch (error) {
        this.#slabs.free(slots);
        throw error;
      }
      this.#stageMs.user = performance.now() - begin;
      return new SlotHandle(this, slots, (freed) => this.#slabs.free(freed));
    });
  }

  score(
    user: UserHandle | readonly UserHandle[],
    items: FeatureValues,
    options: ScoreOptions = {},
  ): Promise<Scores> {
    return this.#inTurn(async () => {
      const begin = performance.now();
      const slots = this.#slotsOf(user);
      const inputs = checkInputs(this.#plan.features, "item", items, options.candidates);
      const request = checkRequest(options.request, inputs.rows, slots.length);
      const scores = this.#outputValues.map(
        (value) => new Float32Array(inputs.rows * layoutOf(value).compactUnit),
      );
      await this.#runItemStage(
        inputs,
        request.map((r) => slots[r] ?? 0),
        scores,
      );
      this.#stageMs.item = performance.now() - begin;
      return new Map(this.#scores.map((output, i) => [output.task, scores[i] ?? new Float32Array()]));
    });
  }

  /**
   * A value as the last call left it (of a call cut into chunks, the last chunk). A temporary is what its kernel wrote only
   * in a plan whose arena slots are not reused.
   */
  read(id: number): Promise<ReadValue> {
    return this.#inTurn(async () => {
      const value = this.#value(id);
      const layout = layoutOf(value);
      const { pieces, rows } = this.#piecesOf(value);
      const words = await readWords(this.#memory, value.element, pieces, (kind, promise) =>
        this.#wait(kind, promise),
      );
      const data = newWords(value.element === "u32" ? "i32" : value.element, rows * layout.compactUnit);
      unpackRows(layout, words, rows, data);
      if (data instanceof Uint32Array) throw new Error("internal: unsigned values are read as signed");
      const shape = value.shape.map((extent) => (typeof extent === "number" ? extent : rows));
      return { shape, data };
    });
  }

  stats(): EngineStats {
    return { ...this.#counters, stageMs: { ...this.#stageMs }, kernels: new Map(this.#kernelTimes) };
  }

  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.#gpu.removeEventListener("uncapturederror", this.#onDeviceError);
    for (const timer of this.#timers.values()) timer.destroy();
    this.#memory.freeAll();
  }

  async #runLoadStage(): Promise<void> {
    const program = this.#stage("load");
    if (program.launches.length > 0) {
      program.prepare(1);
      if (this.#options.poison === true) this.#poisonLoad(program);
      await this.#submitAndWait(program);
    }
    if (this.#options.inspect !== true) program.release();
  }

  /** Drivers that compile at the first launch do it here, with nothing to compute. */
  async #warmUp(): Promise<void> {
    const encoder = this.#gpu.createCommandEncoder({ label: "warm up" });
    for (const stage of ["user", "item"] as const) {
      const program = this.#stage(stage);
      program.prepare(1);
      program.prepare(0);
      program.encode(encoder, { atLeastOnce: true });
    }
    this.#submit(encoder);
    await this.#wait("warm up", this.#gpu.queue.onSubmittedWorkDone());
  }

  async #runUserStage(inputs: StageInputs, slots: readonly number[]): Promise<void> {
    const program = this.#stage("user");
    this.#lastSlots = slots;
    await this.#inChunks(program, inputs, async (chunk, from) => {
      const chunkSlots = slots.slice(from, from + chunk.rows);
      this.#lastSlots = chunkSlots;
      if (this.#options.poison === true) this.#poisonUser(program, chunkSlots);
      uploadInputs(this.#plan, program, chunk, this.#weights, this.#memory);
      uploadKept(this.#plan, this.#slabs, chunkSlots, chunk, this.#memory);
      uploadSlots(this.#plan, program, Int32Array.from(chunkSlots), this.#memory);
      await this.#submitAndWait(program);
    });
  }

  async #runItemStage(
    inputs: StageInputs,
    slots: Int32Array,
    scores: readonly Float32Array[],
  ): Promise<void> {
    const program = this.#stage("item");
    await this.#inChunks(program, inputs, async (chunk, from) => {
      if (this.#options.poison === true) program.poison();
      uploadInputs(this.#plan, program, chunk, this.#weights, this.#memory);
      uploadSlots(this.#plan, program, slots.subarray(from, from + chunk.rows), this.#memory);
      const encoder = this.#gpu.createCommandEncoder({ label: "item" });
      const timer = this.#timer("item", program);
      program.encode(encoder, { timer });
      timer?.resolve(encoder);
      this.#outputs.copy(encoder, (value) => program.buffer(value), chunk.rows, program.capacity);
      this.#submit(encoder);
      await this.#outputs.read(chunk.rows, scores, from, (kind, promise) => this.#wait(kind, promise));
      await timer?.collect((promise) => this.#wait("timestamps", promise));
    });
  }

  /** Runs `run` for chunks of rows that the program can take, none for no rows. */
  async #inChunks(
    program: StageProgram,
    inputs: StageInputs,
    run: (chunk: StageInputs, from: number) => Promise<void>,
  ): Promise<void> {
    const features: readonly FeatureInfo[] = this.#plan.features;
    const most = program.mostRows;
    for (let from = 0; from < inputs.rows; from += most) {
      const to = Math.min(inputs.rows, from + most);
      program.prepare(to - from);
      await run(to - from === inputs.rows ? inputs : sliceRows(features, inputs, from, to), from);
    }
  }

  async #submitAndWait(program: StageProgram): Promise<void> {
    const encoder = this.#gpu.createCommandEncoder({ label: program.stage });
    const timer = this.#timer(program.stage, program);
    program.encode(encoder, { timer });
    timer?.resolve(encoder);
    this.#submit(encoder);
    await this.#wait(`${program.stage} ${program.capacity}`, this.#gpu.queue.onSubmittedWorkDone());
    await timer?.collect((promise) => this.#wait("timestamps", promise));
  }

  #submit(encoder: GPUCommandEncoder): void {
    this.#gpu.queue.submit([encoder.finish()]);
    this.#counters.submits++;
  }

  /** The promise's result, or the error that the device reported in the meantime. */
  async #wait(kind: string, promise: Promise<undefined>): Promise<undefined> {
    try {
      await this.#waiter.wait(kind, promise);
    } catch (error) {
      // The reason of a loss arrives a moment after the promises that it broke.
      await new Promise((resolve) => setTimeout(resolve, 50));
      this.#throwIfFailed();
      throw new InputError("RMX0807", "the device reported an error", { notes: [(error as Error).message] });
    }
    this.#throwIfFailed();
  }

  #throwIfFailed(): void {
    if (this.#lost !== undefined) {
      throw new InputError("RMX0804", "the device was lost", {
        notes: [this.#lost],
        help: "open a device and load the model again",
      });
    }
    if (this.#deviceErrors.length > 0) {
      const notes = this.#deviceErrors.splice(0).map((message) => message.trim());
      throw new InputError("RMX0807", "the device reported an error", { notes });
    }
  }

  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const turn = this.#tail.then(() => {
      if (this.#destroyed) throw new InputError("RMX0804", "the engine was destroyed", { notes: [] });
      this.#throwIfFailed();
      return run();
    });
    this.#tail = turn.catch(() => undefined);
    return turn;
  }

  #slotsOf(user: UserHandle | readonly UserHandle[]): number[] {
    const handles = Array.isArray(user) ? (user as readonly UserHandle[]) : [user as UserHandle];
    return handles.flatMap((handle) => {
      if (handle instanceof SlotHandle && handle.owner === this && handle.live) return handle.slots;
      throw new InputError("RMX0709", "a user handle is not valid in this engine", {
        notes: ["it was freed, or another engine made it"],
      });
    });
  }

  #program(stage: Stage, pipelines: ReadonlyMap<string, Pipeline>): StageProgram {
    return new StageProgram(this.#plan, stage, pipelines, this.#memory, this.#counters, (value, range) => {
      const parts = this.#params.get(value.id);
      if (parts !== undefined) return bindPart(value, parts, range);
      const buffer = this.#slabs.buffer(value.id) ?? this.#whole.get(value.id);
      return buffer === undefined ? undefined : { buffer };
    });
  }

  #stage(stage: Stage): StageProgram {
    return this.#programs.get(stage) ?? noStage(stage);
  }

  #timer(stage: Stage, program: StageProgram): KernelTimer | undefined {
    if (this.#options.profile !== true || !this.#gpu.features.has("timestamp-query")) return undefined;
    let timer = this.#timers.get(stage);
    if (timer === undefined) {
      const names = program.launches.map(({ kernel }) => kernel.name);
      timer = new KernelTimer(this.#memory, stage, names, this.#kernelTimes);
      this.#timers.set(stage, timer);
    }
    return timer;
  }

  #invalidate(): void {
    for (const program of this.#programs.values()) program.invalidate();
  }

  #poisonLoad(program: StageProgram): void {
    program.poison();
    for (const value of this.#plan.values) {
      const buffer = value.home.kind === "load" ? this.#whole.get(value.id) : undefined;
      if (buffer !== undefined) this.#memory.fillNaN(buffer, 0, value.unit);
    }
  }

  #poisonUser(program: StageProgram, slots: readonly number[]): void {
    program.poison();
    for (const value of this.#plan.values) {
      const buffer = this.#slabs.buffer(value.id);
      if (buffer === undefined) continue;
      eachSlotRun(slots, (_, slot, length) => {
        this.#memory.fillNaN(buffer, slot * value.unit, length * value.unit);
      });
    }
  }

  #value(id: number): PlanValue {
    const value = this.#plan.values[id];
    if (value === undefined) throw new Error(`internal: the plan has no value ${id}`);
    return value;
  }

  /** Where a value lies now, and its rows (1 where it has no batch axis and is one piece). */
  #piecesOf(value: PlanValue): { pieces: Piece[]; rows: number } {
    const layout = layoutOf(value);
    const parts = this.#params.get(value.id);
    if (parts !== undefined) {
      const pieces = parts.map(({ from, to, buffer }) => ({
        buffer,
        at: 0,
        count: (to - from) * layout.unit,
      }));
      return { pieces, rows: layout.rows ?? 1 };
    }
    const slab = this.#slabs.buffer(value.id);
    if (slab !== undefined) {
      const pieces: Piece[] = [];
      eachSlotRun(this.#lastSlots, (_, slot, length) => {
        pieces.push({ buffer: slab, at: slot * value.unit, count: length * value.unit });
      });
      return { pieces, rows: this.#lastSlots.length };
    }
    const whole = this.#whole.get(value.id);
    if (whole !== undefined) {
      return {
        pieces: [{ buffer: whole, at: 0, count: (layout.rows ?? 1) * layout.unit }],
        rows: layout.rows ?? 1,
      };
    }
    for (const program of this.#programs.values()) {
      const buffer = program.buffer(value);
      if (buffer === undefined) continue;
      const rows = isBatched(value) ? program.rows : (layout.rows ?? 1);
      return { pieces: [{ buffer, at: 0, count: rows * layout.unit }], rows };
    }
    throw new Error(`internal: ${value.name} is on no buffer`);
  }
}
