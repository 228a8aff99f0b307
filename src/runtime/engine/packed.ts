/**
 * @file Packed parameters on their way to the device: codes go from row-major order to the places that `PlanValue.strides` and
 * `Packing.blocks` say, and the scales and zero points that they come with into values of their own.
 */
import { splitsByRow } from "../../ir/codecs/span.ts";
import type { ParamInfo } from "../../ir/graph.ts";
import { bytesOf, type Plan, type PlanValue } from "../../ir/plan.ts";
import { scaleShape } from "../../ir/storage.ts";
import { encodedPiece } from "../encoded.ts";
import { countOf, type WeightSource } from "../weights.ts";
import type { ComputeBuffer } from "./compute.ts";
import { layoutOf, newWords, packRows } from "./layout.ts";
import { CHUNK_BYTES, type Memory } from "./memory.ts";
import type { Part } from "./params.ts";

/** What is packed, by the name that its source of values knows. */
type StoredValue = Pick<ParamInfo, "path" | "shape" | "storage">;

/** Uploads the parts of a packed value; gives the scales and zero points of the whole of it. `onRows` gets elements. */
export function uploadPacked(
  value: PlanValue,
  parts: readonly Part[],
  memory: Memory,
  weights: WeightSource,
  param: StoredValue,
  onRows: (elements: number) => void,
): Companions {
  const companions = newCompanions(param);
  const scatter = new Scatter(value);
  const { compactUnit, unit } = layoutOf(value);
  const rowBytes = bytesOf(value, unit);
  const first =
    value.home.kind === "param" ? (value.home.rows?.from ?? 0) * countOf(param.shape.slice(1)) : 0;
  for (const part of parts) {
    const all = part.to - part.from;
    const alone = splitsByRow(param.shape, param.storage);
    // Rows of a chunk start on whole words.
    const step = alone ? Math.max(4, Math.floor(CHUNK_BYTES / rowBytes / 4) * 4) : all;
    const staging = new Uint8Array(Math.ceil((Math.min(step, all) * rowBytes) / 4) * 4);
    for (let row = part.from; row < part.to; row += step) {
      const rows = Math.min(step, part.to - row);
      const count = rows * compactUnit;
      const start = first + row * compactUnit;
      const { span, encoded } = encodedPiece(weights, param, start, count);
      companions.add(span.from, encoded.scales, encoded.zeros);
      scatter.rows(encoded.data, span.skip, rows, staging);
      const words = new Uint32Array(staging.buffer, 0, Math.ceil((rows * rowBytes) / 4));
      memory.write(part.buffer, ((row - part.from) * rowBytes) / 4, words);
      onRows(count);
    }
  }
  return companions;
}

/** The scales and zero points of a parameter, row-major over `scaleShape`. */
export interface Companions {
  readonly scales: Float32Array;
  readonly zeros: Int8Array;
  /** Those of a piece that begins at index `from` of the leading axis. */
  add(from: number, scales: Float32Array, zeros: Int8Array | undefined): void;
}

function newCompanions({ shape, storage }: StoredValue): Companions {
  const extents = storage.scale ? scaleShape(shape, storage.scale) : [0];
  const scales = new Float32Array(countOf(extents));
  const zeros = new Int8Array(storage.scale?.symmetric === false ? scales.length : 0);
  const perRow = countOf(extents.slice(1));
  return {
    scales,
    zeros,
    add(from, someScales, someZeros) {
      if (scales.length > 0) scales.set(someScales, from * perRow);
      if (someZeros) zeros.set(someZeros, from * perRow);
    },
  };
}

/** Uploads the value of scales or zero points. */
export function uploadCompanion(
  value: PlanValue,
  { shape, storage }: StoredValue,
  companions: Companions,
  memory: Memory,
  buffer: ComputeBuffer,
): void {
  const { home, shape: extents } = value;
  if ((home.kind !== "param" && home.kind !== "derived") || storage.scale === undefined)
    throw new Error(`internal: ${value.name} belongs to nothing packed`);
  const count = countOf(extents.map(Number));
  const perRow = countOf(scaleShape(shape, storage.scale).slice(1));
  const first = home.kind === "param" ? (home.rows?.from ?? 0) : 0;
  const from = storage.scale.shared.includes(0) ? 0 : first * perRow;
  if (home.part === "zero") {
    const staging = new Uint8Array(bytesOf(value, value.unit));
    const codes = new Uint8Array(companions.zeros.buffer, from, count);
    new Scatter({ ...value, shape: [1, ...extents], strides: [value.unit, ...value.strides] }).rows(
      codes,
      0,
      1,
      staging,
    );
    memory.write(buffer, 0, new Uint32Array(staging.buffer));
  } else {
    const words = newWords("f32", value.unit);
    const layout = layoutOf({ ...value, shape: [1, ...extents], strides: [value.unit, ...value.strides] });
    packRows(layout, companions.scales.subarray(from, from + count), 0, 1, words);
    memory.write(buffer, 0, words);
  }
}

/** Puts codes where the kernels look for them. An axis's share of an element's place is found once for each of its indices. */
class Scatter {
  readonly #bytes: number;
  readonly #offsets: readonly Float64Array[];
  readonly #rowUnit: number;
  readonly #compactUnit: number;
  readonly #compact: boolean;

  constructor(value: PlanValue) {
    const { inner, rows, unit, compactUnit, compact } = layoutOf(value);
    const skipped = rows !== undefined && inner.length < value.shape.length ? 1 : 0;
    this.#bytes = bytesOf(value, 1);
    this.#rowUnit = unit;
    this.#compactUnit = compactUnit;
    this.#compact = compact && value.packing?.blocks === undefined;
    this.#offsets = inner.map((extent, j) =>
      Float64Array.from({ length: extent }, (_, i) => placeAlong(value, j + skipped, i)),
    );
  }

  /** Writes `rows` rows, row-major in `codes` from element `skip` on, to the start of `into`. */
  rows(codes: Uint8Array, skip: number, rows: number, into: Uint8Array): void {
    const bytes = this.#bytes;
    if (this.#compact) {
      into.set(codes.subarray(skip * bytes, (skip + rows * this.#compactUnit) * bytes));
      return;
    }
    const from = bytes === 1 ? codes : words16(codes);
    const to = bytes === 1 ? into : words16(into);
    let at = skip;
    const go = (axis: number, base: number): void => {
      const along = this.#offsets[axis];
      if (along === undefined) {
        to[base] = from[at++];
      } else if (axis === this.#offsets.length - 1) {
        for (let i = 0; i < along.length; i++) to[base + along[i]] = from[at++];
      } else for (let i = 0; i < along.length; i++) go(axis + 1, base + along[i]);
    };
    for (let row = 0; row < rows; row++) go(0, row * this.#rowUnit);
  }
}

/** What index `i` of axis `j` adds to an element's place; see `Packing`. */
function placeAlong({ strides, packing }: PlanValue, j: number, i: number): number {
  const block = packing?.blocks?.indexOf(j) ?? -1;
  if (block < 0) return i * strides[j];
  const whole = Math.floor(i / 4);
  return block === 0 ? whole * 4 * strides[j] + (i % 4) * 4 : whole * 16 + (i % 4);
}

function words16(bytes: Uint8Array): Uint16Array {
  const aligned = bytes.byteOffset % 2 === 0 ? bytes : bytes.slice();
  return new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.byteLength >> 1);
}

/** Packs and uploads what the load program computed: `values` are those of the `load` value, row-major. */
export function uploadDerived(
  value: PlanValue,
  plan: Plan,
  memory: Memory,
  values: Float32Array,
  partsOf: (id: number) => readonly Part[],
): void {
  const { home, packing, shape } = value;
  if (home.kind !== "derived" || packing === undefined)
    throw new Error(`internal: ${value.name} is not derived`);
  const source: WeightSource = {
    has: () => true,
    read: (_, start, count) => values.subarray(start, start + count),
    release: () => {},
    close: () => {},
  };
  const stored = { path: value.name, shape: shape.map(Number), storage: home.storage };
  const companions = uploadPacked(value, partsOf(value.id), memory, source, stored, () => {});
  for (const id of [packing.scale, packing.zero]) {
    if (id === undefined) continue;
    for (const { buffer } of partsOf(id))
      uploadCompanion(plan.values[id], stored, companions, memory, buffer);
  }
}

export function paramOf(plan: Plan, path: string): ParamInfo {
  const param = plan.params.find((each) => each.path === path);
  if (param === undefined) throw new Error(`internal: no parameter ${path}`);
  return param;
}
