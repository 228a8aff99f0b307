/**
 * @file The stages of workgroup memory that copies fill and products read, and the barriers by which both sides know of each other. A
 * stage is *full* when all bytes of its tiles have come and *empty* when every warp that multiplies has read it; step i, a
 * block of k, uses stage i mod S for the ⌊i / S⌋-th time, whose parity is that of the barriers' phases.
 */
import type { SharedPlace } from "../../../src/ir/bulk.ts";
import type { ThreadExpr } from "../../../src/ir/thread.ts";
import { addI, BOOL, call, divI, i32, lessThan, remI } from "../../../src/ir/thread.ts";
import type { TileKernel } from "../../../src/ir/tile.ts";
import type { Builder } from "../builder.ts";
import type { BulkMemory } from "./memory.ts";

type Hopper = Extract<TileKernel["lowering"], { kind: "hopper" }>;

export const WARPGROUP = 128;
const WARPS = 4;

export class Stages {
  private readonly l: Hopper;
  private readonly builder: Builder;
  /** Whether threads copy, too, each of which arrives with what it has sent for. */
  private readonly gathered: boolean;
  private readonly full: string;
  private readonly empty: string;
  private readonly turn: string;

  constructor(l: Hopper, gathered: boolean, builder: Builder, { mbarriers }: BulkMemory) {
    this.l = l;
    this.gathered = gathered;
    this.builder = builder;
    if (l.stages < 2 || (l.turns && l.groups !== 2))
      throw new Error(`internal: ${l.stages} stages for ${l.groups} warpgroups`);
    const declare = (hint: string, count: number): string => {
      const name = builder.name(hint);
      mbarriers.push({ name, count });
      return name;
    };
    this.full = declare("full", l.stages);
    this.empty = declare("empty", l.stages);
    this.turn = l.turns ? declare("turn", l.groups) : "";
  }

  /** What one thread does before any other thread looks. */
  initialise(): void {
    const { builder, l } = this;
    const init = (array: string, index: number, arrivals: number): void =>
      builder.emit({ kind: "mbarrier", action: "init", at: { array, index: i32(index) }, arrivals });
    const readers = WARPS * (l.turns ? 1 : l.groups) * l.cluster;
    for (let stage = 0; stage < l.stages; stage++) {
      init(this.full, stage, this.gathered ? 1 + WARPGROUP : 1);
      init(this.empty, stage, readers);
    }
    if (l.turns) for (let group = 0; group < l.groups; group++) init(this.turn, group, WARPS);
    builder.emit({ kind: "mbarrier", action: "publish" });
  }

  /** Waits until the stage of a step may be filled; gives it and the barrier that its copies report to. */
  awaitEmpty(step: ThreadExpr): { readonly stage: ThreadExpr; readonly barrier: SharedPlace } {
    const stage = this.stageOf(step);
    // Stages begin empty: the phase before the first counts as over.
    const parity = remI(addI(this.use(step), i32(1)), i32(2));
    this.builder.emit({ kind: "mbarrier", action: "wait", at: { array: this.empty, index: stage }, parity });
    return { stage, barrier: { array: this.full, index: stage } };
  }

  /** Waits until the stage of a step is full; gives it. */
  awaitFull(step: ThreadExpr): ThreadExpr {
    const stage = this.stageOf(step);
    const at = { array: this.full, index: stage };
    this.builder.emit({ kind: "mbarrier", action: "wait", at, parity: remI(this.use(step), i32(2)) });
    if (this.gathered) this.builder.emit({ kind: "wgmma", action: "fence_memory" });
    return stage;
  }

  /** Says that this warp has read the stage of the step before `step`, to every workgroup that copies to it. */
  release(step: ThreadExpr, lane: ThreadExpr, ...when: readonly ThreadExpr[]): void {
    const { builder, l } = this;
    const mine = l.cluster === 1 ? call("eq", BOOL, lane, i32(0)) : lessThan(lane, i32(l.cluster));
    builder.guard(
      [...when, mine].reduce((a, b) => call("and", BOOL, a, b)),
      () => {
        const at = { array: this.empty, index: remI(addI(step, i32(l.stages - 1)), i32(l.stages)) };
        if (l.cluster === 1) builder.emit({ kind: "mbarrier", action: "arrive", at });
        else builder.emit({ kind: "mbarrier", action: "arrive_at", at, rank: lane });
      },
    );
  }

  /**
   * Waits for the other warpgroup. A stage's parity tells this use from the last, not from the last but one: the other, whose the
   * uses before were, must have found them all full before this one looks. The first warpgroup's first turn is at once.
   */
  awaitTurn(warpgroup: ThreadExpr, done: ThreadExpr): void {
    const parity = remI(addI(addI(done, i32(1)), warpgroup), i32(2));
    const at = { array: this.turn, index: warpgroup };
    this.builder.emit({ kind: "mbarrier", action: "wait", at, parity });
  }

  /** All stages of this warpgroup's tile have been full. */
  passTurn(warpgroup: ThreadExpr, lane: ThreadExpr): void {
    this.builder.guard(call("eq", BOOL, lane, i32(0)), () => {
      const at = { array: this.turn, index: call("sub", warpgroup.type, i32(1), warpgroup) };
      this.builder.emit({ kind: "mbarrier", action: "arrive", at });
    });
  }

  private stageOf(step: ThreadExpr): ThreadExpr {
    return this.builder.let("stage", remI(step, i32(this.l.stages)));
  }

  /** How often the stage of a step was used before. */
  private use(step: ThreadExpr): ThreadExpr {
    return divI(step, i32(this.l.stages));
  }
}
