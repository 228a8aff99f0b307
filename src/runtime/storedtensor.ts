/**
 * @file Parameters that a weights file holds in int8 or fp8: beside the tensor `PATH` of codes stand `PATH.scale` and, for asymmetric
 * int8, `PATH.zero` (I8). Scales have the parameter's rank, with 1 (or the number of groups) where elements share one, so that
 * `codes * scale` broadcasts; one scale for all may also be a scalar. `docs/precision.md` shows the format.
 *
 * How many elements a group has follows from the shapes where all groups are full but the last; the metadata entry `PATH.group`
 * says it in any case.
 */
import { decode, type Encoded } from "../ir/codecs/codec.ts";
import { type Span, spanOf, splitsByRow } from "../ir/codecs/span.ts";
import type { ParamInfo, Storage, StorageElement } from "../ir/graph.ts";
import { type Scaling, scaleShape } from "../ir/storage.ts";
import { type DTypeName, isFloatType } from "./dtypes.ts";
import type { SafetensorsFile, TensorInfo } from "./safetensors.ts";
import { countOf } from "./weights.ts";

export const scaleName = (path: string): string => `${path}.scale`;
export const zeroName = (path: string): string => `${path}.zero`;
/** The metadata entry that holds the elements of a group. */
export const groupName = (path: string): string => `${path}.group`;

/** How a file's element types and storage types correspond. */
export const fileTypes = {
  f32: "F32",
  f16: "F16",
  bf16: "BF16",
  int8: "I8",
  fp8_e4m3: "F8_E4M3",
  fp8_e5m2: "F8_E5M2",
} as const satisfies Readonly<Record<StorageElement, DTypeName>>;

const scaledTypes: Readonly<Partial<Record<DTypeName, "int8" | "fp8_e4m3" | "fp8_e5m2">>> = {
  I8: "int8",
  F8_E4M3: "fp8_e4m3",
  F8_E5M2: "fp8_e5m2",
};

export class StoredTensor {
  readonly storage: Storage;
  readonly #file: SafetensorsFile;
  readonly #path: string;
  readonly #shape: readonly number[];
  readonly #scales: Float32Array;
  readonly #zeros: Int8Array | undefined;

  private constructor(file: SafetensorsFile, path: string, shape: readonly number[], storage: Storage) {
    this.#file = file;
    this.#path = path;
    this.#shape = shape;
    this.storage = storage;
    this.#scales = file.readFloats(scaleName(path));
    const zeros = file.tensors.get(zeroName(path));
    this.#zeros = zeros && new Int8Array(file.readBytes(zeros.name, 0, zeros.count).buffer);
  }

  /** The parameter where the file holds it with scales; undefined where it is plain floats; a line where it is neither. */
  static open(file: SafetensorsFile, param: ParamInfo): StoredTensor | string | undefined {
    const { path, shape } = param;
    const { dtype } = file.info(path);
    const scale = file.tensors.get(scaleName(path));
    const zero = file.tensors.get(zeroName(path));
    const element = scaledTypes[dtype];
    if (element === undefined) {
      const types = "F64, F32, F16, BF16, F8_E4M3, F8_E5M2 and I8";
      if (!isFloatType(dtype)) return `wrong type: \`${path}\` is ${dtype}; a parameter is one of ${types}`;
      const extra = scale ?? zero;
      return extra && `wrong: \`${extra.name}\` scales \`${path}\`, which is ${dtype}`;
    }
    if (scale === undefined) {
      return element === "int8" ? `missing: \`${scaleName(path)}\`, the scales of \`${path}\`` : undefined;
    }
    if (!isFloatType(scale.dtype)) return `wrong type: \`${scale.name}\` is ${scale.dtype}, not floats`;
    if (
      zero !== undefined &&
      (element !== "int8" || zero.dtype !== "I8" || zero.shape.join() !== scale.shape.join())
    )
      return `wrong: \`${zero.name}\` must be I8 [${scale.shape.join(", ")}] beside I8 codes, as \`${scale.name}\` is`;
    const scaling = scalingOf(file, param, scale, zero === undefined);
    if (scaling === undefined) {
      const shapes = `has shape [${scale.shape.join(", ")}], which divides [${shape.join(", ")}] into no channels or groups`;
      return `wrong shape: \`${scale.name}\` ${shapes}`;
    }
    return new StoredTensor(file, path, shape, { element, scale: scaling });
  }

  /** Whether rows of the leading axis are read by themselves. */
  get splits(): boolean {
    return splitsByRow(this.#shape, this.storage);
  }

  /** Elements [start, start + count), decoded. */
  read(start: number, count: number): Float32Array {
    const { storage } = this;
    const span = spanOf(this.#shape, storage, start, count);
    return decode(this.encoded(span), span.shape, storage).subarray(span.skip, span.skip + count);
  }

  /** A piece as the file holds it. */
  encoded(span: Span): Encoded {
    const { storage } = this;
    const before = span.from * countOf(this.#shape.slice(1));
    const data = this.#file.readBytes(this.#path, before, countOf(span.shape));
    const scaling = storage.scale ?? { shared: [], symmetric: true };
    const firstScale = span.from * countOf(scaleShape(this.#shape, scaling).slice(1));
    const scaleCount = countOf(scaleShape(span.shape, scaling));
    const scales = this.#scales.subarray(firstScale, firstScale + scaleCount);
    const zeros = this.#zeros?.subarray(firstScale, firstScale + scaleCount);
    return { data, scales, ...(zeros && { zeros }) };
  }
}

/** What the scales' shape says; undefined where it fits no scaling of the parameter's shape. */
function scalingOf(
  file: SafetensorsFile,
  { path, shape, storage }: ParamInfo,
  scale: TensorInfo,
  symmetric: boolean,
): Scaling | undefined {
  const said = Number(file.metadata[groupName(path)] ?? NaN);
  const declared = storage.scale;
  // Shapes leave open whether an axis of one element is shared, so what the spec says is taken wherever it fits.
  if (declared !== undefined && declared.symmetric === symmetric) {
    const sameGroup = Number.isNaN(said) || said === declared.group;
    if (sameGroup && scaleShape(shape, declared).join() === scale.shape.join()) return declared;
  }
  if (scale.count === 1) return { shared: shape.map((_, j) => j), symmetric };
  if (scale.shape.length !== shape.length) return undefined;
  const shared = shape.flatMap((extent, j) => (scale.shape[j] === extent && extent !== 1 ? [] : [j]));
  const cut = shared.filter((j) => scale.shape[j] !== 1);
  if (cut.length === 0) return { shared, symmetric };
  const [axis] = cut;
  const group = Number.isNaN(said) ? Math.ceil(shape[axis] / scale.shape[axis]) : said;
  const scaling = { shared: shared.filter((j) => j <= axis || shape[j] !== 1), group, symmetric };
  const fits = group >= 1 && scaling.shared.at(-1) === axis;
  return fits && scaleShape(shape, scaling).join() === scale.shape.join() ? scaling : undefined;
}
