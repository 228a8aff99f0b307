/**
 * Rounded activations (`inputs TYPE`) over the zoo: no kernel's only work is conversion, and the tile programs, interpreted in f64, compute
 * what the Graph says, whether scales are given or each row has its own.
 */
import { expect, it } from "vitest";
import { compileFor, type Variant } from "../../src/compile.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { gpu, software } from "../../src/ir/profiles.ts";
import { scaledBy } from "../../src/ir/storage.ts";
import { partsOf } from "../../src/ir/tile.ts";
import { models, specOf, title } from "../cuda/models.ts";
import { drawInput, expectKernels } from "../support/equivalence.ts";
import { graphOfSpec } from "../support/zoo.ts";

/** What is computed for rounding alone has the product's path and this. */
const ROUNDING = /\.inputs$/;

/** The kernels whose results are all made for rounding. */
function conversions({ graph, plan }: Variant): readonly string[] {
  return Object.values(plan.kernels)
    .flat()
    .flatMap(partsOf)
    .filter(
      ({ roots }) => roots.length > 0 && roots.every((id) => ROUNDING.test(graph.nodes[id]?.path ?? "")),
    )
    .map(({ name }) => name);
}

/** Parameters and features drawn, and scales: none given, or the same for all. */
function drawn(graph: Graph, scale: number): ReturnType<typeof drawInput> {
  const sizes = { requests: 1, candidates: 2 };
  const input = drawInput(graph, sizes, 5);
  const { params } = input;
  return {
    ...input,
    params: {
      read: (path, start, count) =>
        scaledBy(path) ? Float64Array.of(scale) : params.read(path, start, count),
    },
  };
}

const types = ["fp8_e4m3", "int8 per channel"];

it.each(models.map((model, i) => ({ ...model, i, type: types[i % types.length] ?? "" })))(
  "$name rounds its activations to $type where it loads them",
  ({ type, i, ...model }) => {
    const graph = graphOfSpec(specOf(model), model.set, `"**" = f32 inputs ${type}`);
    expect(conversions(compileFor(graph, gpu)), `${title(model)}, gpu`).toEqual([]);
    const variant = compileFor(graph, software);
    expect(conversions(variant), `${title(model)}, software`).toEqual([]);
    expectKernels(variant, drawn(graph, i % 3 === 0 ? 0.02 : 0));
  },
);
