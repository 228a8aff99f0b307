/**
 * @file The samples of an evaluation: one for parameters, one a request, one a candidate, and which of them a node
 * reads from an operand of another stage.
 */
import type { Graph } from "../../src/ir/graph.ts";
import { maxLevel } from "../../src/ir/stage.ts";

/** 1 load, 2 user, 3 item. */
export type Level = 1 | 2 | 3;

/** At which stage each node is evaluated; after `split-stages` all have one sample, batch axes and all. */
export function levelsOf(graph: Graph, split: boolean): Level[] {
  return graph.nodes.map((node) => {
    const level = split ? 1 : maxLevel(node.stage);
    return level === 0 ? 1 : level;
  });
}

export class Batch {
  readonly #requests: number;
  readonly #request: Int32Array;
  readonly #firstCandidate: Int32Array;
  readonly #real: readonly [number, number, number];

  /** `standIns`: every request, and the load stage, shall have a candidate to read from, so stand-ins fill the gaps. */
  constructor(
    input: { readonly requests: number; readonly candidates: number; readonly request: ArrayLike<number> },
    standIns: boolean,
  ) {
    this.#real = [1, input.requests, input.candidates];
    this.#requests = standIns ? Math.max(1, input.requests) : input.requests;
    const request = Array.from(input.request).slice(0, input.candidates);
    const served = new Set(request);
    if (standIns) for (let r = 0; r < this.#requests; r++) if (!served.has(r)) request.push(r);
    this.#request = Int32Array.from(request);
    this.#firstCandidate = Int32Array.from({ length: this.#requests }, (_, r) => this.#request.indexOf(r));
  }

  /** Samples of a stage, stand-ins included; these come last. */
  count(level: Level): number {
    return level === 1 ? 1 : level === 2 ? this.#requests : this.#request.length;
  }

  realCount(level: Level): number {
    return this.#real[level - 1];
  }

  /** The sample of an operand at stage `from` that sample `sample` of a reader at stage `to` reads. */
  sampleOf(from: Level, to: Level, sample: number): number {
    if (from === 1) return 0;
    if (from === to) return sample;
    if (to === 3) return this.#request[sample];
    return from === 3 ? this.#firstCandidate[sample] : 0;
  }
}
