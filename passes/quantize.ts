/**
 * @file quantize: the activations of products whose parameter's line says `inputs TYPE` are rounded to that type, as ops of the Graph:
 *
 *     einsum(x, w)  →  einsum(round(x / s) · s, w)        s = the calibrated scale, or max |x| of the row / the largest code
 *
 * A row is all that the product sums over, of one request or candidate. The calibrated scale is one number that comes with the
 * weights; it is 0 where nobody calibrated, which is known at load, so both forms are in the Graph. 16-bit types have no
 * scale. Products that round one value alike (gate and up of a SwiGLU) share the rounding, and with it its scale, so that they can
 * become one kernel as any two products of the same rows (pair-products.ts). It runs first, on products as the model writes them: what
 * the other passes make of a product must not change what a row is. Storage of parameters needs no op: `fuse` reads them decoded.
 */
import { type ActivationRead, activationReads } from "../src/ir/activations.ts";
import { largestCode } from "../src/ir/codecs/codec.ts";
import type { Graph, Node, Op, Operand } from "../src/ir/graph.ts";
import { broadcastMap } from "../src/ir/indexmap.ts";
import { opDef } from "../src/ir/ops/index.ts";
import { isUniform, maxLevel, minLevel, type StageLevel, type StageTable, uniform } from "../src/ir/stage.ts";
import { needsScale, sharedScaleName } from "../src/ir/storage.ts";
import { definePass } from "./pass.ts";
import { type About, Rewriter } from "./rewrite.ts";

type Fn = Extract<Op, { kind: "pointwise" }>["fn"];

const ROUND: Readonly<Record<ActivationRead["element"], Fn>> = {
  f16: "round_f16",
  bf16: "round_bf16",
  int8: "round_int8",
  fp8_e4m3: "round_e4m3",
  fp8_e5m2: "round_e5m2",
};

/** The smallest number that no device flushes to 0: no scale is smaller. */
const SMALLEST = 2 ** -126;

export const quantize = definePass<Graph, Graph>({
  name: "quantize",
  summary: "rounds the activations that products take in a narrow type",
  run(graph) {
    const reads = activationReads(graph);
    if (reads.size === 0) return graph;
    const out = new Rewriter(graph);
    const roundings = new Roundings(out);
    for (const node of graph.nodes) {
      const rounds = reads.get(node.id) ?? [];
      if (rounds.length === 0) {
        out.copy(node);
        continue;
      }
      const inputs = node.inputs.map((operand, k) => {
        const x = out.operand(operand);
        const read = rounds.find((each) => each.operand === k);
        return read === undefined ? x : roundings.of(x, read, node);
      });
      const { path, origin, keep } = node;
      out.replace(
        node.id,
        out.derive(node.op, inputs, { path, ...(origin && { origin }), ...(keep && { keep }) }),
      );
    }
    return out.finish();
  },
});

/**
 * The stage at which `x` is rounded, where that is when all of the product is computed: a request's part of it rounded with the
 * request would be a kernel of its own, for nothing that is used again. Undefined where parts of the product are known sooner, or are 0.
 */
function levelAlone({ stage }: Node, x: StageTable): StageLevel | undefined {
  return isUniform(stage) && minLevel(x) > 0 ? maxLevel(stage) : undefined;
}

/** Rounded values, each made once for all products that round it alike at the same stage. */
class Roundings {
  private readonly out: Rewriter;
  private readonly made = new Map<string, Operand>();
  private readonly given = new Map<string, Operand>();

  constructor(out: Rewriter) {
    this.out = out;
  }

  /** `x` rounded, in place of an operand of `node`. */
  of(x: Operand, read: ActivationRead, node: Node): Operand {
    const level = levelAlone(node, this.out.stageOf(x));
    const key = JSON.stringify([x, read.element, read.shared, level ?? "parts"]);
    const known = this.made.get(key);
    if (known !== undefined) return known;
    const about: About = { path: `${node.path}.inputs`, ...(node.origin && { origin: node.origin }) };
    const rounded = this.round(x, read, about, level);
    this.made.set(key, rounded);
    return rounded;
  }

  private round(
    x: Operand,
    { element, paths, shared }: ActivationRead,
    about: About,
    level: StageLevel | undefined,
  ): Operand {
    const { out } = this;
    const derive = (op: Op, inputs: readonly Operand[]): Operand => {
      if (level === undefined) return out.derive(op, inputs, about);
      const types = inputs.map((o) => out.typeOf(o));
      const { shape } = opDef(op.kind).shape(op, types, undefined);
      return out.add(op, inputs, { ...about, stage: uniform(shape, level) });
    };
    const apply = (fn: Fn, ...inputs: readonly Operand[]): Operand =>
      derive({ kind: "pointwise", fn }, inputs);
    if (!needsScale(element)) return apply(ROUND[element], x);
    const spread = (operand: Operand, like: Operand): Operand => {
      const from = out.typeOf(operand).shape;
      return {
        id: operand.id,
        map: broadcastMap(
          from,
          out.typeOf(like).shape,
          from.map((_, j) => j),
        ),
      };
    };
    const number = (value: number, like: Operand): Operand =>
      out.add({ kind: "const", value }, [], about, out.typeOf(like));
    const given = this.calibrated(sharedScaleName(paths));
    const isGiven = out.derive({ kind: "pointwise", fn: "gt" }, [given, number(0, given)], about);
    // Where the scale is given, no row is gone through for its magnitudes.
    const magnitudes = apply("where", spread(isGiven, x), number(0, x), apply("abs", x));
    const highest = derive({ kind: "reduce", fn: "max", axes: shared, keep: true }, [magnitudes]);
    const ofRow = apply("div", highest, number(largestCode(element), highest));
    const chosen = apply("where", spread(isGiven, highest), spread(given, highest), ofRow);
    const scale = apply("max", chosen, number(SMALLEST, highest));
    const each = spread(scale, x);
    return apply("mul", apply(ROUND[element], apply("div", x, each)), each);
  }

  private calibrated(name: string): Operand {
    const known = this.given.get(name);
    if (known !== undefined) return known;
    const made = this.out.add({ kind: "param", path: name }, [], { path: name }, { shape: [], dtype: "num" });
    this.given.set(name, made);
    return made;
  }
}
