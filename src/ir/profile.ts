/**
 * @file What code is made for: the limits and features of a class of devices, or of one device. Schedules and lowerings
 * decide by these figures alone, never by an adapter's name.
 */
import type { MatrixShape } from "./tile.ts";

export interface Profile {
  /** `software`, `gpu`, or the name of a profile file. Appears in plan.json, decides nothing. */
  readonly name: string;
  readonly limits: {
    /** Bytes of one storage binding. */
    readonly storageBinding: number;
    /** Bytes of one buffer. */
    readonly bufferSize: number;
    /** Storage buffers a shader stage may bind. */
    readonly storageBuffers: number;
    /** Alignment of a storage or uniform binding's offset, bytes. */
    readonly offsetAlignment: number;
    /** Bytes of workgroup memory. */
    readonly workgroupMemory: number;
    /** Invocations of one workgroup. */
    readonly workgroupSize: number;
    /** Workgroups of one dispatch dimension. */
    readonly workgroups: number;
  };
  /** Lanes of a subgroup where subgroup operations exist; a lowering may rely on the size only where min = max. */
  readonly subgroup?: { readonly min: number; readonly max: number };
  /** Shapes of the matrices of f32 that a subgroup multiplies as a whole, sums in f32; absent where there are none. */
  readonly matrices?: readonly MatrixShape[];
  /** The device takes CUDA-C rather than WGSL, compiled for this architecture: "sm_80", "sm_89", "sm_90", "sm_90a". */
  readonly cuda?: {
    readonly arch: string;
    /** Where it is known: as many workgroups of a kernel that goes through its tiles by itself. */
    readonly multiprocessors?: number;
    /** Bytes of the cache that all multiprocessors share, where it is known. */
    readonly l2Bytes?: number;
  };
  readonly features: {
    readonly f16: boolean;
    /** Shader cores are CPU lanes: a load costs more than arithmetic, workgroup memory saves nothing (measured, see docs). */
    readonly software: boolean;
    readonly timestamps: boolean;
  };
}
