/**
 * @file What a pass is: a value with a name that a person can say, one sentence about what it does, and a pure function.
 * A pass never mutates what it was given. `pipeline.ts` alone knows the order.
 */
import type { Graph } from "../src/ir/graph.ts";
import type { Profile } from "../src/ir/profile.ts";

export interface PassContext {
  readonly profile: Profile;
  /** False: what depends on the request alone is computed for every candidate all the same. Default true. */
  readonly reuse?: boolean;
  /** Told of choices that a person may wonder about, a sentence each. */
  explain?(sentence: string): void;
}

export interface Pass<From, To> {
  readonly name: string;
  /** One sentence for `--print-passes` and the docs. */
  readonly summary: string;
  run(input: From, context: PassContext): To;
}

export type GraphPass = Pass<Graph, Graph>;

export function definePass<From, To>(pass: Pass<From, To>): Pass<From, To> {
  return pass;
}
