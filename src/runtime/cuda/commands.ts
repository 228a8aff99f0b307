/** @file Lists of commands: recorded by the engine, carried out when they are submitted. */
import type {
  ComputeBuffer,
  ComputeCommands,
  ComputeEncoder,
  ComputeGroup,
  ComputePass,
  ComputePipeline,
  ComputeQuerySet,
  PassTimestamps,
} from "../engine/compute.ts";
import type { Launch } from "./graph.ts";
import { LaunchGroup } from "./launch.ts";
import { QuerySet } from "./timestamps.ts";

export type Command =
  | {
      readonly kind: "copy";
      readonly from: ComputeBuffer;
      readonly fromOffset: number;
      readonly to: ComputeBuffer;
      readonly toOffset: number;
      readonly bytes: number;
    }
  | {
      readonly kind: "pass";
      readonly launches: readonly Launch[];
      readonly begin?: () => void;
      readonly end?: () => void;
    }
  | { readonly kind: "resolve"; readonly queries: QuerySet; readonly into: ComputeBuffer };

export class CommandList implements ComputeCommands {
  readonly label: string;
  readonly commands: readonly Command[];

  constructor(label: string, commands: readonly Command[]) {
    this.label = label;
    this.commands = commands;
  }
}

export class Encoder implements ComputeEncoder {
  readonly #label: string;
  readonly #commands: Command[] = [];

  constructor(label: string) {
    this.#label = label;
  }

  beginComputePass(
    descriptor: { readonly label?: string; readonly timestampWrites?: PassTimestamps } = {},
  ): ComputePass {
    const launches: Launch[] = [];
    const { timestampWrites: stamps } = descriptor;
    const moment = (i: number | undefined) => () => queriesOf(stamps?.querySet).record(i);
    const timed = stamps && {
      begin: moment(stamps.beginningOfPassWriteIndex),
      end: moment(stamps.endOfPassWriteIndex),
    };
    this.#commands.push({ kind: "pass", launches, ...timed });
    return new Pass(launches);
  }

  copyBufferToBuffer(
    from: ComputeBuffer,
    fromOffset: number,
    to: ComputeBuffer,
    toOffset: number,
    bytes: number,
  ): void {
    if (bytes > 0) this.#commands.push({ kind: "copy", from, fromOffset, to, toOffset, bytes });
  }

  resolveQuerySet(queries: ComputeQuerySet, _first: number, _count: number, into: ComputeBuffer): void {
    this.#commands.push({ kind: "resolve", queries: queriesOf(queries), into });
  }

  finish(): CommandList {
    return new CommandList(this.#label, this.#commands);
  }
}

class Pass implements ComputePass {
  readonly #launches: Launch[];
  #group: LaunchGroup | undefined;

  constructor(launches: Launch[]) {
    this.#launches = launches;
  }

  /** A group knows its pipeline. */
  setPipeline(_pipeline: ComputePipeline): void {}

  setBindGroup(_index: 0, group: ComputeGroup): void {
    if (!(group instanceof LaunchGroup)) throw new Error("internal: a group of another device");
    this.#group = group;
  }

  dispatchWorkgroups(x: number, y: number): void {
    if (this.#group === undefined) throw new Error("internal: nothing is bound");
    if (x > 0 && y > 0) this.#launches.push({ group: this.#group, x, y });
  }

  /** Grids are fixed before the device counts: it gets the largest. */
  dispatchWorkgroupsIndirect(_buffer: ComputeBuffer, _offset: number, most?: number): void {
    if (most === undefined) throw new Error("internal: nobody knows how many workgroups there can be");
    const x = Math.min(most, LARGEST_X);
    this.dispatchWorkgroups(x, Math.ceil(most / x));
  }

  end(): void {}
}

/** The second dimension goes to 65,535; the first to 2³¹ − 1, of which a kernel's own arithmetic may not see all. */
const LARGEST_X = 65535;

function queriesOf(queries: ComputeQuerySet | undefined): QuerySet {
  if (!(queries instanceof QuerySet)) throw new Error("internal: timestamps of another device");
  return queries;
}
