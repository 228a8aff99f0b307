/**
 * @file Bytes of an element of each value that a kernel touches, by the precision asked for: parameters and derived values as they are
 * stored, scales included; what kernels hand to one another in the compute type; inputs as they are uploaded, in four bytes.
 */
import type { Graph } from "../ir/graph.ts";
import { matchesPath } from "../ir/pathpattern.ts";
import type { PlanValue } from "../ir/plan.ts";
import { derivedNodes, elementBytes, type Storage, storedBytes } from "../ir/storage.ts";

const WORD = 4;

export class ElementBytes {
  readonly #graph: Graph;
  readonly #derived: ReadonlyMap<number, { readonly storage: Storage }>;

  /** `graph` is the final one, whose nodes the plan's values hold. */
  constructor(graph: Graph) {
    this.#graph = graph;
    this.#derived = derivedNodes(graph);
  }

  /** Mean bytes of an element of a parameter: its scales are shared out. */
  ofParam(path: string): number {
    const param = this.#graph.params.find((each) => each.path === path);
    return param === undefined ? WORD : meanBytes(param.shape, param.storage);
  }

  ofValue({ home, element, node, shape }: PlanValue): number {
    if (home.kind === "param") return this.ofParam(home.path);
    if (element !== "f32" || node === undefined || this.#graph.nodes[node].op.kind === "feature") return WORD;
    const derived = this.#derived.get(node);
    if (derived !== undefined) return meanBytes(shape.map(Number), derived.storage);
    const compute = this.#computeOf(this.#graph.nodes[node].path);
    return compute === "tf32" ? WORD : elementBytes[compute];
  }

  /** The type that a part computes in; later lines win. */
  #computeOf(path: string): Graph["precision"]["compute"] {
    const { compute, parts } = this.#graph.precision;
    return parts.findLast(({ pattern }) => matchesPath(pattern, path))?.compute ?? compute;
  }
}

function meanBytes(shape: readonly number[], storage: Storage): number {
  const count = shape.reduce((product, extent) => product * extent, 1);
  return count === 0 ? elementBytes[storage.element] : storedBytes(shape, storage) / count;
}
