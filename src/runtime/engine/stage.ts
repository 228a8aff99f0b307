/**
 * @file One stage's program on the device: the buffers that a call of it needs, its bind groups, and its launches in one
 * pass of one command buffer.
 *
 * Buffers are made for a capacity of rows and only ever grow; kernels read the true number of rows from the `Call`
 * uniform, so a call below the capacity allocates nothing. Each arena slot is a buffer of its own: a binding may then
 * start at 0, and the largest slot rather than their sum meets the device's limits.
 */
import type { Stage } from "../../ir/graph.ts";
import type { Plan, PlanValue } from "../../ir/plan.ts";
import { CALL_WORDS } from "../../ir/plan.ts";
import { type TileKernel, workgroupsOf } from "../../ir/tile.ts";
import { BYTES, isBatched } from "./layout.ts";
import { type Counters, capacityFor, type Memory } from "./memory.ts";
import type { Part, RowRange } from "./params.ts";
import type { Pipeline } from "./pipelines.ts";
import type { KernelTimer } from "./timer.ts";

/** What is bound for a value that outlives the stage's calls; undefined for the stage's own values. */
export type SharedBinding = (value: PlanValue, range: RowRange | undefined) => GPUBufferBinding | undefined;

interface Launch {
  readonly kernel: TileKernel;
  readonly pipeline: Pipeline;
  readonly range: RowRange | undefined;
}

export class StageProgram {
  readonly stage: Stage;
  readonly launches: readonly Launch[];
  /** Rows that one call can take before a value of it meets the limit of a binding. */
  readonly mostRows: number;
  readonly #plan: Plan;
  readonly #memory: Memory;
  readonly #counters: Counters;
  readonly #shared: SharedBinding;
  readonly #call: GPUBuffer;
  readonly #callStride: number;
  readonly #slots: GPUBuffer[] = [];
  readonly #own = new Map<number, GPUBuffer>();
  readonly #gathered = new Map<number, { buffer: GPUBuffer; rows: number }>();
  #bindGroups: readonly GPUBindGroup[] | undefined;
  #groups: readonly number[] = [];
  #capacity = 0;
  #rows = -1;

  constructor(
    plan: Plan,
    stage: Stage,
    pipelines: ReadonlyMap<string, Pipeline>,
    memory: Memory,
    counters: Counters,
    shared: SharedBinding,
  ) {
    this.#plan = plan;
    this.stage = stage;
    this.#memory = memory;
    this.#counters = counters;
    this.#shared = shared;
    this.launches = plan.kernels[stage].flatMap((kernel) => {
      const pipeline = pipelines.get(kernel.name);
      if (pipeline === undefined) throw new Error(`internal: no text for the kernel ${kernel.name}`);
      const ranges: readonly (RowRange | undefined)[] = kernel.slicing?.ranges ?? [undefined];
      return ranges.map((range) => ({ kernel, pipeline, range }));
    });
    const units = [...this.#arena, ...plan.values.filter(isBatched).map((value) => this.#unitOf(value))];
    const unit = units.reduce((most, each) => Math.max(most, each), 1);
    this.mostRows = Math.max(1, Math.floor(memory.largestBinding / (unit * BYTES)));
    this.#callStride = Math.max(memory.limits.offsetAlignment, CALL_WORDS * BYTES);
    const bytes = this.#callStride * Math.max(1, this.launches.length);
    this.#call = memory.create(`${stage} call`, bytes, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
  }

  get capacity(): number {
    return this.#capacity;
  }

  get rows(): number {
    return Math.max(0, this.#rows);
  }

  /** Makes room for `rows` rows and tells the kernels that there are so many. */
  prepare(rows: number): void {
    if (rows > this.#capacity) this.#grow(Math.min(this.mostRows, capacityFor(rows)));
    if (rows === this.#rows) return;
    this.#rows = rows;
    const stride = this.#callStride / BYTES;
    const words = new Int32Array(
      this.#memory.scratch(this.#callStride * Math.max(1, this.launches.length)),
      0,
      stride * this.launches.length,
    );
    this.launches.forEach(({ range }, i) => {
      words.set([rows, range?.from ?? 0, range?.to ?? 0, 1], i * stride);
    });
    this.#memory.write(this.#call, 0, words);
    // Whether an indirect kernel has anything to do is for the device to say.
    this.#groups = this.launches.map(({ kernel, range }) =>
      kernel.indirect === undefined ? workgroupsOf(kernel, rows, range) : Math.min(rows, 1),
    );
  }

  /** Makes room for `rows` gathered rows of a table. */
  prepareGathered(value: PlanValue, rows: number): GPUBuffer {
    const before = this.#gathered.get(value.id);
    if (before !== undefined && before.rows >= rows) return before.buffer;
    if (before !== undefined) this.#memory.free(before.buffer);
    const capacity = capacityFor(Math.max(rows, 16));
    const buffer = this.#memory.storage(value.name, capacity * value.unit * BYTES);
    this.#gathered.set(value.id, { buffer, rows: capacity });
    this.#bindGroups = undefined;
    return buffer;
  }

  /** The buffer of a value that belongs to this stage's calls. */
  buffer(value: PlanValue): GPUBuffer | undefined {
    const { home } = value;
    if (home.kind === "temp") return home.stage === this.stage ? this.#slots[home.slot] : undefined;
    return this.#gathered.get(value.id)?.buffer ?? this.#own.get(value.id);
  }

  /** A shared buffer was replaced. */
  invalidate(): void {
    this.#bindGroups = undefined;
  }

  /** Fills what the next run writes with NaN. */
  poison(): void {
    this.#arena.forEach((unit, slot) => {
      const buffer = this.#slots[slot];
      const rows = this.stage === "load" ? 1 : this.rows;
      if (buffer !== undefined) this.#memory.fillNaN(buffer, 0, unit * rows);
    });
    for (const value of this.#plan.values) {
      const written = value.home.kind === "output" || value.home.kind === "list";
      const buffer = written ? this.#own.get(value.id) : undefined;
      const rows = isBatched(value) ? this.rows : 1;
      if (buffer !== undefined) this.#memory.fillNaN(buffer, 0, value.unit * rows);
    }
  }

  /**
   * Encodes the launches, in order. With a timer each gets a pass of its own. `atLeastOnce` launches one workgroup even of a
   * kernel that has nothing to do, so that a driver that compiles at the first launch does it now.
   */
  encode(
    encoder: GPUCommandEncoder,
    options: { timer?: KernelTimer | undefined; atLeastOnce?: boolean } = {},
  ): void {
    const bindGroups = this.#bindGroups ?? this.#createBindGroups();
    this.#bindGroups = bindGroups;
    const { timer, atLeastOnce = false } = options;
    let pass = timer === undefined ? encoder.beginComputePass({ label: this.stage }) : undefined;
    this.launches.forEach(({ kernel, pipeline }, i) => {
      const groups = Math.max(this.#groups[i] ?? 0, atLeastOnce ? 1 : 0);
      if (groups === 0) return;
      if (timer !== undefined)
        pass = encoder.beginComputePass({ label: kernel.name, timestampWrites: timer.writes(i) });
      if (pass === undefined) throw new Error("internal: no pass");
      pass.setPipeline(pipeline.pipeline);
      pass.setBindGroup(0, bindGroups[i]);
      if (kernel.indirect !== undefined && this.rows > 0) {
        pass.dispatchWorkgroupsIndirect(
          this.#argumentsOf(kernel.indirect.value),
          kernel.indirect.index * 4 * BYTES,
        );
      } else {
        const x = Math.min(groups, this.#memory.limits.workgroups);
        pass.dispatchWorkgroups(x, Math.ceil(groups / x));
      }
      if (timer !== undefined) pass.end();
    });
    if (timer === undefined) pass?.end();
  }

  /** Frees the temporaries of a stage that will not run again. */
  release(): void {
    for (const buffer of [...this.#slots, ...this.#own.values(), this.#call]) this.#memory.free(buffer);
    this.#slots.length = 0;
    this.#own.clear();
  }

  get #arena(): readonly number[] {
    return this.#plan.arenas.find((arena) => arena.stage === this.stage)?.units ?? [];
  }

  /** Elements of a value for each row of this stage; 0 if it is not of this stage. */
  #unitOf(value: PlanValue): number {
    const { home } = value;
    if (home.kind === "rows" && home.stage === this.stage) {
      // At worst every id of every row is another one.
      const ids = this.#plan.features.filter((feature) => home.features.includes(feature.name));
      return (
        value.unit * ids.reduce((sum, { shape }) => sum + shape.reduce((all, extent) => all * extent, 1), 0)
      );
    }
    return this.#isOwn(value) ? value.unit : 0;
  }

  #isOwn(value: PlanValue): boolean {
    const { home } = value;
    switch (home.kind) {
      case "input":
      case "list":
        return home.stage === this.stage;
      case "slots":
        return this.stage === "user";
      case "request":
      case "output":
        return this.stage === "item";
      default:
        return false;
    }
  }

  #grow(capacity: number): void {
    for (const buffer of [...this.#slots, ...this.#own.values()]) this.#memory.free(buffer);
    this.#capacity = capacity;
    this.#arena.forEach((unit, slot) => {
      this.#slots[slot] = this.#memory.storage(`${this.stage} arena ${slot}`, unit * capacity * BYTES);
    });
    for (const value of this.#plan.values) {
      if (this.#isOwn(value)) this.#own.set(value.id, this.#create(value, capacity));
      if (value.home.kind === "rows" && value.home.stage === this.stage) this.prepareGathered(value, 1);
    }
    this.#bindGroups = undefined;
  }

  #create(value: PlanValue, capacity: number): GPUBuffer {
    const bytes = value.unit * (isBatched(value) ? capacity : 1) * BYTES;
    const { home } = value;
    return home.kind === "list" && home.launches
      ? this.#memory.arguments(value.name, bytes)
      : this.#memory.storage(value.name, bytes);
  }

  #argumentsOf(value: number): GPUBuffer {
    const buffer = this.#own.get(value);
    if (buffer === undefined) throw new Error("internal: workgroups are counted in a value of another stage");
    return buffer;
  }

  #createBindGroups(): GPUBindGroup[] {
    return this.launches.map(({ kernel, pipeline, range }, i) => {
      this.#counters.bindGroupsCreated++;
      const call = { buffer: this.#call, offset: i * this.#callStride, size: CALL_WORDS * BYTES };
      return this.#memory.gpu.createBindGroup({
        label: kernel.name,
        layout: pipeline.layout,
        entries: [
          { binding: 0, resource: call },
          ...pipeline.text.bindings.map((binding, k) => ({
            binding: k + 1,
            resource: this.#binding(kernel, binding.value, range),
          })),
        ],
      });
    });
  }

  #binding(kernel: TileKernel, id: number, range: RowRange | undefined): GPUBufferBinding {
    const value = this.#plan.values[id];
    if (value === undefined) throw new Error(`internal: ${kernel.name} binds the unknown value ${id}`);
    const own = this.buffer(value);
    if (own !== undefined) return { buffer: own };
    const slice = kernel.slicing?.values.includes(id) ? range : undefined;
    const shared = this.#shared(value, slice);
    if (shared === undefined)
      throw new Error(`internal: ${kernel.name} binds ${value.name}, which ${this.stage} has not`);
    const offset = shared.offset ?? 0;
    if (offset % this.#memory.limits.offsetAlignment !== 0) {
      throw new Error(`internal: slice of ${value.name} starts at byte ${offset}, which is not aligned`);
    }
    return shared;
  }
}

/** What is bound for rows `range` (all where undefined) of a value that lies in `parts`. */
export function bindPart(
  value: PlanValue,
  parts: readonly Part[],
  range: RowRange | undefined,
): GPUBufferBinding {
  const [only] = parts;
  if (range === undefined) {
    if (only === undefined || parts.length > 1)
      throw new Error(`internal: ${value.name} must be bound in slices`);
    return { buffer: only.buffer };
  }
  const part = parts.find(({ from, to }) => from <= range.from && range.to <= to);
  if (part === undefined)
    throw new Error(`internal: no buffer holds rows ${range.from} to ${range.to} of ${value.name}`);
  const bytes = part.unit * BYTES;
  return {
    buffer: part.buffer,
    offset: (range.from - part.from) * bytes,
    size: (range.to - range.from) * bytes,
  };
}
