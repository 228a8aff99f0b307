/**
 * @file What a kernel has beside arrays in workgroup memory where it copies in bulk (barriers, tensor maps), and where its operands'
 * tiles lie: a stage of the pipeline has one tile of each operand. Programs that share their stages must agree on what a stage's memory is,
 * so there all operands of a stage lie side by side; a program alone has an array for each operand.
 */
import type { ThreadMap } from "../../../src/ir/bulk.ts";
import { type SharedArray, U32X4 } from "../../../src/ir/thread.ts";
import type { Builder } from "../builder.ts";

export interface BulkMemory {
  readonly mbarriers: { readonly name: string; readonly count: number }[];
  readonly maps: ThreadMap[];
}

/** An operand's tiles, counted in groups of 16 bytes: that of stage s begins at s · stride + offset. */
export interface TilePlace {
  readonly array: string;
  readonly stride: number;
  readonly offset: number;
}

export interface TileMemory {
  /** Room for an operand's tile of `bytes` in every stage. */
  place(hint: string, bytes: number): TilePlace;
}

const GROUP_BYTES = 16;

/** An array for each operand. */
export class OwnArrays implements TileMemory {
  private readonly stages: number;
  private readonly builder: Builder;
  private readonly shared: SharedArray[];

  constructor(stages: number, builder: Builder, shared: SharedArray[]) {
    this.stages = stages;
    this.builder = builder;
    this.shared = shared;
  }

  place(hint: string, bytes: number): TilePlace {
    const array = this.builder.name(hint);
    const stride = bytes / GROUP_BYTES;
    this.shared.push({ name: array, type: U32X4, count: this.stages * stride, dynamic: true });
    return { array, stride, offset: 0 };
  }
}

/** One array for several programs, each of which has the whole of a stage. */
export class CommonArray {
  private readonly array: string;
  /** Groups of the largest program's stage, once all have their places. */
  private stride = 0;

  constructor(builder: Builder) {
    this.array = builder.name("tiles");
  }

  /** The operands of one program. */
  program(): TileMemory {
    let offset = 0;
    const { array } = this;
    const strideOf = (): number => this.stride;
    return {
      place: (_hint, bytes) => {
        const place = {
          array,
          offset,
          get stride() {
            return strideOf();
          },
        };
        offset += bytes / GROUP_BYTES;
        this.stride = Math.max(this.stride, offset);
        return place;
      },
    };
  }

  /** To be declared when all programs have their places. */
  declare(stages: number): SharedArray {
    return { name: this.array, type: U32X4, count: stages * this.stride, dynamic: true };
  }
}
