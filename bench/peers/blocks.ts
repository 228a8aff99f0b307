/** @file Workload R for peers that are programmed: the blocks' parameters under the names of the formula. */
import { draw, type Job, type Blocks as Shapes } from "./job.ts";

/** s = LN(mix(x) + x; g1, h1); y = LN(gelu(s w1 + b1) w2 + b2 + s; g2, h2), a w and a b a token. */
export interface BlockWeights {
  readonly w1: Float32Array;
  readonly b1: Float32Array;
  readonly w2: Float32Array;
  readonly b2: Float32Array;
  readonly g1: Float32Array;
  readonly h1: Float32Array;
  readonly g2: Float32Array;
  readonly h2: Float32Array;
}
export type BlockWeight = keyof BlockWeights;

const PATHS: Readonly<Record<BlockWeight, string>> = {
  w1: "ffn.w1",
  b1: "ffn.b1",
  w2: "ffn.w2",
  b2: "ffn.b2",
  g1: "norm1.gain",
  h1: "norm1.bias",
  g2: "norm2.gain",
  h2: "norm2.bias",
};

/** What LayerNorm adds to the variance, as in the language. */
export const EPSILON = 1e-5;

/** Shapes that broadcast over [T, B, ·], in which every product is one batched matrix product. */
export function weightShape({ T, D, k }: Shapes, name: BlockWeight): number[] {
  const hidden = Math.round(k * D);
  switch (name) {
    case "w1":
      return [T, D, hidden];
    case "b1":
      return [T, 1, hidden];
    case "w2":
      return [T, hidden, D];
    case "b2":
      return [T, 1, D];
    default:
      return [D];
  }
}

export interface BlockData {
  readonly shapes: Shapes;
  /** [B, T, D]. */
  readonly x: Float32Array;
  readonly layers: readonly BlockWeights[];
}

export function blockData(job: Job): BlockData {
  const { blocks } = job;
  if (blocks === undefined) throw new Error(`internal: ${job.name} is not made of RankMixer blocks alone`);
  const { graph, weights, inputs } = draw(job);
  const read = (path: string): Float32Array => {
    const param = graph.params.find((each) => each.path === path);
    if (param === undefined) throw new Error(`internal: no parameter ${path}`);
    return weights.read(
      path,
      0,
      param.shape.reduce((a, b) => a * b, 1),
    );
  };
  const layers = Array.from({ length: blocks.L }, (_, layer) => {
    const of = (name: BlockWeight): Float32Array => read(`layers.${layer}.block.${PATHS[name]}`);
    return {
      w1: of("w1"),
      b1: of("b1"),
      w2: of("w2"),
      b2: of("b2"),
      g1: of("g1"),
      h1: of("h1"),
      g2: of("g2"),
      h2: of("h2"),
    };
  });
  const x = inputs.features.get("x");
  if (!(x instanceof Float32Array)) throw new Error("internal: no feature x");
  return { shapes: blocks, x, layers };
}
