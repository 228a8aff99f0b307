/**
 * @file Parameters as codes of their storage type, on their way to a device: taken from the weights file where it stores them alike, encoded
 * from values elsewhere.
 */
import { type Encoded, encode } from "../ir/codecs/codec.ts";
import { type Span, spanOf } from "../ir/codecs/span.ts";
import type { ParamInfo } from "../ir/graph.ts";
import { F32_STORAGE, sameStorage } from "../ir/storage.ts";
import { countOf, type WeightSource } from "./weights.ts";

/** Codes of the smallest piece that holds elements [start, start + count) of a parameter, and which piece that is. */
export function encodedPiece(
  source: WeightSource,
  { path, shape, storage }: Pick<ParamInfo, "path" | "shape" | "storage">,
  start: number,
  count: number,
): { readonly span: Span; readonly encoded: Encoded } {
  const span = spanOf(shape, storage, start, count);
  const alike = sameStorage(source.storageOf?.(path) ?? F32_STORAGE, storage);
  const given = alike ? source.encoded?.(path, span) : undefined;
  if (given !== undefined) return { span, encoded: given };
  const first = span.from * countOf(shape.slice(1));
  return { span, encoded: encode(source.read(path, first, countOf(span.shape)), span.shape, storage) };
}
