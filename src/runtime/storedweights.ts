/**
 * @file Weights as they are stored: each parameter goes through the storage type that the spec gives it, so that the reference computes
 * with exactly the values that a device decodes. `storedEvaluation` does the same for all that a call reads.
 */
import type { EvaluationOptions } from "../../backends/reference/evaluate.ts";
import { storedActivations } from "../../backends/reference/rounding.ts";
import { rounded } from "../ir/codecs/codec.ts";
import { spanOf, splitsByRow } from "../ir/codecs/span.ts";
import type { Graph, ParamInfo } from "../ir/graph.ts";
import { F32_STORAGE, largestScale, sameStorage, scaledBy } from "../ir/storage.ts";
import { byPath, countOf, KeptReads, type WeightSource } from "./weights.ts";

/** `source` after a round trip through every parameter's storage; what the source has stored so already is passed on. */
export function storedWeights(source: WeightSource, params: readonly ParamInfo[]): WeightSource {
  const known = byPath(params);
  const reads = new KeptReads(known, ({ path, shape, storage }, start, count) => {
    const span = spanOf(shape, storage, start, count);
    const size = countOf(span.shape);
    const values = source.read(path, span.from * countOf(shape.slice(1)), size);
    return rounded(values, span.shape, storage).subarray(span.skip, span.skip + count);
  });
  return {
    has: (path) => source.has(path),
    inputScaleOf: (path) => source.inputScaleOf?.(path),
    read: (path, start, count) => {
      const param = known.get(path);
      // `quantize` reads calibrated scales as one-element parameters.
      const scaled = param === undefined ? scaledBy(path) : undefined;
      if (scaled !== undefined)
        return Float32Array.of(largestScale(scaled, (each) => source.inputScaleOf?.(each)));
      if (param === undefined) throw new Error(`internal: no parameter ${path}`);
      const { shape, storage } = param;
      if (sameStorage(source.storageOf?.(path) ?? F32_STORAGE, storage))
        return source.read(path, start, count);
      if (splitsByRow(shape, storage)) return reads.read(path, start, count);
      return reads.read(path, 0, countOf(shape)).subarray(start, start + count);
    },
    storageOf: (path) => known.get(path)?.storage,
    release: () => {
      reads.release();
      source.release();
    },
    close: () => {
      reads.release();
      source.close();
    },
  };
}

/** What makes `evaluate` compute with stored values: parameters, derived values and quantised activations. */
export function storedEvaluation(
  graph: Graph,
  source: WeightSource,
): { readonly params: WeightSource; readonly options: EvaluationOptions } {
  const params = storedWeights(source, graph.params);
  return { params, options: { rounding: storedActivations((path) => source.inputScaleOf?.(path)) } };
}
