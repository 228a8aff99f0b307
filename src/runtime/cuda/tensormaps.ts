/**
 * @file Tensor maps: what the bulk copy engine of Hopper knows of a tensor, 128 bytes that the driver makes and a kernel takes by value.
 * Tiles are permuted over 128 bytes as kernels expect it (see src/ir/bulk.ts); what a tile has beyond the tensor is zero.
 */
import type { TensorMap } from "../../ir/bulk.ts";
import type { Context } from "./context.ts";

/** Bytes of a map, and what their address is a multiple of. */
export const MAP_BYTES = 128;
export const MAP_ALIGNMENT = 64;

/** CUtensorMapDataType. */
const TYPES = { f16: 6, bf16: 9 } as const;
const ELEMENT_BYTES = 2;
const NO_INTERLEAVE = 0;
const SWIZZLE_128B = 3;
const PROMOTE_TO_256B = 3;
const FILL_ZERO = 0;

/** Writes the map of what is bound, `bytes` of the device from `base` on, to the host's address `to`. */
export function encodeTensorMap(
  context: Context,
  to: bigint,
  { element, axes }: TensorMap,
  base: bigint,
  bytes: number,
): void {
  const extents = axes.map(({ extent, stride }) =>
    // A buffer without rows is not launched on; a map has one at least.
    BigInt(extent === "rows" ? Math.max(1, Math.floor(bytes / (ELEMENT_BYTES * stride))) : extent),
  );
  const strides = axes.slice(1).map(({ stride }) => BigInt(ELEMENT_BYTES * stride));
  context.encodeTensorMap(
    to,
    TYPES[element],
    axes.length,
    base,
    BigUint64Array.from(extents),
    BigUint64Array.from(strides),
    Uint32Array.from(axes, ({ box }) => box),
    Uint32Array.from(axes, () => 1),
    NO_INTERLEAVE,
    SWIZZLE_128B,
    PROMOTE_TO_256B,
    FILL_ZERO,
  );
}
