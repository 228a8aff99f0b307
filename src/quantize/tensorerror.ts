/**
 * @file What storing a parameter costs in precision, gathered piece by piece. The signal-to-quantisation-noise ratio is
 * 10·log₁₀(Σ v² / Σ (v − stored)²) dB; a bit more or less is 6 dB.
 */
import { largestCode } from "../ir/codecs/codec.ts";
import { scaleGrid } from "../ir/codecs/scalegrid.ts";
import type { Storage } from "../ir/graph.ts";
import { needsScale } from "../ir/storage.ts";

export interface TensorError {
  /** Values that were looked at; fewer than the parameter has where it was sampled. */
  readonly values: number;
  readonly maxError: number;
  /** √(Σ (v − stored)² / Σ v²). */
  readonly relativeError: number;
  /** dB; Infinity where nothing is lost. */
  readonly sqnr: number;
  /** Values beyond OUTLIER times the rms of those that share their scale. */
  readonly outliers: number;
  /** The largest of these: how many times the rms, and where (row-major). */
  readonly worst?: { readonly ratio: number; readonly element: number };
  /** Values beyond the largest of f16 or bf16, which became the largest. */
  readonly clipped: number;
}

/** No value of a normal distribution of any practical size lies out here. */
export const OUTLIER = 6;

export class ErrorMeter {
  readonly #storage: Storage;
  #values = 0;
  #signal = 0;
  #noise = 0;
  #maxError = 0;
  #outliers = 0;
  #clipped = 0;
  #worst: { ratio: number; element: number } | undefined;

  constructor(storage: Storage) {
    this.#storage = storage;
  }

  /** A piece of the parameter that holds whole channels, its first element being element `first`. */
  add(values: Float32Array, stored: Float32Array, shape: readonly number[], first: number): void {
    this.#values += values.length;
    const limit = needsScale(this.#storage.element) ? Infinity : largestCode(this.#storage.element);
    for (let i = 0; i < values.length; i++) {
      const value = values[i];
      const error = Math.abs(value - stored[i]);
      this.#signal += value * value;
      this.#noise += error * error;
      if (error > this.#maxError) this.#maxError = error;
      if (Math.abs(value) > limit) this.#clipped++;
    }
    this.#findOutliers(values, shape, first);
  }

  result(): TensorError {
    return {
      values: this.#values,
      maxError: this.#maxError,
      relativeError: this.#noise === 0 ? 0 : Math.sqrt(this.#noise / this.#signal),
      sqnr: this.#noise === 0 ? Infinity : 10 * Math.log10(this.#signal / this.#noise),
      outliers: this.#outliers,
      ...(this.#worst && { worst: this.#worst }),
      clipped: this.#clipped,
    };
  }

  #findOutliers(values: Float32Array, shape: readonly number[], first: number): void {
    const { scale } = this.#storage;
    if (scale === undefined) return;
    const grid = scaleGrid(shape, scale);
    const { inner } = grid;
    const squares = new Float64Array(grid.count);
    const counts = new Uint32Array(grid.count);
    grid.forEachRun((start, base) => {
      for (let i = 0; i < inner.length; i++) {
        squares[base + inner[i]] += values[start + i] ** 2;
        counts[base + inner[i]]++;
      }
    });
    grid.forEachRun((start, base) => {
      for (let i = 0; i < inner.length; i++) {
        const s = base + inner[i];
        const ratio = Math.abs(values[start + i]) / Math.sqrt(squares[s] / counts[s]);
        if (!(ratio > OUTLIER)) continue;
        this.#outliers++;
        if (ratio > (this.#worst?.ratio ?? 0)) this.#worst = { ratio, element: first + start + i };
      }
    });
  }
}
