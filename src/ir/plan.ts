/**
 * @file The Plan: everything that a runtime needs to execute a model on one class of devices, without the compiler. It is
 * plain data; `plan.json` is its text. Kernels stand in execution order within each stage's program.
 */
import type { TensorMap } from "./bulk.ts";
import type { Extent } from "./expr.ts";
import type { FeatureInfo, ParamInfo, RowRange, Stage } from "./graph.ts";
import type { LineTable } from "./lines.ts";
import type { Profile } from "./profile.ts";
import { elementBytes, type Storage, type StorageElement } from "./storage.ts";
import type { TileKernel } from "./tile.ts";

export type Element = "f32" | "i32" | "u32";

/**
 * Where a value lives.
 * - param: packed once at load, read by every stage. - constant: written once at load. - load: computed by the load
 *   program, kept as long as the engine. - input: a feature, uploaded in the stage's staging write.
 * - derived: what the load program has computed in the `load` value `of`, packed once by the host, which `of` is there for.
 * - rows: the distinct rows of a table above one binding, gathered on the host for this call; inputs of `features` with
 *   `rows` = that table's path hold row numbers instead of ids. - slots: user program, i32[R]: the slab slot of each request. - request: item
 *   program, i32[N]: the slab slot of each candidate's request. - kept: crosses from the user to the item program;
 *   a slab of slots, leading index = slot. - temp: in the stage's arena, at slot `slot` of `Plan.arenas`.
 * - list: a table of active rows (see `RowList`) that the stage's own kernels make, in a buffer of its own; `launches` also
 *   feeds indirect dispatches.
 * - output: a task's scores (or its logits), copied back after the item program.
 */
export type Home =
  | {
      readonly kind: "param";
      readonly path: string;
      readonly rows?: RowRange;
      /** The scales or zero points of a packed parameter, which name no other value: see `Packing`. */
      readonly part?: "scale" | "zero";
    }
  | { readonly kind: "constant"; readonly values: readonly number[] }
  | { readonly kind: "load" }
  | {
      readonly kind: "derived";
      readonly of: number;
      readonly storage: Storage;
      readonly part?: "scale" | "zero";
    }
  | {
      readonly kind: "input";
      readonly feature: string;
      readonly stage: "user" | "item";
      readonly rows?: string;
    }
  | {
      readonly kind: "rows";
      readonly path: string;
      readonly stage: "user" | "item";
      readonly features: readonly string[];
    }
  | { readonly kind: "slots" }
  | { readonly kind: "request" }
  | { readonly kind: "kept"; readonly feature?: string }
  | { readonly kind: "temp"; readonly stage: Stage; readonly slot: number }
  | { readonly kind: "list"; readonly stage: Stage; readonly launches: boolean }
  | { readonly kind: "output"; readonly task: string };

/**
 * Elements that lie as codes of a storage type (src/ir/codecs), several a word; kernels decode where they load. int8 and fp8 have scales
 * in a value of their own, asymmetric int8 zero points too: element = (code − zero) · scale. Both values have the axes that
 * do not share a scale, and the groups of the axis that is cut into groups.
 */
export interface Packing {
  readonly element: Exclude<StorageElement, "f32">;
  /**
   * Blocks of 4 × 4 elements of the axes k and n lie together, so that one load or two fetch a block: element (k, n) lies at
   * ⌊k/4⌋ · 4 · strides[k] + ⌊n/4⌋ · 16 + (k mod 4) · 4 + n mod 4 beside what the other axes add.
   */
  readonly blocks?: readonly [k: number, n: number];
  readonly scale?: number;
  readonly zero?: number;
  /** f16, and bf16 on CUDA: kernels read and write elements as numbers of the device's own, one by one. */
  readonly native?: true;
}

export interface PlanValue {
  /** Equals its position in `Plan.values`. `TileKernel` expressions load from these ids. */
  readonly id: number;
  readonly name: string;
  readonly element: Element;
  /**
   * Logical shape. The leading extent is "R" or "N" for batched values; a kept value's leading extent is "R" and is
   * indexed by slot. `rows` homes have a leading capacity that the call decides, written as "R" or "N" too: bytes
   * per row of that axis times the distinct rows.
   */
  readonly shape: readonly Extent[];
  /** Elements between neighbours of each axis; the innermost axis is padded so that rows are vec4-aligned. */
  readonly strides: readonly number[];
  /** Elements of one row of the batch axis (of the whole value where there is none), padding included. */
  readonly unit: number;
  /** Absent: an element is a word. With it `element` is what a load gives, f32. */
  readonly packing?: Packing;
  readonly home: Home;
  /** Of a value that holds active rows only, [batch, most, …] in the list's order: see `PlanRows`. */
  readonly rows?: PlanRows;
  /** The node of the final Graph that it holds (absent for `slots`, `request`). */
  readonly node?: number;
}

/** How a value at active rows relates to its node: row (m, g) of the gate is element `places`[m, g] of it, if that is not −1. */
export interface PlanRows {
  /** The list's `places`, [batch, members of a batch point, groups]. */
  readonly places: number;
  /** The axes of the node that rows stand for: the members' (batch first), then the groups'. */
  readonly members: readonly number[];
  readonly groups: readonly number[];
}

/** Bytes of `count` elements of the value. */
export function bytesOf({ packing }: Pick<PlanValue, "packing">, count: number): number {
  return count * elementBytes[packing?.element ?? "f32"];
}

/** Words of `count` elements, where rows of them begin on words. */
export function wordsOf(value: Pick<PlanValue, "packing">, count: number): number {
  return Math.ceil(bytesOf(value, count) / 4);
}

/** A stage's temporaries: slot i holds `units[i]` words per row of the stage's batch axis. */
export interface Arena {
  readonly stage: Stage;
  readonly units: readonly number[];
}

export interface PlanOutput {
  /**
   * A task's name. For verification: `TASK#logit` for the value under its final sigmoid, `#choice:ID` for a discontinuous
   * choice (choices.ts).
   */
  readonly task: string;
  /** Without the batch axis. */
  readonly shape: readonly number[];
  readonly value: number;
}

/** Whether an output is a task's score rather than its logit or a choice, which are there for verification. */
export function isScore(output: PlanOutput): boolean {
  return !output.task.includes("#");
}

export interface Plan {
  readonly format: 1;
  readonly name: string;
  readonly profile: Profile;
  readonly values: readonly PlanValue[];
  readonly kernels: Readonly<Record<Stage, readonly TileKernel[]>>;
  readonly arenas: readonly Arena[];
  readonly params: readonly ParamInfo[];
  readonly features: readonly FeatureInfo[];
  readonly outputs: readonly PlanOutput[];
  readonly serve: { readonly requests: number; readonly candidates: number };
}

/** A kernel as text, and what launching it takes. */
export interface KernelText {
  readonly name: string;
  readonly stage: Stage;
  readonly language: "wgsl" | "cuda";
  readonly text: string;
  /** Threads of a workgroup. */
  readonly workgroup: number;
  /** CUDA: bytes of shared memory that a launch asks for, beyond what the text declares. Absent: 0. */
  readonly sharedBytes?: number;
  /** CUDA: tensor maps that a launch passes behind the call, as values of 128 bytes. Absent: none. */
  readonly maps?: readonly TensorMap[];
  /**
   * CUDA: bindings that hold zeros when a launch begins, by which its workgroups wait for each other, so that all of them must run at
   * one time. Absent: none.
   */
  readonly counters?: readonly number[];
  /**
   * Storage bindings in order: binding i + 1 of group 0 (binding 0 is the uniform `Call`). The same value may appear twice
   * with different views (scalar and vec4). Values in an arena or slab are all bound read_write, since one buffer backs them.
   */
  readonly bindings: readonly { readonly value: number; readonly access: "read" | "read_write" }[];
  /** What each line was made for; a text that comes from a file does not know. */
  readonly lines?: LineTable;
}

/** A kernel's text as a printer of this process made it. */
export interface PrintedKernel extends KernelText {
  readonly lines: LineTable;
}

/**
 * The uniform at binding 0 of every kernel, four i32: rows (R or N; 1 in the load stage), slice start, slice end, and 1: a
 * value that no driver knows, so that it can neither unroll a loop bounded by it nor fold an infinity made from it.
 */
export const CALL_WORDS = 4;
