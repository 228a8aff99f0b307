/** @file Drawn inputs: what a model is run with when no file gives its features. */
import type { FeatureInfo } from "../ir/graph.ts";
import type { FeatureArray, ModelInputs } from "./inputs.ts";
import { bitsAt, integerAt, normalAt, type StreamKey, streamKey } from "./random.ts";
import { countOf } from "./weights.ts";

export interface DrawnInputsOptions {
  readonly requests: number;
  readonly candidates: number;
  readonly seed?: number;
  /** Candidates of different requests stand in random order instead of request after request. */
  readonly shuffled?: boolean;
}

/** Integers without a table are drawn below this. */
const FREE_INTEGER_BOUND = 100;

/**
 * Ids uniform over their table, lengths uniform over 0 to the maximum, dense features N(0, 1); every request gets
 * about the same number of candidates.
 */
export function drawnInputs(features: readonly FeatureInfo[], options: DrawnInputsOptions): ModelInputs {
  const { requests, candidates, seed = 0, shuffled = false } = options;
  const drawn = new Map<string, FeatureArray>();
  // Lengths first: what lies behind them is 0.
  const lengthsFirst = features.toSorted(
    (a, b) => Number(b.lengthOf !== undefined) - Number(a.lengthOf !== undefined),
  );
  for (const feature of lengthsFirst) {
    const rows = feature.stage === "user" ? requests : candidates;
    const lengths = feature.length === undefined ? undefined : drawn.get(feature.length);
    drawn.set(feature.name, drawFeature(feature, rows, streamKey(seed, `input:${feature.name}`), lengths));
  }
  const request = Int32Array.from({ length: candidates }, (_, n) => Math.floor((n * requests) / candidates));
  if (shuffled) shuffle(request, streamKey(seed, "input:request"));
  return { requests, candidates, request, features: drawn };
}

function drawFeature(
  feature: FeatureInfo,
  rows: number,
  key: StreamKey,
  lengths: FeatureArray | undefined,
): FeatureArray {
  const unit = countOf(feature.shape);
  const perEntry = countOf(feature.shape.slice(1));
  const out = feature.dtype === "f32" ? new Float32Array(rows * unit) : new Int32Array(rows * unit);
  const bound =
    feature.lengthOf !== undefined ? feature.lengthOf.max + 1 : (feature.table?.rows ?? FREE_INTEGER_BOUND);
  for (let row = 0; row < rows; row++) {
    const end = row * unit + (lengths === undefined ? unit : (lengths[row] ?? 0) * perEntry);
    for (let i = row * unit; i < end; i++) {
      out[i] = feature.dtype === "f32" ? normalAt(key, i) : integerAt(key, i, bound);
    }
  }
  return out;
}

/** Fisher–Yates. */
function shuffle(values: Int32Array, key: StreamKey): void {
  for (let i = values.length - 1; i > 0; i--) {
    const j = (bitsAt(key, i) >>> 0) % (i + 1);
    const kept = values[i] ?? 0;
    values[i] = values[j] ?? 0;
    values[j] = kept;
  }
}
