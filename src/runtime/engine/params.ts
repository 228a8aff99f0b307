/**
 * @file Parameters and constants on the device: packed once, when the engine loads.
 *
 * A parameter larger than a buffer is cut where its kernels' slices begin, a buffer a slice; one that fits a buffer but not a
 * binding stays whole and is bound from an offset.
 */
import { bytesOf, type Plan, type PlanValue } from "../../ir/plan.ts";
import { largestScale, scaledBy } from "../../ir/storage.ts";
import type { Slicing } from "../../ir/tile.ts";
import type { WeightSource } from "../weights.ts";
import type { ComputeBuffer } from "./compute.ts";
import { BYTES, type Layout, layoutOf, newWords, packRows } from "./layout.ts";
import { CHUNK_BYTES, type Memory } from "./memory.ts";
import { paramOf, uploadCompanion, uploadPacked } from "./packed.ts";

/** A piece of a value: rows [from, to) of its leading axis, or of the leading axes that its slices count through. */
export interface Part {
  readonly from: number;
  readonly to: number;
  /** Elements of a row, padding included. */
  readonly unit: number;
  readonly buffer: ComputeBuffer;
}

export interface RowRange {
  readonly from: number;
  readonly to: number;
}

/** Uploads every parameter that a kernel reads. `onProgress` gets elements. */
export function uploadParams(
  plan: Plan,
  memory: Memory,
  weights: WeightSource,
  onProgress: (done: number, total: number) => void,
): Map<number, readonly Part[]> {
  const values = plan.values.filter(({ home }) => home.kind === "param" && home.part === undefined);
  const total = values.reduce((sum, value) => sum + elements(layoutOf(value)), 0);
  let done = 0;
  const uploaded = new Map<number, readonly Part[]>();
  onProgress(0, total);
  for (const whole of values) {
    const slicing = slicingOf(plan, whole.id);
    const value = mergeLeading(whole, slicing?.depth ?? 1);
    const parts = createParts(slicing?.ranges ?? [], value, memory);
    uploaded.set(value.id, parts);
    const onRows = (count: number): void => {
      done += count;
      onProgress(done, total);
    };
    const { home, packing } = value;
    const declared = home.kind === "param" && plan.params.some(({ path }) => path === home.path);
    const scaled = home.kind === "param" && !declared ? scaledBy(home.path) : undefined;
    if (scaled !== undefined) {
      memory.write(
        parts[0].buffer,
        0,
        Float32Array.of(largestScale(scaled, (path) => weights.inputScaleOf?.(path))),
      );
      continue;
    }
    if (packing === undefined || home.kind !== "param") {
      for (const part of parts) uploadPart(value, part, memory, weights, onRows);
      continue;
    }
    const param = paramOf(plan, home.path);
    const companions = uploadPacked(value, parts, memory, weights, param, onRows);
    for (const id of [packing.scale, packing.zero]) {
      if (id === undefined) continue;
      const [part] = createParts([], plan.values[id], memory);
      uploadCompanion(plan.values[id], param, companions, memory, part.buffer);
      uploaded.set(id, [part]);
    }
  }
  return uploaded;
}

function elements(layout: Layout): number {
  return (layout.rows ?? 1) * layout.compactUnit;
}

/** Room for what is packed of load-stage values, and for its scales and zero points. */
export function createDerived(plan: Plan, memory: Memory): Map<number, readonly Part[]> {
  const created = new Map<number, readonly Part[]>();
  for (const value of plan.values) {
    if (value.home.kind === "derived") created.set(value.id, createParts([], value, memory));
  }
  return created;
}

function createParts(ranges: readonly RowRange[], value: PlanValue, memory: Memory): Part[] {
  const { rows = 1, unit } = layoutOf(value);
  const part = (from: number, to: number): Part => {
    const buffer = memory.storage(value.name, bytesOf(value, (to - from) * unit));
    return { from, to, unit, buffer };
  };
  if (bytesOf(value, rows * unit) <= memory.limits.bufferSize || ranges.length === 0) return [part(0, rows)];
  return ranges.map(({ from, to }) => part(from, to));
}

function slicingOf(plan: Plan, id: number): Slicing | undefined {
  const kernels = [...plan.kernels.load, ...plan.kernels.user, ...plan.kernels.item];
  return kernels.find((kernel) => kernel.slicing?.values.includes(id))?.slicing;
}

/** The same value with its first `depth` axes as one. */
function mergeLeading(value: PlanValue, depth: number): PlanValue {
  if (depth === 1) return value;
  const rows = value.shape.slice(0, depth).reduce<number>((n, s) => n * (s as number), 1);
  const [k, n] = value.packing?.blocks ?? [];
  const blocks =
    k === undefined || n === undefined ? {} : { blocks: [k - depth + 1, n - depth + 1] as const };
  return {
    ...value,
    shape: [rows, ...value.shape.slice(depth)],
    strides: value.strides.slice(depth - 1),
    ...(value.packing && { packing: { ...value.packing, ...blocks } }),
  };
}

function uploadPart(
  value: PlanValue,
  part: Part,
  memory: Memory,
  weights: WeightSource,
  onRows: (elements: number) => void,
): void {
  const { home } = value;
  if (home.kind !== "param") throw new Error(`internal: ${value.name} is no parameter`);
  const layout = layoutOf(value);
  const step = Math.max(1, Math.floor(CHUNK_BYTES / (layout.unit * BYTES)));
  const staging = layout.compact
    ? undefined
    : new Float32Array(Math.min(step, part.to - part.from) * layout.unit);
  for (let row = part.from; row < part.to; row += step) {
    const rows = Math.min(step, part.to - row);
    const count = rows * layout.compactUnit;
    const first = (home.rows?.from ?? 0) * compactRow(value) + row * layout.compactUnit;
    const from = weights.read(home.path, first, count);
    const at = (row - part.from) * layout.unit;
    if (staging === undefined) memory.write(part.buffer, at, from);
    else {
      packRows(layout, from, 0, rows, staging);
      memory.write(part.buffer, at, staging, rows * layout.unit);
    }
    onRows(count);
  }
}

/** Elements of one row of the leading axis, as the weights hold them. */
function compactRow({ shape }: PlanValue): number {
  return shape.slice(1).reduce<number>((product, extent) => product * Number(extent), 1);
}

export function uploadConstants(plan: Plan, memory: Memory): Map<number, ComputeBuffer> {
  const uploaded = new Map<number, ComputeBuffer>();
  for (const value of plan.values) {
    if (value.home.kind !== "constant") continue;
    const layout = layoutOf(value);
    const rows = layout.rows ?? 1;
    const words = newWords(value.element, rows * layout.unit);
    packRows(layout, value.home.values, 0, rows, words);
    const buffer = memory.storage(value.name, words.byteLength);
    memory.write(buffer, 0, words);
    uploaded.set(value.id, buffer);
  }
  return uploaded;
}
