/**
 * @file Index maps: layout as arithmetic. A map says where each element of a view lies in the value that is viewed; slices,
 * permutations, reshapes, broadcasts, head splits and windows are all maps, they compose by substitution, and
 * composing moves no data. RankMixer's token mixing `t (h e) -> h (t e)` is one:
 *
 *   (i0, i1: 16, 128) -> [i1 // 8, i0 * 8 + i1 % 8]
 *
 * Every map that is built here is simplified, so equal views have equal maps.
 */
import { add, axis, type Expr, type Extent, floordiv, int, mod, mul, sameExpr, substitute } from "./expr.ts";
import { readExpr, TokenReader } from "./exprparse.ts";
import { printExpr } from "./exprprint.ts";
import { constant, type Linear, linearOf, plus, quotientParts, toExpr } from "./linear.ts";
import { compileExpr, scalarFns } from "./scalar.ts";
import { simplify } from "./simplify.ts";

/** A view of shape `out`: its element at (i0, i1, …) is the value's element at `index`, one expression per axis of the value. */
export interface IndexMap {
  readonly out: readonly Extent[];
  readonly index: readonly Expr[];
}

/** The axes i0, i1, … of a view of this shape. */
export function mapAxes(out: readonly Extent[]): Expr[] {
  return out.map((extent, k) => axis(`i${k}`, extent));
}

function build(out: readonly Extent[], index: readonly Expr[]): IndexMap {
  return { out: [...out], index: index.map(simplify) };
}

export function identityMap(shape: readonly Extent[]): IndexMap {
  return build(shape, mapAxes(shape));
}

/** Whether the view is the value itself, of shape `inShape`. */
export function isIdentity(map: IndexMap, inShape: readonly Extent[]): boolean {
  return sameShape(map.out, inShape) && mapsEqual(map, identityMap(inShape));
}

/** The view `outer` (out → mid) of the view `inner` (mid → in), as one map out → in. */
export function composeMaps(outer: IndexMap, inner: IndexMap): IndexMap {
  if (outer.index.length !== inner.out.length) {
    throw new Error(`internal: ${printMap(outer)} does not give an index of ${printMap(inner)}`);
  }
  const axes = new Map(outer.index.map((e, k) => [`i${k}`, e]));
  return build(
    outer.out,
    inner.index.map((e) => substitute(e, axes)),
  );
}

/** Out axis k is in axis `perm[k]`. */
export function permuteMap(inShape: readonly Extent[], perm: readonly number[]): IndexMap {
  const out = perm.map((j) => inShape[j]);
  const axes = mapAxes(out);
  return build(
    out,
    inShape.map((_, j) => axes[perm.indexOf(j)]),
  );
}

/**
 * The row-major reshape. A symbolic extent passes as long as it stays an axis of its own: the constant axes
 * before it, and those after it, are reshaped among themselves.
 */
export function reshapeMap(from: readonly Extent[], to: readonly Extent[]): IndexMap {
  const axes = mapAxes(to);
  const index: Expr[] = [];
  let a = 0;
  let b = 0;
  for (;;) {
    const [inRun, outRun] = [constantRun(from, a), constantRun(to, b)];
    if (numel(inRun) !== numel(outRun)) throw cannotReshape(from, to);
    index.push(...reshapeRun(inRun, outRun, axes.slice(b, b + outRun.length)));
    a += inRun.length;
    b += outRun.length;
    if (from[a] !== to[b]) throw cannotReshape(from, to);
    if (a === from.length) return build(to, index);
    index.push(axes[b]);
    a++;
    b++;
  }
}

/** The constant extents from `start` up to the next symbolic one. */
function constantRun(shape: readonly Extent[], start: number): number[] {
  const run: number[] = [];
  for (let k = start; k < shape.length; k++) {
    const extent = shape[k];
    if (typeof extent === "string") break;
    run.push(extent);
  }
  return run;
}

function reshapeRun(from: readonly number[], to: readonly number[], axes: readonly Expr[]): Expr[] {
  if (from.includes(0)) return from.map(() => int(0));
  const outStrides = stridesOf(to);
  const position = weighted(axes, outStrides);
  const inStrides = stridesOf(from);
  return from.map((extent, j) => mod(floordiv(toExpr(position), int(inStrides[j])), int(extent)));
}

function cannotReshape(from: readonly Extent[], to: readonly Extent[]): Error {
  return new Error(`internal: cannot reshape [${from.join(", ")}] to [${to.join(", ")}]`);
}

/** Elements start, start + step, … along one axis, `size` of them. */
export function sliceMap(
  inShape: readonly Extent[],
  axis: number,
  start: number,
  size: number,
  step = 1,
): IndexMap {
  const out = inShape.with(axis, size);
  const axes = mapAxes(out);
  return build(out, axes.with(axis, add(mul(axes[axis], int(step)), int(start))));
}

/** Element `at` along one axis, which the view no longer has. */
export function selectMap(inShape: readonly Extent[], axis: number, at: number): IndexMap {
  const out = inShape.toSpliced(axis, 1);
  return build(out, mapAxes(out).toSpliced(axis, 0, int(at)));
}

/** Lays in axis j along out axis `axes[j]`; one of extent 1 may be stretched, and out axes that are not named repeat. */
export function broadcastMap(
  inShape: readonly Extent[],
  outShape: readonly Extent[],
  axes: readonly number[],
): IndexMap {
  const all = mapAxes(outShape);
  return build(
    outShape,
    inShape.map((extent, j) => {
      if (extent !== 1 && extent !== outShape[axes[j]]) {
        throw new Error(`internal: cannot lay ${extent} along ${outShape[axes[j]]}`);
      }
      return extent === 1 ? int(0) : all[axes[j]];
    }),
  );
}

/** Windows of `size` elements, one every `step`: axis `axis` becomes the windows, followed by the place in the window. */
export function unfoldMap(inShape: readonly Extent[], axis: number, size: number, step: number): IndexMap {
  const extent = inShape[axis];
  if (typeof extent === "string") throw new Error(`internal: windows along the symbolic extent ${extent}`);
  const out = inShape.toSpliced(axis, 1, Math.max(0, Math.floor((extent - size) / step) + 1), size);
  const axes = mapAxes(out);
  return build(out, axes.toSpliced(axis, 2, add(mul(axes[axis], int(step)), axes[axis + 1])));
}

/**
 * If the view is a strided walk over the row-major value: the flat offset of its first element and the stride of each out axis, in
 * elements. Undefined if an index needs division, or a stride would be symbolic.
 */
export function affineLayout(
  map: IndexMap,
  inShape: readonly Extent[],
): { readonly offset: number; readonly strides: readonly number[] } | undefined {
  const inner = constantRun(inShape, 1);
  if (inner.length < inShape.length - 1) return undefined;
  // The extent of the first axis is no part of any stride.
  const inStrides = inShape.length === 0 ? [] : stridesOf([1, ...inner]);
  const { terms, constant } = flatIndex(map, inStrides);
  const strides = map.out.map(() => 0);
  for (const { atom, coef } of terms) {
    if (atom.kind !== "axis") return undefined;
    strides[axisNumber(atom.name)] = coef;
  }
  return { offset: constant, strides };
}

/** Σ index_j · strides_j, recombined: a merge of axes that lie side by side becomes affine again. */
function flatIndex(map: IndexMap, strides: readonly number[]): Linear {
  return linearOf(simplify(toExpr(weighted(map.index, strides))));
}

/** Σ e_k · weight_k. */
function weighted(es: readonly Expr[], weights: readonly number[]): Linear {
  return es.reduce((total, e, k) => plus(total, linearOf(e), weights[k]), constant(0));
}

function axisNumber(name: string): number {
  return Number(name.slice(1));
}

export function mapsEqual(a: IndexMap, b: IndexMap): boolean {
  return (
    sameShape(a.out, b.out) &&
    a.index.length === b.index.length &&
    a.index.every((e, j) => sameExpr(simplify(e), simplify(b.index[j])))
  );
}

function sameShape(a: readonly Extent[], b: readonly Extent[]): boolean {
  return a.length === b.length && a.every((extent, k) => extent === b[k]);
}

/** `(i0, i1: 16, 128) -> [i1 // 8, i0 * 8 + i1 % 8]`; a view without axes is `() -> [3, 0]`. */
export function printMap(map: IndexMap): string {
  const names = map.out.map((_, k) => `i${k}`).join(", ");
  const index = map.index.map((e) => printExpr(e)).join(", ");
  return map.out.length === 0 ? `() -> [${index}]` : `(${names}: ${map.out.join(", ")}) -> [${index}]`;
}

export function parseMap(text: string): IndexMap {
  const reader = new TokenReader(text);
  const map = readMap(reader);
  if (reader.peek() !== "") reader.fail("expected the end");
  return map;
}

/** Reads a map as part of a larger text. */
export function readMap(reader: TokenReader): IndexMap {
  const out: Extent[] = [];
  reader.expect("(");
  if (!reader.accept(")")) {
    let rank = 0;
    do {
      reader.expect(`i${rank++}`);
    } while (reader.accept(","));
    reader.expect(":");
    do {
      out.push(readExtent(reader));
    } while (reader.accept(","));
    if (out.length !== rank) reader.fail("as many extents as axes expected");
    reader.expect(")");
  }
  reader.expect("->");
  reader.expect("[");
  const axes = new Map(out.map((extent, k) => [`i${k}`, axis(`i${k}`, extent)]));
  const index: Expr[] = [];
  if (!reader.accept("]")) {
    do {
      index.push(readExpr(reader, axes));
    } while (reader.accept(","));
    reader.expect("]");
  }
  return { out, index };
}

function readExtent(reader: TokenReader): Extent {
  const token = reader.take();
  if (token === "R" || token === "N") return token;
  return /^\d+$/.test(token) ? Number(token) : reader.fail(`no extent '${token}'`);
}

/** Where the element at `at` of the view lies in the value. */
export function indexAt(map: IndexMap, at: readonly number[]): number[] {
  return map.index.map((e) => compilePoint(e)(at));
}

/**
 * For walks over a whole view: Σ index_j · strides_j at a point of the view. Strides are the value's, in elements.
 */
export function compileMap(map: IndexMap, strides: readonly number[]): (out: ArrayLike<number>) => number {
  return compilePoint(toExpr(flatIndex(map, strides)));
}

type PointFunction = (at: ArrayLike<number>) => number;

/** An index expression as a function of the point (i0, i1, …); sums of strided axes run as one loop. */
export function compilePoint(e: Expr): PointFunction {
  const { terms, constant } = linearOf(e);
  const axes: number[] = [];
  const coefs: number[] = [];
  const others: [value: PointFunction, coef: number][] = [];
  for (const { atom, coef } of terms) {
    if (atom.kind === "axis") {
      axes.push(axisNumber(atom.name));
      coefs.push(coef);
    } else others.push([compileAtom(atom), coef]);
  }
  const affine: PointFunction = (at) => {
    let total = constant;
    for (let k = 0; k < axes.length; k++) total += at[axes[k]] * coefs[k];
    return total;
  };
  if (others.length === 0) return affine;
  return (at) => {
    let total = affine(at);
    for (const [value, coef] of others) total += value(at) * coef;
    return total;
  };
}

function compileAtom(atom: Expr): PointFunction {
  for (const fn of ["floordiv", "mod"] as const) {
    const parts = quotientParts(atom, fn);
    if (parts === undefined) continue;
    const x = compilePoint(toExpr(parts.x));
    const { c } = parts;
    if (fn === "floordiv") return (at) => Math.floor(x(at) / c);
    const { evaluate } = scalarFns.mod;
    return (at) => evaluate(x(at), c);
  }
  const value = compileExpr(atom);
  const noLeaf = (): never => {
    throw new Error("internal: an index map reads no values");
  };
  return (at) => value({ axis: (name) => at[axisNumber(name)], load: noLeaf, tile: noLeaf });
}

/** Row-major strides in elements. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = shape.map(() => 1);
  for (let k = shape.length - 2; k >= 0; k--) strides[k] = strides[k + 1] * shape[k + 1];
  return strides;
}

export function numel(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}
