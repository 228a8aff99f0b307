/**
 * @file One plan on one device: its pipelines, parameters and slabs, and the calls that run on them.
 *
 * A call is: one write with all that it brings, one command buffer, wait, read the scores back. The first two happen in one
 * go, so calls meet only in the device's queue, which keeps their order; see flights.ts for how
 * many are between submission and results. A call with more rows than the limits of a binding allow is cut into chunks
 * of rows, which are calls of their own that do not know of one another.
 */
import { InputError } from "../../ir/error.ts";
import type { Stage } from "../../ir/graph.ts";
import { isScore, type KernelText, type Plan, type PlanOutput, type PlanValue } from "../../ir/plan.ts";
import type { KernelDevice } from "../device.ts";
import { type StageInputs, sliceRows } from "../inputs.ts";
import { traced } from "../refusal.ts";
import { storedWeights } from "../storedweights.ts";
import type { WeightSource } from "../weights.ts";
import { addKernelTimes, CallClock } from "./clock.ts";
import type { ComputeBuffer, ComputeDevice, ComputeEncoder, Pipeline } from "./compute.ts";
import { Flights } from "./flights.ts";
import { fromHalves } from "./halves.ts";
import type { Keeper } from "./handles.ts";
import { Health, type Watched } from "./health.ts";
import { type Place, placeOf, poisonLoad, poisonUser } from "./inspect.ts";
import { BYTES, layoutOf, newValues, unpackRows } from "./layout.ts";
import { type Counters, Memory } from "./memory.ts";
import { uploadDerived } from "./packed.ts";
import { createDerived, type Part, uploadConstants, uploadParams } from "./params.ts";
import { beginPipelines, pipelinesOn } from "./prepare.ts";
import { OutputReader, readWords, type WaitFor } from "./readback.ts";
import { decodeKept, encodeKept, type Identity, type KeptSpec, planHash } from "./serialized.ts";
import { Slabs } from "./slabs.ts";
import { bindPart, StageProgram } from "./stage.ts";
import { Staging } from "./staging.ts";
import type { PassTimer } from "./timer.ts";
import { KernelTrials } from "./trial.ts";
import type { CallWatcher, KernelTime, LoadOptions, ReadValue, Scores } from "./types.ts";
import { uploadInputs, uploadKept, uploadSlots } from "./upload.ts";

export interface DeviceProgram {
  readonly plan: Plan;
  readonly kernels: readonly KernelText[];
}

/** What an engine counts, over all devices that it was on. */
export interface Meters {
  readonly counters: Counters;
  readonly stageMs: Partial<Record<Stage, number>>;
  readonly kernelTimes: Map<string, KernelTime>;
  /** Whoever times calls. */
  watcher?: CallWatcher | undefined;
}

/** The slots of a handle's requests in the slabs. */
export type Slots = readonly number[];

interface Flight extends Watched {
  readonly outputs: OutputReader;
  /** On the device. */
  submitted: boolean;
  /** By stage and detail: timestamps are read back through a buffer of the flight's own. */
  readonly timers: Map<string, PassTimer>;
}

const FLIGHTS = 2;

export class LoadedModel implements Keeper<Slots> {
  readonly #plan: Plan;
  readonly #weights: WeightSource;
  /** Rows of tables above one binding: f32, of the values that are stored. */
  readonly #rows: WeightSource;
  readonly #options: LoadOptions;
  readonly #meters: Meters;
  readonly #device: KernelDevice;
  readonly #gpu: ComputeDevice;
  readonly #memory: Memory;
  readonly #staging: Staging;
  readonly #slabs: Slabs;
  readonly #scores: readonly PlanOutput[];
  readonly #outputValues: readonly PlanValue[];
  readonly #flights: Flights<Flight>;
  readonly #health: Health;
  readonly #programs = new Map<Stage, StageProgram>();
  /** The device has timestamps. */
  readonly #stamps: boolean;
  #identity: Identity | undefined;
  #params = new Map<number, readonly Part[]>();
  #whole = new Map<number, ComputeBuffer>();
  #lastSlots: Slots = [];

  private constructor(
    device: KernelDevice,
    plan: Plan,
    weights: WeightSource,
    options: LoadOptions,
    meters: Meters,
  ) {
    this.#plan = plan;
    this.#weights = weights;
    this.#rows = storedWeights(weights, plan.params);
    this.#options = options;
    this.#meters = meters;
    this.#device = device;
    this.#gpu = device.gpu;
    this.#memory = new Memory(device.gpu, plan.profile.limits, meters.counters);
    this.#staging = new Staging(this.#memory);
    this.#slabs = new Slabs(plan, this.#memory);
    this.#scores = plan.outputs.filter(isScore);
    this.#outputValues = this.#scores.map((output) => this.#value(output.value));
    this.#stamps = device.profile.features.timestamps;
    // Kernels of two calls would be timed as one.
    const flights = Array.from({ length: options.profile === true ? 1 : FLIGHTS }, () => ({
      outputs: new OutputReader(this.#memory, this.#outputValues),
      errors: [],
      submitted: false,
      timers: new Map<string, PassTimer>(),
    }));
    this.#flights = new Flights<Flight>(flights);
    const inUse = this.#flights.inUse;
    this.#health = new Health(device.gpu, device.profile.features.software, () => inUse);
  }

  /** Throws RMX0803, RMX0805 and what reading weights throws. */
  static async load(
    device: KernelDevice,
    { plan, kernels }: DeviceProgram,
    weights: WeightSource,
    options: LoadOptions,
    meters: Meters,
  ): Promise<LoadedModel> {
    const begin = performance.now();
    const model = new LoadedModel(device, plan, weights, options, meters);
    try {
      await model.#load(kernels);
    } catch (error) {
      model.close("the engine was not loaded");
      throw traced(error, { plan, kernels });
    }
    meters.stageMs.load = performance.now() - begin;
    return model;
  }

  async #load(kernels: readonly KernelText[]): Promise<void> {
    const { onProgress = () => {} } = this.#options;
    // The device compiles while the host packs weights.
    const loading = { errors: [] };
    const preparing = beginPipelines(
      this.#device,
      kernels,
      this.#meters.counters,
      (kind, promise) => this.#health.wait(loading, kind, promise),
      (done, total) => onProgress("kernels", done, total),
    );
    await preparing.begun;
    this.#gpu.pushErrorScope("out-of-memory");
    this.#params = uploadParams(this.#plan, this.#memory, this.#weights, (done, total) =>
      onProgress("weights", done, total),
    );
    this.#params = new Map([...this.#params, ...createDerived(this.#plan, this.#memory)]);
    this.#whole = uploadConstants(this.#plan, this.#memory);
    for (const value of this.#plan.values) {
      if (value.home.kind !== "load") continue;
      this.#whole.set(value.id, this.#memory.storage(value.name, value.unit * BYTES));
    }
    const outOfMemory = await this.#gpu.popErrorScope();
    if (outOfMemory !== null) {
      throw new InputError("RMX0805", "the model does not fit the device's memory", {
        notes: [outOfMemory.message],
      });
    }
    const pipelines = await preparing.ready;
    for (const stage of ["load", "user", "item"] as const)
      this.#programs.set(stage, this.#program(stage, pipelines));
    const { name } = this.#plan;
    const { version = "" } = this.#options;
    this.#identity = { model: name, plan: await planHash(this.#plan, kernels), version };
    await this.#fly((flight) => this.#runLoadStage(flight));
  }

  get live(): boolean {
    return this.#health.live;
  }

  check(): void {
    this.#health.check();
  }

  requestsOf(slots: Slots): number {
    return slots.length;
  }

  bytesOf(slots: Slots): number {
    return slots.length * this.#slabs.slotBytes;
  }

  release(slots: Slots): void {
    this.#slabs.free(slots);
  }

  get held(): { readonly buffers: number; readonly bytes: number; readonly requestsKept: number } {
    return { ...this.#memory.held, requestsKept: this.#slabs.used };
  }

  /** Frees everything. Calls that are under way, and all later ones, fail with `reason`. */
  close(reason: string): void {
    this.#health.close(reason);
    for (const { timers } of this.#flights.all) for (const timer of timers.values()) timer.destroy();
    this.#memory.freeAll();
  }

  /** Runs the user stage; the slots are the caller's. */
  async user(inputs: StageInputs): Promise<Slots> {
    let begin = 0;
    const chunks = this.#chunksOf("user", inputs).map(({ chunk, from }) =>
      this.#fly((flight) => {
        if (from === 0) begin = performance.now();
        return this.#keeping(chunk.rows, (slots) => this.#userChunk(flight, chunk, slots));
      }),
    );
    const settled = await Promise.allSettled(chunks);
    if (inputs.rows > 0) this.#meters.stageMs.user = performance.now() - begin;
    const slots = settled.flatMap((chunk) => (chunk.status === "fulfilled" ? chunk.value : []));
    const failed = settled.find((chunk) => chunk.status === "rejected");
    if (failed === undefined) return slots;
    this.#slabs.free(slots);
    throw failed.reason;
  }

  /** Scores candidate n with the results in slot `slots[n]`. */
  async score(inputs: StageInputs, slots: Int32Array): Promise<Scores> {
    const scores = this.#outputValues.map(
      (value) => new Float32Array(inputs.rows * layoutOf(value).compactUnit),
    );
    if (inputs.rows === 0) this.#stage("item").forget();
    let begin = 0;
    const chunks = this.#chunksOf("item", inputs).map(({ chunk, from }) =>
      this.#fly((flight) => {
        if (from === 0) begin = performance.now();
        const part = slots.subarray(from, from + chunk.rows);
        return this.#itemChunk(flight, chunk, part, scores, from);
      }),
    );
    for (const chunk of await Promise.allSettled(chunks)) if (chunk.status === "rejected") throw chunk.reason;
    if (inputs.rows > 0) this.#meters.stageMs.item = performance.now() - begin;
    return new Map(this.#scores.map((output, i) => [output.task, scores[i] ?? new Float32Array()]));
  }

  /** What the slots hold, as bytes. */
  serialize(slots: Slots): Promise<Uint8Array> {
    return this.#fly(async (flight) => {
      const arrays = await this.#slabs.read(slots, this.#waitOf(flight));
      return encodeKept(this.#identified, this.#keptSpecs, { requests: slots.length, arrays });
    });
  }

  /** Slots that hold what `serialize` read; they are the caller's. Throws RMX0812. */
  async deserialize(bytes: Uint8Array): Promise<Slots> {
    const { requests, arrays } = decodeKept(this.#identified, this.#keptSpecs, bytes);
    return this.#fly(() => this.#keeping(requests, async (slots) => this.#slabs.write(slots, arrays)));
  }

  /**
   * A value as the last call left it (of a call cut into chunks, the last chunk). A temporary is what its kernel wrote only
   * in a plan whose arena slots are not reused.
   */
  read(id: number): Promise<ReadValue> {
    return this.#fly((flight) => this.#read(flight, id));
  }

  async #read(flight: Flight, id: number): Promise<ReadValue> {
    const value = this.#value(id);
    const layout = layoutOf(value);
    const { pieces, rows } = this.#placeOf(id);
    const words = await readWords(this.#memory, value.element, pieces, this.#waitOf(flight));
    const data = newValues(value.element, rows * layout.compactUnit);
    const { packing } = value;
    unpackRows(layout, packing?.native ? fromHalves(words, packing.element) : words, rows, data);
    const shape = value.shape.map((extent) => (typeof extent === "number" ? extent : rows));
    return { shape, data };
  }

  /** Runs kernels under other schedules on what the last call left; nothing else may use the model meanwhile. */
  trial<R>(run: (trials: KernelTrials) => Promise<R>): Promise<R> {
    return this.#fly(async (flight) => {
      const trials = new KernelTrials({
        memory: this.#memory,
        createPipelines: (texts) => pipelinesOn(this.#device, texts, this.#meters.counters),
        stamps: this.#stamps,
        stage: (stage) => this.#stage(stage),
        placeOf: (id) => this.#placeOf(id).pieces,
        read: (id) => this.#read(flight, id),
        wait: (kind, promise) => this.#health.wait(flight, kind, promise),
      });
      try {
        return await run(trials);
      } finally {
        trials.destroy();
      }
    });
  }

  #placeOf(id: number): Place {
    return placeOf(this.#value(id), {
      params: this.#params,
      whole: this.#whole,
      slabs: this.#slabs,
      slots: this.#lastSlots,
      programs: [...this.#programs.values()],
    });
  }

  /** Runs `run` in turn; what it does before its first `await` is not interrupted by another call. */
  #fly<R>(run: (flight: Flight) => Promise<R>): Promise<R> {
    return this.#flights.run((flight) => {
      flight.errors.length = 0;
      flight.submitted = false;
      this.#health.checkCall(flight);
      return run(flight);
    });
  }

  #waitOf(flight: Flight): WaitFor {
    return (kind, promise) => this.#health.wait(flight, kind, promise);
  }

  /** Allocates slots for `fill`, which stay allocated if it succeeds. */
  async #keeping(requests: number, fill: (slots: Slots) => Promise<void>): Promise<Slots> {
    if (this.#slabs.reserve(requests)) {
      for (const program of this.#programs.values()) program.invalidate();
    }
    const slots = this.#slabs.allocate(requests);
    try {
      await fill(slots);
      return slots;
    } catch (error) {
      this.#slabs.free(slots);
      throw error;
    }
  }

  async #runLoadStage(flight: Flight): Promise<void> {
    const program = this.#stage("load");
    if (program.launches.length > 0) {
      const clock = this.#clock(flight, program, 1);
      this.#gather(program, 1, () => {});
      if (this.#options.poison === true) poisonLoad(this.#plan, program, this.#whole, this.#memory);
      const packed = this.#plan.values.filter(
        ({ home }) => home.kind === "derived" && home.part === undefined,
      );
      if (packed.length === 0) await this.#runAndWait(flight, program, clock);
      else await this.#runAndPack(flight, program, packed);
    }
    if (this.#options.inspect === true) return;
    program.release();
    this.#freeRead();
  }

  /** Frees what the load stage alone reads: parameters that live on folded into others. */
  #freeRead(): void {
    const bound = (["user", "item"] as const).flatMap((stage) =>
      this.#stage(stage).launches.flatMap(({ pipeline }) => pipeline.text.bindings.map(({ value }) => value)),
    );
    const needed = new Set([...bound, ...this.#plan.outputs.map(({ value }) => value)]);
    for (const [id, parts] of this.#params) {
      if (needed.has(id)) continue;
      for (const { buffer } of parts) this.#memory.free(buffer);
      this.#params.delete(id);
    }
    for (const [id, buffer] of this.#whole) {
      if (needed.has(id)) continue;
      this.#memory.free(buffer);
      this.#whole.delete(id);
    }
  }

  /** Kernel by kernel, since those that follow read what the host packs of a value that one has computed. */
  async #runAndPack(flight: Flight, program: StageProgram, packed: readonly PlanValue[]): Promise<void> {
    const sourceOf = ({ home }: PlanValue): number => (home.kind === "derived" ? home.of : -1);
    const lastWriter = (id: number): number =>
      program.launches.findLastIndex(({ kernel }) =>
        kernel.buffers.some(({ value, access }) => value === id && access === "write"),
      );
    for (const [i] of program.launches.entries()) {
      const encoder = this.#gpu.createCommandEncoder({ label: program.stage });
      this.#staging.send(encoder);
      program.encode(encoder, { only: i });
      this.#submit(flight, encoder);
      const done = this.#gpu.queue.onSubmittedWorkDone();
      await this.#health.wait(flight, `${program.stage} ${program.capacity}`, done);
      for (const value of packed) {
        const source = sourceOf(value);
        if (lastWriter(source) !== i) continue;
        const { data } = await this.#read(flight, source);
        uploadDerived(value, this.#plan, this.#memory, Float32Array.from(data), (id) => this.#partsOf(id));
      }
    }
    if (this.#options.inspect === true) return;
    for (const source of packed.map(sourceOf)) {
      const buffer = this.#whole.get(source);
      if (buffer !== undefined) this.#memory.free(buffer);
      this.#whole.delete(source);
    }
  }

  #partsOf(id: number): readonly Part[] {
    const parts = this.#params.get(id);
    if (parts === undefined) throw new Error(`internal: no buffer for value ${id}`);
    return parts;
  }

  async #userChunk(flight: Flight, inputs: StageInputs, slots: Slots): Promise<void> {
    const program = this.#stage("user");
    const clock = this.#clock(flight, program, inputs.rows);
    this.#lastSlots = slots;
    this.#gather(program, inputs.rows, (staging) => {
      uploadInputs(this.#plan, program, inputs, this.#rows, staging);
      uploadKept(this.#plan, this.#slabs, slots, inputs, staging);
      uploadSlots(this.#plan, program, Int32Array.from(slots), staging);
    });
    if (this.#options.poison === true) poisonUser(program, this.#slabs, slots, this.#memory);
    await this.#runAndWait(flight, program, clock);
  }

  async #itemChunk(
    flight: Flight,
    inputs: StageInputs,
    slots: Int32Array,
    scores: readonly Float32Array[],
    from: number,
  ): Promise<void> {
    const program = this.#stage("item");
    const clock = this.#clock(flight, program, inputs.rows);
    this.#gather(program, inputs.rows, (staging) => {
      uploadInputs(this.#plan, program, inputs, this.#rows, staging);
      uploadSlots(this.#plan, program, slots, staging);
    });
    if (this.#options.poison === true) program.poison();
    await this.#run(flight, program, clock, (encoder) =>
      flight.outputs.copy(encoder, (value) => program.buffer(value), inputs.rows, program.capacity),
    );
    await flight.outputs.read(inputs.rows, scores, from, this.#waitOf(flight));
    await clock?.end();
  }

  /** The rows in chunks that the stage can take; none for no rows. */
  #chunksOf(stage: Stage, inputs: StageInputs): { readonly chunk: StageInputs; readonly from: number }[] {
    const { rows } = inputs;
    const most = this.#stage(stage).mostRows;
    if (rows > 0 && rows <= most) return [{ chunk: inputs, from: 0 }];
    return Array.from({ length: Math.ceil(rows / most) }, (_, i) => {
      const from = i * most;
      return { chunk: sliceRows(this.#plan.features, inputs, from, Math.min(rows, from + most)), from };
    });
  }

  /** Prepares the program for `rows` rows and gathers what `fill` adds; of a call that fails here nothing is sent. */
  #gather(program: StageProgram, rows: number, fill: (staging: Staging) => void): void {
    try {
      program.prepare(rows, this.#staging);
      fill(this.#staging);
    } catch (error) {
      this.#staging.discard();
      program.forget();
      throw error;
    }
  }

  /** Submits the stage: what was gathered, its launches, and what `after` encodes, in one go unless each launch is timed alone. */
  async #run(
    flight: Flight,
    program: StageProgram,
    clock: CallClock | undefined,
    after: (encoder: ComputeEncoder) => void = () => {},
  ): Promise<void> {
    let encoder = this.#gpu.createCommandEncoder({ label: program.stage });
    this.#staging.send(encoder);
    if (clock?.serially !== undefined) {
      this.#submit(flight, encoder);
      await clock.serially();
      encoder = this.#gpu.createCommandEncoder({ label: program.stage });
    } else if (clock !== undefined) clock.encode(encoder);
    else program.encode(encoder);
    after(encoder);
    this.#submit(flight, encoder);
    await clock?.submitted();
  }

  async #runAndWait(flight: Flight, program: StageProgram, clock: CallClock | undefined): Promise<void> {
    await this.#run(flight, program, clock);
    const done = this.#gpu.queue.onSubmittedWorkDone();
    await this.#health.wait(flight, `${program.stage} ${program.capacity}`, done);
    await clock?.end();
  }

  #submit(flight: Flight, encoder: ComputeEncoder): void {
    const { counters } = this.#meters;
    this.#gpu.queue.submit([encoder.finish()]);
    counters.submits++;
    for (const other of this.#flights.inUse) {
      if (other === flight || !other.submitted) continue;
      counters.overlapped++;
      break;
    }
    flight.submitted = true;
  }

  #program(stage: Stage, pipelines: ReadonlyMap<string, Pipeline>): StageProgram {
    const { counters } = this.#meters;
    return new StageProgram(this.#plan, stage, pipelines, this.#memory, counters, (value, range) => {
      const parts = this.#params.get(value.id);
      if (parts !== undefined) return bindPart(value, parts, range);
      const buffer = this.#slabs.buffer(value.id) ?? this.#whole.get(value.id);
      return buffer === undefined ? undefined : { buffer };
    });
  }

  #stage(stage: Stage): StageProgram {
    const program = this.#programs.get(stage);
    if (program === undefined) throw new Error(`internal: the ${stage} stage is not loaded`);
    return program;
  }

  get #identified(): Identity {
    if (this.#identity === undefined) throw new Error("internal: the model is not loaded");
    return this.#identity;
  }

  get #keptSpecs(): KeptSpec[] {
    return this.#slabs.values.map((value) => ({
      name: value.name,
      element: value.element === "f32" ? "f32" : "i32",
      shape: layoutOf(value).inner,
    }));
  }

  /** For a call that someone times. */
  #clock(flight: Flight, program: StageProgram, rows: number): CallClock | undefined {
    const { watcher } = this.#meters;
    const detail =
      watcher?.detail ?? (this.#options.profile === true && this.#stamps ? "kernels" : undefined);
    if (detail === undefined) return undefined;
    return new CallClock({
      memory: this.#memory,
      program,
      rows,
      detail,
      stamps: this.#stamps,
      timers: flight.timers,
      submit: (encoder) => this.#submit(flight, encoder),
      wait: (kind, promise) => this.#health.wait(flight, kind, promise),
      report: (times) => {
        if (this.#options.profile === true && detail === "kernels")
          addKernelTimes(this.#meters.kernelTimes, times);
        watcher?.call(times);
      },
    });
  }

  #value(id: number): PlanValue {
    const value = this.#plan.values[id];
    if (value === undefined) throw new Error(`internal: the plan has no value ${id}`);
    return value;
  }
}
