/**
 * @file What a program may ask of the compiler. A spec is unrolled while it is elaborated, so a typing slip (`repeat
 * 1_000_000_000`) would otherwise cost the machine's memory; every limit is checked before anything is built and is named in
 * its message.
 */

export interface Limits {
  /** Statements run, rounds of `repeat` included. */
  readonly statements: number;
  /** Values of the Graph before dead ones are dropped. */
  readonly nodes: number;
  /** Blocks that are open at once. */
  readonly depth: number;
  /** Expressions that are open at once, over all open blocks. */
  readonly nesting: number;
  /** Elements of one computed value. */
  readonly valueElements: number;
  /** Elements of one parameter. */
  readonly parameterElements: number;
  /** Elements of all parameters together. */
  readonly totalParameters: number;
  /** Entries of a compile-time list. */
  readonly listLength: number;
}

export const defaultLimits: Limits = {
  statements: 20_000,
  nodes: 20_000,
  depth: 200,
  nesting: 1000,
  valueElements: 2 ** 33,
  parameterElements: 2 ** 40,
  totalParameters: 2 ** 42,
  listLength: 10_000,
};
