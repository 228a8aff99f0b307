/**
 * @file pair-products: two products of the same rows become one kernel with two sums, where the second takes the first one's result
 * at its own point: gate and up of a SwiGLU. The rows are loaded, and handed round, once for both.
 *
 *     g[n, t, d] = Σ_k x[n, t, k] · w_g[t, k, d]                 acc_g, acc over k at once
 *     h[n, t, d] = silu(g[n, t, d]) · Σ_k x[n, t, k] · w_u[…]    h = silu(acc_g) · acc
 *
 * It comes before `schedule`, which sizes tiles for both sums. The first result is stored only if something else reads it. Products
 * of the experts' active rows pair like any other: both run over the same list.
 *
 * Two sums take twice the registers. A software device has so few that what the shared rows save is lost as soon as there are
 * rows enough to fill a tile: with 64 of them two kernels of 32 rows took 26 ms, one of twice 16 rows 29, of twice 32 rows 33
 * (docs/fusion.md). There only thin products pair, and those whose weights lie side by side (interleave-weights): they take one sum.
 */
import { type Expr, int, mapExpr, sameExpr, tile } from "../src/ir/expr.ts";
import { interleavedProducts } from "../src/ir/interleaved.ts";
import type { Plan } from "../src/ir/plan.ts";
import { batchRows } from "../src/ir/schedule.ts";
import { expressionsOf, type GridAxis, type TileKernel, type TileStmt } from "../src/ir/tile.ts";
import type { Fused } from "./fuse.ts";
import { bytesOf, unite } from "./fusion/buffers.ts";
import { THIN_ROWS } from "./interleave-weights.ts";
import { definePass, joinsKernels } from "./pass.ts";
import { pointsExpected } from "./scheduling/form.ts";

type Dot = Extract<TileStmt, { kind: "dot" }>;
type Store = Extract<TileStmt, { kind: "store" }>;

export const pairProducts = definePass<Fused, Fused>({
  name: "pair-products",
  summary:
    "computes two products of the same rows in one kernel where the second follows the first point by point",
  run({ graph, plan, ...rest }, { profile, fusion = "all" }) {
    if (!joinsKernels(fusion)) return { graph, plan, ...rest };
    const most = profile.limits.storageBuffers;
    const thin = profile.features.software ? THIN_ROWS : Number.POSITIVE_INFINITY;
    const { load, user, item } = plan.kernels;
    const wanted = (value: number, by: TileKernel): boolean => {
      const { home, node } = plan.values[value];
      const kept = home.kind !== "temp" || (node !== undefined && graph.nodes[node].keep === true);
      return kept || [...user, ...item].some((k) => k !== by && reads(k, value));
    };
    const of = (kernels: readonly TileKernel[]): readonly TileKernel[] =>
      pairAll(kernels, plan, wanted, most, thin);
    const kernels = { load, user: relaunched(of(user)), item: relaunched(of(item)) };
    return { graph, plan: { ...plan, kernels, values: withoutLost(plan.values, kernels) }, ...rest };
  },
});

/** Kernels over a list have places in its table of launches one after the other, a pair one for both. */
function relaunched(kernels: readonly TileKernel[]): readonly TileKernel[] {
  const counts = new Map<number, number>();
  return kernels.map((kernel) => {
    if (kernel.indirect === undefined) return kernel;
    const { value } = kernel.indirect;
    const index = counts.get(value) ?? 0;
    counts.set(value, index + 1);
    return { ...kernel, indirect: { value, index } };
  });
}

/** Values that no kernel touches any more hold no node's value. */
function withoutLost(values: Plan["values"], { load, user, item }: Plan["kernels"]): Plan["values"] {
  const touched = new Set([...load, ...user, ...item].flatMap((k) => k.buffers.map(({ value }) => value)));
  return values.map((value) => {
    if (value.home.kind !== "temp" || touched.has(value.id)) return value;
    const { node: _, ...empty } = value;
    return empty;
  });
}

/** Whether anything but kernel `by` needs a value in memory. */
type Wanted = (value: number, by: TileKernel) => boolean;

function reads({ buffers }: TileKernel, value: number): boolean {
  return buffers.some((b) => b.value === value && b.access === "read");
}

function pairAll(
  kernels: readonly TileKernel[],
  plan: Plan,
  wanted: Wanted,
  mostBindings: number,
  mostRows: number,
): readonly TileKernel[] {
  const done: TileKernel[] = [];
  for (const kernel of kernels) {
    // What the second needs was there before the first, but for the first's own result.
    const last = done.at(-1);
    const pair = last && paired(last, kernel, plan, wanted);
    const pays = pair && (rowsOf(pair, plan) <= mostRows || interleavedProducts(pair, int(0)) !== undefined);
    if (pair === undefined || pair.buffers.length > mostBindings || !pays) done.push(kernel);
    else done[done.length - 1] = pair;
  }
  return done;
}

/** Rows of the product in a call of the size to compile for. */
function rowsOf(kernel: TileKernel, { serve }: Plan): number {
  const dot = kernel.body.find((s) => s.kind === "dot");
  if (dot?.kind !== "dot") throw new Error("internal: a pair without a product");
  return pointsExpected(kernel, dot.m, batchRows(kernel, serve));
}

/** The kernel of both; undefined where they are no such pair. */
function paired(first: TileKernel, second: TileKernel, plan: Plan, wanted: Wanted): TileKernel | undefined {
  if ([first, second].some((k) => k.slicing || k.lists)) return undefined;
  if (first.indirect?.value !== second.indirect?.value) return undefined;
  const [before, after] = [partsOf(first), partsOf(second)];
  if (before === undefined || after === undefined) return undefined;
  const [p, q] = [before.dot, after.dot];
  if (!sameSum(p, q) || JSON.stringify(before.head) !== JSON.stringify(after.head)) return undefined;
  if (!sameGrid(first.grid, second.grid) || JSON.stringify(first.inner) !== JSON.stringify(second.inner))
    return undefined;
  const stores = before.rest.filter((s): s is Store => s.kind === "store" && s.over.length === 0);
  // The first's other tiles would need names of their own: a product, what follows it, and its store have none.
  if (stores.length !== 1 || before.rest.length !== 1 || after.rest.some((s) => s.kind === "dot"))
    return undefined;
  const [store] = stores;
  const reads = second.body.flatMap(expressionsOf).some((e) => mentions(e, store.target));
  if (!reads) return undefined;
  const mine = tile("paired", "num");
  const stored = wanted(store.target, second);
  const own: TileStmt[] = [
    ...before.head,
    { ...p, out: "acc_paired" },
    { ...q },
    { kind: "let", out: "paired", value: renamed(store.value, p.out, "acc_paired") },
    ...(stored ? [{ ...store, value: mine }] : []),
  ];
  const rest = after.rest.map((s) => taking(s, store, mine));
  const left = [q.a, q.b, ...rest.flatMap(expressionsOf)].some((e) => mentions(e, store.target));
  if (left) return undefined;
  const { about } = second;
  const buffers = unite([first.buffers, second.buffers]).filter((b) => stored || b.value !== store.target);
  return {
    ...second,
    body: [...own, ...rest],
    buffers,
    about: {
      ...about,
      fused: [...first.about.fused, ...about.fused],
      flops: first.about.flops + about.flops,
      bytes: bytesOf(buffers, plan),
    },
    roots: [...first.roots.filter((id) => stored || id !== plan.values[store.target].node), ...second.roots],
  };
}

/** A product's kernel: the statistics of its rows, the sum, and what follows; undefined for any other. */
function partsOf({
  body,
}: TileKernel):
  | { readonly head: readonly TileStmt[]; readonly dot: Dot; readonly rest: readonly TileStmt[] }
  | undefined {
  const at = body.findIndex((s) => s.kind === "dot");
  const dot = body[at];
  const head = body.slice(0, at);
  if (dot?.kind !== "dot" || head.some((s) => s.kind !== "reduce" && s.kind !== "moments")) return undefined;
  return { head, dot, rest: body.slice(at + 1) };
}

/** The statement with `value` for what it loads of a store's target at the very point that is stored. */
function taking(s: TileStmt, { target, index }: Store, value: Expr): TileStmt {
  const take = (e: Expr): Expr =>
    mapExpr(e, (node) => {
      const same =
        node.kind === "load" &&
        node.source === target &&
        node.index.every((i, axis) => sameExpr(i, index[axis]));
      return same ? value : node;
    });
  if (s.kind === "let") return { ...s, value: take(s.value) };
  return s.kind === "store" ? { ...s, value: take(s.value) } : s;
}

function sameSum(p: Dot, q: Dot): boolean {
  return p.m === q.m && p.n === q.n && p.k === q.k && sameExpr(p.a, q.a);
}

function sameGrid(a: readonly GridAxis[], b: readonly GridAxis[]): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function mentions(e: Expr, value: number): boolean {
  let found = false;
  mapExpr(e, (node) => {
    if (node.kind === "load" && node.source === value) found = true;
    return node;
  });
  return found;
}

function renamed(e: Expr, from: string, to: string): Expr {
  return mapExpr(e, (node) => (node.kind === "tile" && node.tile === from ? tile(to, node.type) : node));
}
