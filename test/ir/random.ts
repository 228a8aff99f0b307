/** @file Random expressions, index maps and stage tables for the property tests of `src/ir`. */
import fc from "fast-check";
import { type AxisExpr, apply, axis, type Expr, int } from "../../src/ir/expr.ts";
import {
  broadcastMap,
  type IndexMap,
  permuteMap,
  reshapeMap,
  selectMap,
  sliceMap,
  unfoldMap,
} from "../../src/ir/indexmap.ts";

/** Extents on purpose awkward: 1, primes, and multiples of the divisors below. */
const extents = [1, 2, 3, 7, 8, 12];

export const randomAxes: fc.Arbitrary<AxisExpr[]> = fc
  .array(fc.constantFrom(...extents), { minLength: 1, maxLength: 3 })
  .map((all) => all.map((extent, k) => axis(`i${k}`, extent)));

const divisor = fc.constantFrom(1, 2, 3, 4, 6, 8, 12, 24);
const small = fc.integer({ min: -30, max: 30 });

/** An integer expression over the axes: everything that index arithmetic is made of. */
export function integerOver(axes: readonly AxisExpr[], depth: number): fc.Arbitrary<Expr> {
  const leaf = fc.oneof(fc.constantFrom<Expr>(...axes), small.map(int));
  if (depth === 0) return leaf;
  const e = integerOver(axes, depth - 1);
  return fc.oneof(
    { arbitrary: leaf, weight: 1 },
    {
      arbitrary: fc.tuple(fc.constantFrom("add", "sub"), e, e).map(([fn, a, b]) => apply(fn, a, b)),
      weight: 5,
    },
    { arbitrary: fc.tuple(e, divisor).map(([a, c]) => apply("mul", a, int(c))), weight: 4 },
    {
      arbitrary: fc
        .tuple(fc.constantFrom("floordiv", "mod"), e, divisor)
        .map(([fn, a, c]) => apply(fn, a, int(c))),
      weight: 6,
    },
    {
      arbitrary: fc.tuple(fc.constantFrom("min", "max", "mul"), e, e).map(([fn, a, b]) => apply(fn, a, b)),
      weight: 1,
    },
    {
      arbitrary: fc.tuple(fc.constantFrom("neg", "abs", "sign"), e).map(([fn, a]) => apply(fn, a)),
      weight: 1,
    },
    {
      arbitrary: fc.tuple(booleanOver(axes, 0), e, e).map(([c, a, b]) => apply("where", c, a, b)),
      weight: 1,
    },
    { arbitrary: fc.tuple(e, e, e).map(([x, a, b]) => apply("clamp", x, a, b)), weight: 1 },
  );
}

export function booleanOver(axes: readonly AxisExpr[], depth: number): fc.Arbitrary<Expr> {
  const e = integerOver(axes, depth);
  const comparison = fc
    .tuple(fc.constantFrom("eq", "ne", "lt", "le", "gt", "ge"), e, e)
    .map(([fn, a, b]) => apply(fn, a, b));
  if (depth === 0) return comparison;
  const inner = booleanOver(axes, depth - 1);
  return fc.oneof(
    { arbitrary: comparison, weight: 4 },
    {
      arbitrary: fc.tuple(fc.constantFrom("and", "or"), inner, inner).map(([fn, a, b]) => apply(fn, a, b)),
      weight: 1,
    },
    { arbitrary: inner.map((a) => apply("not", a)), weight: 1 },
  );
}

/** Every point of a box [0, extents), in row-major order. */
export function* points(shape: readonly number[]): Generator<number[]> {
  const total = shape.reduce((n, extent) => n * extent, 1);
  for (let flat = 0; flat < total; flat++) {
    const point: number[] = [];
    let rest = flat;
    for (let a = shape.length - 1; a >= 0; a--) {
      point.unshift(rest % shape[a]);
      rest = Math.floor(rest / shape[a]);
    }
    yield point;
  }
}

/** `evaluateExpr`'s environment at a point (i0, i1, …). */
export function envAt(point: readonly number[]): {
  axis: (name: string) => number;
  load: () => number;
  tile: () => number;
} {
  const none = (): never => {
    throw new Error("no values here");
  };
  return { axis: (name) => point[Number(name.slice(1))], load: none, tile: none };
}

/** A shape and a chain of views of it, each of the one before. */
export interface Views {
  readonly shape: readonly number[];
  readonly maps: readonly IndexMap[];
}

export const randomShape: fc.Arbitrary<number[]> = fc.array(fc.constantFrom(1, 2, 3, 4, 6, 7), {
  minLength: 1,
  maxLength: 3,
});

export const randomViews: fc.Arbitrary<Views> = randomShape.chain((shape) => viewsOf(shape, [], 4));

function viewsOf(shape: readonly number[], maps: readonly IndexMap[], more: number): fc.Arbitrary<Views> {
  const now = maps.length === 0 ? shape : maps[maps.length - 1].out.map(Number);
  const done = fc.constant<Views>({ shape, maps });
  if (more === 0) return done;
  const step = viewOf(now).chain((map) => viewsOf(shape, [...maps, map], more - 1));
  return maps.length === 0 ? step : fc.oneof({ arbitrary: done, weight: 1 }, { arbitrary: step, weight: 3 });
}

/** One view of a value of this shape; every kind that there is. */
function viewOf(shape: readonly number[]): fc.Arbitrary<IndexMap> {
  const size = shape.reduce((n, extent) => n * extent, 1);
  const factors = [1, 2, 3, 4, 6, 7, 8, 12].filter((f) => size % f === 0);
  const permutation = fc
    .shuffledSubarray(
      shape.map((_, k) => k),
      { minLength: shape.length },
    )
    .map((perm) => permuteMap(shape, perm));
  const split = fc.constantFrom(...factors).map((f) => reshapeMap(shape, [f, size / f]));
  const flat = fc.constant(reshapeMap(shape, [size]));
  if (shape.length === 0) return flat;
  const axis = fc.nat(shape.length - 1);
  const slice = fc
    .tuple(axis, fc.nat(6), fc.integer({ min: 1, max: 6 }), fc.constantFrom(1, 2, -1))
    .map(([a, s, n, step]) => {
      const start = s % shape[a];
      const room = step > 0 ? Math.ceil((shape[a] - start) / step) : start + 1;
      return sliceMap(shape, a, start, Math.min(n, room), step);
    });
  const select = fc.tuple(axis, fc.nat(6)).map(([a, k]) => selectMap(shape, a, k % shape[a]));
  const repeat = fc.constant(
    broadcastMap(
      shape,
      [3, ...shape],
      shape.map((_, k) => k + 1),
    ),
  );
  const windows = fc
    .tuple(axis, fc.constantFrom(1, 2), fc.constantFrom(1, 2))
    .map(([a, n, step]) => unfoldMap(shape, a, Math.min(n, shape[a]), step));
  return size > 300
    ? fc.oneof(permutation, slice, select)
    : fc.oneof(permutation, split, flat, slice, select, repeat, windows);
}
