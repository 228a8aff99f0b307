/**
 * @file Where parameters' values come from. A source is asked for ranges of elements by path; the engine packs them
 * into buffers and the reference reads the same arrays, so one copy of the weights serves both.
 */
import type { Encoded } from "../ir/codecs/codec.ts";
import type { Span } from "../ir/codecs/span.ts";
import type { ParamInfo, Storage } from "../ir/graph.ts";

export interface WeightSource {
  /**
   * Elements [start, start + count) of the parameter, row-major f32. A whole parameter that is no table is kept and handed
   * out again (or views of it): callers must not write to it.
   */
  read(path: string, start: number, count: number): Float32Array;
  has(path: string): boolean;
  /** How the source itself stores the parameter, where that is known and not f32: values read are those of this storage. */
  storageOf?(path: string): Storage | undefined;
  /** A piece of a parameter as the source stores it (`storageOf`); undefined: it must be encoded from what `read` gives. */
  encoded?(path: string, span: Span): Encoded | undefined;
  /** The calibrated scale of activations read with the parameter (`inputs` in the spec); undefined: a scale a row. */
  inputScaleOf?(path: string): number | undefined;
  /** Drops the kept arrays; they come back when read. */
  release(): void;
  close(): void;
}

export interface DrawOptions {
  readonly seed?: number;
  /**
   * Draws what an initialiser sets to zeros or ones as well, as 0 + 0.1·N(0, 1) and 1 + 0.1·N(0, 1). Verification needs
   * it: a bias of zeros or a gain of ones hides a kernel that forgets it.
   */
  readonly perturb?: boolean;
}

export function countOf(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

/** Keeps whole parameters that are no tables; reads everything else anew through `load`. */
export class KeptReads {
  readonly #params: ReadonlyMap<string, ParamInfo>;
  readonly #kept = new Map<string, Float32Array>();
  readonly #load: (param: ParamInfo, start: number, count: number) => Float32Array;

  constructor(
    params: ReadonlyMap<string, ParamInfo>,
    load: (param: ParamInfo, start: number, count: number) => Float32Array,
  ) {
    this.#params = params;
    this.#load = load;
  }

  read(path: string, start: number, count: number): Float32Array {
    const param = this.#params.get(path);
    if (param === undefined) throw new Error(`internal: no parameter ${path}`);
    const size = countOf(param.shape);
    if (start < 0 || count < 0 || start + count > size) {
      throw new Error(`internal: read [${start}, ${start + count}) of ${path} with ${size} elements`);
    }
    const kept = this.#kept.get(path);
    if (kept !== undefined) return count === size ? kept : kept.subarray(start, start + count);
    const values = this.#load(param, start, count);
    if (count === size && !param.table) this.#kept.set(path, values);
    return values;
  }

  release(): void {
    this.#kept.clear();
  }
}

export function byPath(params: readonly ParamInfo[]): Map<string, ParamInfo> {
  return new Map(params.map((param) => [param.path, param]));
}
