/**
 * @file What Hopper's threads say beside ordinary statements: copies of tiles by the bulk copy engine, the barriers in workgroup
 * memory that they report to, and products that a warpgroup (four warps) starts and waits for.
 *
 * A tile of 16-bit numbers lies in rows of 128 bytes. The eight groups of 16 bytes of a row are permuted by an exclusive or with the
 * row's number modulo eight, which the copy engine and the product agree on; so tiles begin at multiples of 1024 bytes. Rows
 * are those of the operand's own axis with 64 of k each (`k`), or those of k with 64 of the own axis (`own`), whichever are
 * neighbours in memory; a tile of more than 64 along an own axis of the second kind is several such tiles.
 *
 * A counter is a word in memory by which workgroups that run at one time tell each other what they have stored.
 *
 * A barrier (`mbarrier`) has phases. One is over when as many threads as `init` says have arrived and all bytes that were announced
 * have come; its parity, 0 of the first, is what `wait` names: it returns when the phase of that parity is over.
 */
import type { Half, ThreadExpr } from "./thread.ts";

/** A binding as the copy engine sees it: a tensor of 16-bit numbers. What a copy reads beyond an extent is 0. */
export interface TensorMap {
  /** Index of the binding. */
  readonly binding: number;
  readonly element: Half;
  /** Innermost first; the first has stride 1. */
  readonly axes: readonly MapAxis[];
}

export interface MapAxis {
  /** `rows`: as many as what is bound has room for. */
  readonly extent: number | "rows";
  /** Elements between neighbours; a multiple of 8 but for the first. */
  readonly stride: number;
  /** Elements of a copy. */
  readonly box: number;
}

export interface ThreadMap extends TensorMap {
  readonly name: string;
}

/** A place in a workgroup array. */
export interface SharedPlace {
  readonly array: string;
  /** Counted in groups of four words; of an array of barriers, in barriers. */
  readonly index: ThreadExpr;
}

/** An operand of a product in workgroup memory: where its first row and its first k lie. */
export interface WarpgroupOperand {
  readonly at: SharedPlace;
  readonly along: "k" | "own";
  /** Bytes between tiles of 64 along the own axis, of `own`. */
  readonly block: number;
}

export type BulkAction =
  | {
      readonly kind: "mbarrier";
      readonly action: "init";
      readonly at: SharedPlace;
      readonly arrivals: number;
    }
  /** Lets every thread and the copy engine see barriers that were initialised. */
  | { readonly kind: "mbarrier"; readonly action: "publish" }
  | { readonly kind: "mbarrier"; readonly action: "arrive"; readonly at: SharedPlace }
  /** The same at the barrier of the cluster's workgroup `rank`. */
  | {
      readonly kind: "mbarrier";
      readonly action: "arrive_at";
      readonly at: SharedPlace;
      readonly rank: ThreadExpr;
    }
  /** Arrives when everything has come that the thread has sent for by `copy_async`. */
  | { readonly kind: "mbarrier"; readonly action: "arrive_copied"; readonly at: SharedPlace }
  /** Arrives, and announces `bytes` that copies will bring in this phase. */
  | { readonly kind: "mbarrier"; readonly action: "expect"; readonly at: SharedPlace; readonly bytes: number }
  | {
      readonly kind: "mbarrier";
      readonly action: "wait";
      readonly at: SharedPlace;
      readonly parity: ThreadExpr;
    }
  /**
   * One thread starts a copy of a map's box at `from` (innermost first) and goes on; `barrier` is told of its bytes. `cluster`: it
   * comes to the same place of that many workgroups, to a barrier of each. `once`: what it reads is the first to leave the cache.
   */
  | {
      readonly kind: "bulk_load";
      readonly map: string;
      readonly from: readonly ThreadExpr[];
      readonly to: SharedPlace;
      readonly barrier: SharedPlace;
      readonly cluster?: number;
      readonly once?: true;
    }
  /**
   * `sums` += a · b over a warpgroup, 64 × 16 by 16 × 8 · sums.length; as `mma`'s accumulators one after the other along n, warp w of
   * the four having rows 16w … 16w + 15. It goes on by itself until it is waited for.
   */
  | {
      readonly kind: "wgmma";
      readonly action: "multiply";
      readonly half: Half;
      readonly sums: readonly string[];
      readonly a: WarpgroupOperand;
      readonly b: WarpgroupOperand;
    }
  /** Before the first product that uses registers which the thread has written. */
  | { readonly kind: "wgmma"; readonly action: "fence" }
  /** Before products of what threads, not the copy engine, have put in workgroup memory. */
  | { readonly kind: "wgmma"; readonly action: "fence_memory" }
  /** What was started since the last one is a group. */
  | { readonly kind: "wgmma"; readonly action: "commit" }
  /** Until `pending` groups at most are under way. `sums`: what may be read from here on. */
  | {
      readonly kind: "wgmma";
      readonly action: "wait";
      readonly pending: number;
      readonly sums: readonly string[];
    }
  /** One more at word `index` of a binding; what the workgroup's threads stored before a barrier before this comes first. */
  | {
      readonly kind: "counter";
      readonly action: "arrive";
      readonly binding: number;
      readonly index: ThreadExpr;
    }
  /** Until that word is `count` or more: what was stored before those arrivals can be read. */
  | {
      readonly kind: "counter";
      readonly action: "await";
      readonly binding: number;
      readonly index: ThreadExpr;
      readonly count: number;
    }
  /** Between what the thread has stored, or waited for, and copies by the copy engine that read it, whichever thread starts them. */
  | { readonly kind: "counter"; readonly action: "publish" }
  /** All threads of a cluster's workgroups; orders accesses to their workgroup memory. */
  | { readonly kind: "cluster_barrier" }
  /** The warpgroup's threads have `count` registers each from here on. */
  | { readonly kind: "registers"; readonly change: "more" | "fewer"; readonly count: number };

/** The expressions of an action. */
export function expressionsOfBulk(s: BulkAction): readonly ThreadExpr[] {
  switch (s.kind) {
    case "mbarrier":
      if (s.action === "publish") return [];
      if (s.action === "arrive_at") return [s.at.index, s.rank];
      return s.action === "wait" ? [s.at.index, s.parity] : [s.at.index];
    case "bulk_load":
      return [...s.from, s.to.index, s.barrier.index];
    case "wgmma":
      return s.action === "multiply" ? [s.a.at.index, s.b.at.index] : [];
    case "counter":
      return s.action === "publish" ? [] : [s.index];
    case "registers":
    case "cluster_barrier":
      return [];
    default:
      return s satisfies never;
  }
}
