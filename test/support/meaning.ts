/** @file What a spec means: the reference on given numbers, no device and no passes. For tests that know the answer by algebra. */
import { evaluate } from "../../backends/reference/evaluate.ts";
import type { Stage } from "../../src/ir/graph.ts";
import type { Plan } from "../../src/ir/plan.ts";
import { seeded } from "./random.ts";
import { graphOfSpec, type ZooOptions } from "./zoo.ts";

export interface Given {
  readonly set?: ZooOptions["set"];
  readonly requests?: number;
  readonly candidates?: number;
  /** The request of each candidate; default: 0. */
  readonly request?: readonly number[];
  /** Row-major, batch axis first. A feature or parameter that is not given is drawn: uniform in [-1, 1). */
  readonly features?: Readonly<Record<string, readonly number[]>>;
  readonly params?: Readonly<Record<string, readonly number[]>>;
}

/** Each task's values, `[N, …]` row-major; of a task that depends on no candidate, those of one request or of the load stage. */
export function meaningOf(text: string, given: Given = {}): Record<string, readonly number[]> {
  const graph = graphOfSpec(text, given.set);
  const { requests = 1, candidates = 1 } = given;
  const drawn = (name: string, count: number): number[] => {
    const random = seeded([...name].reduce((hash, c) => hash * 31 + c.charCodeAt(0), count));
    return Array.from({ length: count }, () => 2 * random() - 1);
  };
  const elements = (shape: readonly number[]): number =>
    shape.reduce((product, extent) => product * extent, 1);
  const params = new Map(
    graph.params.map(({ path, shape }) => [path, given.params?.[path] ?? drawn(path, elements(shape))]),
  );
  const features = new Map(
    graph.features.map(({ name, shape, stage }) => {
      const rows = stage === "user" ? requests : candidates;
      return [name, given.features?.[name] ?? drawn(name, rows * elements(shape))];
    }),
  );
  const results = evaluate(
    graph,
    {
      requests,
      candidates,
      request: given.request ?? new Array<number>(candidates).fill(0),
      features,
      params: { read: (path, start, count) => (params.get(path) ?? []).slice(start, start + count) },
    },
    graph.outputs.map(({ value }) => value),
  );
  return Object.fromEntries(graph.outputs.map(({ name }, i) => [name, Array.from(results[i]?.data ?? [])]));
}

/** The paths of the parameters that each stage's kernels read. */
export function paramsRead(plan: Plan, stage: Stage): string[] {
  const read = plan.kernels[stage].flatMap(({ buffers }) =>
    buffers.flatMap(({ value }) => {
      const home = plan.values[value]?.home;
      return home?.kind === "param" ? [home.path] : [];
    }),
  );
  return [...new Set(read)].sort();
}
