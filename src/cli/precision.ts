/** @file A model's number formats in a few words: what it computes in, and what its parameters are stored as. */
import type { Graph } from "../ir/graph.ts";
import { storageText, storedBytes } from "../ir/storage.ts";
import { bytes } from "./text.ts";

export interface PrecisionSummary {
  /** The compute type, and those of parts that have another one, by pattern. */
  readonly compute: string;
  readonly parts: readonly { readonly pattern: string; readonly compute: string }[];
  /** Bytes of the parameters as they are stored, scales and zero points included, by type as the `precision` block writes it. */
  readonly stored: Readonly<Record<string, number>>;
  readonly storedBytes: number;
}

export function precisionOf({ params, precision }: Graph): PrecisionSummary {
  const stored = new Map<string, number>();
  for (const { shape, storage, training } of params) {
    if (training) continue;
    const type = storageText(storage);
    stored.set(type, (stored.get(type) ?? 0) + storedBytes(shape, storage));
  }
  return {
    compute: precision.compute,
    parts: precision.parts.map(({ pattern, compute }) => ({ pattern, compute })),
    stored: Object.fromEntries(stored),
    storedBytes: [...stored.values()].reduce((sum, each) => sum + each, 0),
  };
}

/** `bf16 (f32 in **.head)`. */
export function computeText({ compute, parts }: PrecisionSummary): string {
  if (parts.length === 0) return compute;
  return `${compute} (${parts.map((part) => `${part.compute} in ${part.pattern}`).join(", ")})`;
}

/** `96 MiB stored`, or `28 MiB stored: int8 per channel 24 MiB, f32 4 MiB`. */
export function storedText({ stored, storedBytes: all }: PrecisionSummary): string {
  const types = Object.entries(stored).sort(([, a], [, b]) => b - a);
  const [only] = types;
  if (types.length <= 1) return `${bytes(all)} stored${only === undefined ? "" : ` as ${only[0]}`}`;
  return `${bytes(all)} stored: ${types.map(([type, size]) => `${type} ${bytes(size)}`).join(", ")}`;
}
