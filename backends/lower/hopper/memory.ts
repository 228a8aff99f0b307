/** @file What a kernel has beside arrays in workgroup memory where it copies in bulk: barriers, and tensor maps. */
import type { ThreadMap } from "../../../src/ir/bulk.ts";

export interface BulkMemory {
  readonly mbarriers: { readonly name: string; readonly count: number }[];
  readonly maps: ThreadMap[];
}
