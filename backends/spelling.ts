/**
 * @file What the printers of C-like texts share: how operators are spelt and how tightly they bind, and the shortest decimal of an
 * f32. Where a language differs (`&` binds less tightly in C++ than `==`) its printer puts parentheses.
 */
import type { ThreadFn } from "../src/ir/thread.ts";

/** A printed expression; one that binds less tightly than its place asks for stands in parentheses there. */
export interface Text {
  readonly text: string;
  readonly level: number;
}

export const ATOM = 8;
export const UNARY = 7;

/** Binary operators of scalars: spelling and level. */
export const OPERATORS: Partial<Record<ThreadFn, readonly [symbol: string, level: number]>> = {
  mul: ["*", 6],
  div: ["/", 6],
  idiv: ["/", 6],
  irem: ["%", 6],
  add: ["+", 5],
  sub: ["-", 5],
  shr: [">>", 4],
  bitand: ["&", 4],
  bitxor: ["^", 4],
  eq: ["==", 3],
  ne: ["!=", 3],
  lt: ["<", 3],
  le: ["<=", 3],
  gt: [">", 3],
  ge: [">=", 3],
  and: ["&&", 2],
  or: ["||", 1],
};

/** On vectors of bool `&&` and `||` are these, which may not be mixed either. */
export const VECTOR_OPERATORS: typeof OPERATORS = { and: ["&", 2], or: ["|", 1] };

const LARGEST_F32 = (2 - 2 ** -23) * 2 ** 127;

/** The shortest decimal that is this f32 again. */
export function shortest(value: number): string {
  for (let digits = 1; digits <= 9; digits++) {
    const near = Number(value.toPrecision(digits));
    // Rounded up, the largest f32 would be a number that a compiler refuses.
    if (Math.fround(near) === value && Math.abs(near) <= LARGEST_F32) return String(near);
  }
  return String(value);
}
