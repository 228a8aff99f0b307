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
import { bytesOf, CALL_WORDS } from "../../ir/plan.ts";
import { type TileKernel, workgroupsOf } from "../../ir/tile.ts";
import {
  type BufferBinding,
  BufferUsage,
  type ComputeBuffer,
  type ComputeEncoder,
  type ComputeGroup,
  type ComputePipeline,
  type Pipeline,
} from "./compute.ts";
import { mostWorkgroups } from "./launches.ts";
import { BYTES, isBatched } from "./layout.ts";
import { type Counters, capacityFor, type Memory } from "./memory.ts";
import type { Part, RowRange } from "./params.ts";
import type { Staging } from "./staging.ts";
import type { PassTimer } from "./timer.ts";

/** What is bound for a value that outlives the stage's calls; undefined for the stage's own values. */
export type SharedBinding = (value: PlanValue, range: RowRange | undefined) => BufferBinding | undefined;

interface Launch {
  readonly kernel: TileKernel;
  readonly pipeline: Pipeline;
  readonly range: RowRange | undefined;
}

/** A launch of a kernel under another schedule than the program's. */
export interface AlternativeLaunch {
  readonly pipeline: ComputePipeline;
  readonly group: ComputeGroup;
  readonly workgroups: readonly [x: number, y: number];
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
  readonly #call: ComputeBuffer;
  readonly #callStride: number;
  readonly #slots: ComputeBuffer[] = [];
  readonly #own = new Map<number, ComputeBuffer>();
  readonly #gathered = new Map<number, { buffer: ComputeBuffer; rows: number }>();
  #bindGroups: readonly ComputeGroup[] | undefined;
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
    this.#call = memory.create(`${stage} call`, bytes, BufferUsage.UNIFORM | BufferUsage.COPY_DST);
  }

  get capacity(): number {
    return this.#capacity;
  }

  get rows(): number {
    return Math.max(0, this.#rows);
  }

  /** Makes room for `rows` rows and tells the kernels that there are so many. */
  prepare(rows: number, staging: Staging): void {
    if (rows > this.#capacity) this.#grow(Math.min(this.mostRows, capacityFor(rows)));
    if (rows === this.#rows) return;
    this.#rows = rows;
    const stride = this.#callStride / BYTES;
    const words = staging.place(this.#call, 0, "i32", stride * this.launches.length);
    this.launches.forEach(({ range }, i) => {
      words.set([rows, range?.from ?? 0, range?.to ?? 0, 1], i * stride);
    });
    // Whether an indirect kernel has anything to do is for the device to say.
    this.#groups = this.launches.map(({ kernel, range }) =>
      kernel.indirect === undefined ? workgroupsOf(kernel, rows, range) : Math.min(rows, 1),
    );
  }

  /** What `prepare` gathered was not sent, or the last call had no rows to prepare for. */
  forget(): void {
    this.#rows = -1;
  }

  /** Makes room for `rows` gathered rows of a table. */
  prepareGathered(value: PlanValue, rows: number): ComputeBuffer {
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
  buffer(value: PlanValue): ComputeBuffer | undefined {
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
   * Encodes the launches, in order; `only`: that one. A timer times the one pass of all of them, or gives each a pass of its own.
   */
  encode(encoder: ComputeEncoder, options: { timer?: PassTimer | undefined; only?: number } = {}): void {
    const bindGroups = this.#bindGroups ?? this.#createBindGroups();
    this.#bindGroups = bindGroups;
    const { timer, only } = options;
    const each = timer?.each === true;
    const timestamps = each || timer === undefined ? {} : { timestampWrites: timer.writes(0) };
    let pass = each ? undefined : encoder.beginComputePass({ label: this.stage, ...timestamps });
    this.launches.forEach(({ kernel, pipeline }, i) => {
      const groups = this.#groups[i] ?? 0;
      if (groups === 0 || (only !== undefined && only !== i)) return;
      if (each) pass = encoder.beginComputePass({ label: kernel.name, timestampWrites: timer.writes(i) });
      if (pass === undefined) throw new Error("internal: no pass");
      pass.setPipeline(pipeline.pipeline);
      pass.setBindGroup(0, bindGroups[i]);
      if (kernel.indirect !== undefined && this.rows > 0) {
        pass.dispatchWorkgroupsIndirect(
          this.#argumentsOf(kernel.indirect.value),
          kernel.indirect.index * 4 * BYTES,
          mostWorkgroups(this.#plan, kernel, this.rows),
        );
      } else {
        const x = Math.min(groups, this.#memory.limits.workgroups);
        pass.dispatchWorkgroups(x, Math.ceil(groups / x));
      }
      if (each) pass.end();
    });
    if (!each) pass?.end();
  }

  /** The launches of the program's kernel of that name in another form, for the rows of the last call. */
  alternative(kernel: TileKernel, pipeline: Pipeline): AlternativeLaunch[] {
    return this.launches.flatMap((launch, i) => {
      if (launch.kernel.name !== kernel.name) return [];
      const groups = workgroupsOf(kernel, this.rows, launch.range);
      const x = Math.min(groups, this.#memory.limits.workgroups);
      return {
        pipeline: pipeline.pipeline,
        group: this.#bindGroup({ kernel, pipeline, range: launch.range }, i),
        workgroups: [x, Math.ceil(groups / x)] as const,
      };
    });
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
    this.#slots.length = 0;
    this.#capacity = capacity;
    const own = this.#plan.values.filter((value) => this.#isOwn(value) && !launches(value));
    const sizes = this.#arena.map((unit, slot) => ({
      label: `${this.stage} arena ${slot}`,
      bytes: unit * capacity * BYTES,
    }));
    sizes.push(...own.map((value) => ({ label: value.name, bytes: this.#bytesOf(value, capacity) })));
    const made = this.#memory.storageTogether(sizes);
    this.#slots.push(...made.splice(0, this.#arena.length));
    own.forEach((value, i) => {
      const buffer = made[i];
      if (buffer !== undefined) this.#own.set(value.id, buffer);
    });
    for (const value of this.#plan.values) {
      if (this.#isOwn(value) && launches(value))
        this.#own.set(value.id, this.#memory.arguments(value.name, this.#bytesOf(value, capacity)));
      if (value.home.kind === "rows" && value.home.stage === this.stage) this.prepareGathered(value, 1);
    }
    this.#bindGroups = undefined;
  }

  #bytesOf(value: PlanValue, capacity: number): number {
    return value.unit * (isBatched(value) ? capacity : 1) * BYTES;
  }

  #argumentsOf(value: number): ComputeBuffer {
    const buffer = this.#own.get(value);
    if (buffer === undefined) throw new Error("internal: workgroups are counted in a value of another stage");
    return buffer;
  }

  #createBindGroups(): ComputeGroup[] {
    return this.launches.map((launch, i) => this.#bindGroup(launch, i));
  }

  /** What `launch` binds as number `i` of the program. */
  #bindGroup({ kernel, pipeline, range }: Launch, i: number): ComputeGroup {
    this.#counters.bindGroupsCreated++;
    const call = { buffer: this.#call, offset: i * this.#callStride, size: CALL_WORDS * BYTES };
    const bindings = pipeline.text.bindings.map(({ value }) => ({
      ...this.#binding(kernel, value, range),
      written: kernel.buffers.some((buffer) => buffer.value === value && buffer.access === "write"),
    }));
    return pipeline.bind(kernel.name, [call, ...bindings]);
  }

  #binding(kernel: TileKernel, id: number, range: RowRange | undefined): BufferBinding {
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

/** Whether kernels write the arguments of launches to it. */
function launches({ home }: PlanValue): boolean {
  return home.kind === "list" && home.launches;
}

/** What is bound for rows `range` (all where undefined) of a value that lies in `parts`. */
export function bindPart(
  value: PlanValue,
  parts: readonly Part[],
  range: RowRange | undefined,
): BufferBinding {
  const [only] = parts;
  if (range === undefined) {
    if (only === undefined || parts.length > 1)
      throw new Error(`internal: ${value.name} must be bound in slices`);
    return { buffer: only.buffer };
  }
  const part = parts.find(({ from, to }) => from <= range.from && range.to <= to);
  if (part === undefined)
    throw new Error(`internal: no buffer holds rows ${range.from} to ${range.to} of ${value.name}`);
  const bytes = bytesOf(value, part.unit);
  return {
    buffer: part.buffer,
    offset: (range.from - part.from) * bytes,
    size: (range.to - range.from) * bytes,
  };
}
