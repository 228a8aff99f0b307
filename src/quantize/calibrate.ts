/**
 * @file Calibration: one scale for all rows of an activation, from the largest magnitude that it has on given inputs. A kernel then
 * needs no pass over the row before it can quantise it; what is larger later saturates.
 */
import { evaluate, type Rounding } from "../../backends/reference/evaluate.ts";
import { scaleFor } from "../ir/codecs/codec.ts";
import type { Graph, StorageElement } from "../ir/graph.ts";
import { needsScale } from "../ir/storage.ts";
import { evaluated } from "../runtime/engine/reference.ts";
import type { ModelInputs } from "../runtime/inputs.ts";
import type { WeightSource } from "../runtime/weights.ts";

/** The scales by the path of the parameter or derived value that the activation is multiplied with; formats without scales are left out. */
export function calibrate(graph: Graph, weights: WeightSource, inputs: ModelInputs): Map<string, number> {
  const seen = new Map<string, { element: StorageElement; magnitude: number }>();
  const watching: Rounding = {
    activation({ path, element }, values) {
      const known = seen.get(path) ?? { element, magnitude: 0 };
      known.magnitude = Array.from(values).reduce((most, v) => Math.max(most, Math.abs(v)), known.magnitude);
      seen.set(path, known);
      return values;
    },
  };
  const wanted = graph.outputs.map(({ value }) => value);
  evaluated(() => evaluate(graph, { ...inputs, params: weights }, wanted, { rounding: watching }));
  return new Map(
    [...seen]
      .filter(([, { element }]) => needsScale(element))
      .map(([path, { element, magnitude }]) => [path, scaleFor(magnitude, element)]),
  );
}
