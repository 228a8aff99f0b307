/**
 * @file The Graph: a model as SSA values over a small op set. Elaboration makes it; every pass maps a Graph to a Graph until
 * `fuse` turns it into tile kernels.
 *
 * Every operand carries an index map (`Operand.map`): the op sees not the stored value but the view of it, so
 * layout (rearrange, slices, broadcasts, head splits) costs nothing until something is stored. The `view` op
 * is the identity over its operand's view; `fold-layout` removes it by composing maps into its readers.
 *
 * Before `split-stages` no batch axis exists: a value's `stage` table says which of its elements exist once
 * per load, per request or per candidate. After it the batch axis is the leading extent ("R" or "N", or none)
 * and `program` says which program computes the node.
 */
import type { DType, Extent, ScalarFn } from "./expr.ts";
import type { IndexMap } from "./indexmap.ts";
import type { StageTable } from "./stage.ts";
import type { Storage, StorageElement } from "./storage.ts";

export type { Storage, StorageElement } from "./storage.ts";

/** Where in the spec a value comes from, for messages of later stages (same form as a parser's span). */
export interface Origin {
  readonly file: string;
  readonly start: number;
  readonly end: number;
}

export interface TensorType {
  readonly shape: readonly Extent[];
  readonly dtype: DType;
}

export type Stage = "load" | "user" | "item";

/** A read of value `id`; `map` takes an index of the operand as the op sees it to an index of the value. */
export interface Operand {
  readonly id: number;
  /** Absent: the value as stored. */
  readonly map?: IndexMap;
}

/** How to draw a parameter's values when no file gives them. */
export type Init =
  | { readonly kind: "zeros" }
  | { readonly kind: "ones" }
  | { readonly kind: "normal"; readonly std: number }
  /** Uniform in ±scale·√(6 / (fan_in + fan_out)); fans are the last two axes (one axis: fan_in = fan_out = its size). */
  | { readonly kind: "xavier"; readonly scale: number };

/** Rows [from, to) of a parameter's leading axis. */
export interface RowRange {
  readonly from: number;
  readonly to: number;
}

/**
 * The op set. `einsum` labels axes with small integers; a label absent from `out` is summed. `normalize` is
 * over the last axis without gains (affine parts are `pointwise`): layer: (x − mean)/√(var + eps) with the biased
 * variance, rms: x/√(mean x² + eps), l2: x/√(Σ x² + eps). `softmax` of a row that is all −inf is 0.
 */
export type Op =
  /** `rows`: a run of the leading axis alone, where the whole is above one binding; the node's shape is the run's. */
  | { readonly kind: "param"; readonly path: string; readonly rows?: RowRange }
  | { readonly kind: "feature"; readonly name: string }
  /** A scalar constant broadcast to the node's shape, or one value an element (row-major; a `ug_mask` set, say). */
  | { readonly kind: "const"; readonly value: number }
  | { readonly kind: "data"; readonly values: Float64Array | Int32Array | Uint8Array }
  /** [n] of i32: 0, 1, …, n−1. */
  | { readonly kind: "iota" }
  /** All operands have the node's shape (broadcasts are in the operands' maps). */
  | { readonly kind: "pointwise"; readonly fn: ScalarFn }
  | { readonly kind: "view" }
  | { readonly kind: "concat"; readonly axis: number }
  | {
      readonly kind: "pad";
      readonly axis: number;
      readonly before: number;
      readonly after: number;
      readonly fill: number;
    }
  | {
      readonly kind: "einsum";
      readonly operands: readonly (readonly number[])[];
      readonly out: readonly number[];
    }
  | {
      readonly kind: "reduce";
      readonly fn: "sum" | "mean" | "max" | "min";
      readonly axes: readonly number[];
      readonly keep: boolean;
    }
  | { readonly kind: "normalize"; readonly norm: "layer" | "rms" | "l2"; readonly eps: number }
  /** What `normalize` would shift and scale each row by, [..., 2]: its mean (0 for rms and l2) and 1/√(… + eps). */
  | { readonly kind: "row_statistics"; readonly norm: "layer" | "rms" | "l2"; readonly eps: number }
  | { readonly kind: "softmax"; readonly axis: number }
  | { readonly kind: "top_k_mask"; readonly k: number; readonly axis: number }
  /** Descending; equal values: the lower index first. Axis `axis` becomes k. */
  | { readonly kind: "top_k_index"; readonly k: number; readonly axis: number }
  /** (x [B…, A, C…], index [B…, I…] i32) → [B…, I…, C…]: along `axis`, leading axes equal. An index outside clamps on devices. */
  | { readonly kind: "take"; readonly axis: number }
  /** (table [rows, C…], index [I…] i32) → [I…, C…]. */
  | { readonly kind: "lookup" }
  /** After `split-stages` only: (value [R, S…]) → [N, S…]: each candidate reads its request's element. */
  | { readonly kind: "by_request" };

export type OpKind = Op["kind"];

/** How a stored value lies in memory: its axes from outermost to innermost. Batch axes stay first. */
export interface Layout {
  readonly order: readonly number[];
  /** Of a packed parameter: 4 × 4 blocks of these axes lie together; see `Packing` in plan.ts. */
  readonly blocks?: readonly [k: number, n: number];
}

/**
 * After `sparsify-experts`: where the gate is 0, nobody reads the value, or it is 0 itself; it is computed at the gate's other
 * points alone, its *active rows*. The shape stays the dense one: a Graph means the same with and without this note.
 */
export interface ActiveRows {
  /** The node whose zeros switch rows off, [batch, …]: one element a row. */
  readonly gate: number;
  /** For each axis of the gate, the axis of this value that runs with it. */
  readonly axes: readonly number[];
  /** Axes of the gate that choose weights (token, expert): rows that agree in them share a product. */
  readonly groups: readonly number[];
  /** Active rows for one point of the batch axis, at most. */
  readonly most: number;
}

export interface Node {
  /** Equals the node's position in `Graph.nodes`; operands have smaller ids. */
  readonly id: number;
  readonly op: Op;
  readonly inputs: readonly Operand[];
  readonly type: TensorType;
  /** Before `split-stages`. Indexed by the node's own index; see stage.ts. */
  readonly stage: StageTable;
  /** After `split-stages`: the program that computes it. */
  readonly program?: Stage;
  /** After `assign-layout`, where it is not row-major. */
  readonly layout?: Layout;
  /** After `sparsify-experts`, where it is computed at some rows only. */
  readonly rows?: ActiveRows;
  /** The model asks for it in memory: `keep(x)`. */
  readonly keep?: true;
  /** The chain of labels and the variable it was bound to: `layers.0.block.norm1`. Names kernels and buffers. */
  readonly path: string;
  readonly origin?: Origin;
}

/** Every declared parameter, dead and training-only ones too. Tables are parameters of shape [rows, dim]. */
export interface ParamInfo {
  readonly path: string;
  readonly shape: readonly number[];
  readonly init: Init;
  readonly table: boolean;
  /** Declared under `if training`: accepted in a weights file, not required. */
  readonly training: boolean;
  readonly storage: Storage;
  /**
   * Where `inputs` was given: the format in which products take the activations that they multiply it with. int8 and fp8 have a
   * scale a row (all that a product sums over, of one request or candidate), or one that calibration set for all rows.
   */
  readonly inputs?: StorageElement;
  readonly origin?: Origin;
}

export interface FeatureInfo {
  /** The name in an inputs file: `uid`, `watched`, `watched.length`, `hist.item`. */
  readonly name: string;
  readonly stage: "user" | "item";
  readonly dtype: "f32" | "i32";
  /** Without the batch axis. */
  readonly shape: readonly number[];
  /** The table whose rows its ids must lie in. */
  readonly table?: { readonly path: string; readonly rows: number };
  /** The feature that holds how many leading entries are real (`ids`, `seq`): absent in a file means all. */
  readonly length?: string;
  /** This feature holds the lengths of that many entries at most. */
  readonly lengthOf?: { readonly max: number };
  readonly origin?: Origin;
}

export interface Output {
  /** The task's name. */
  readonly name: string;
  readonly value: Operand;
  /** Without the batch axis; [] and [1] are written as [N]. */
  readonly shape: readonly number[];
  /** The value under a final sigmoid, where the task ends in one: what verification compares as the logit. */
  readonly logit?: Operand;
}

/** What products are multiplied in; `tf32`: f32 but for the operands of a tensor core's products, which keep 10 bits of fraction. */
export type ComputeType = "f32" | "f16" | "bf16" | "tf32";

export interface Precision {
  readonly compute: ComputeType;
  readonly parts: readonly { readonly pattern: string; readonly compute: ComputeType }[];
  /** Load-stage values that are stored rounded, by path; see `derivedNodes`. `inputs` as of a parameter. */
  readonly derived: readonly {
    readonly path: string;
    readonly storage: Storage;
    readonly inputs?: StorageElement;
  }[];
}

export interface Graph {
  readonly name: string;
  readonly nodes: readonly Node[];
  readonly params: readonly ParamInfo[];
  readonly features: readonly FeatureInfo[];
  readonly outputs: readonly Output[];
  readonly precision: Precision;
  /** The sizes to tune for. */
  readonly serve: { readonly requests: number; readonly candidates: number };
}
