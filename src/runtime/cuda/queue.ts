/**
 * @file The queue: writes and lists of commands, carried out on one stream in the order in which they were given. A stage's pass is
 * replayed as a graph. Large pieces of an upload go to the device on a stream of their own while earlier kernels still run, and
 * from there to their place when it is their turn.
 */
import type { ComputeBuffer, ComputeCommands, ComputeQueue } from "../engine/compute.ts";
import {
  DeviceBuffer,
  ReadBuffer,
  StagingBuffer,
  StampBuffer,
  UniformBuffer,
  type Version,
} from "./buffers.ts";
import { type Command, CommandList } from "./commands.ts";
import type { Context } from "./context.ts";
import type { GraphCache, Launch } from "./graph.ts";
import { Uploads } from "./uploads.ts";

/** A copy within the device costs as much as sending this much: smaller pieces are sent straight to their place. */
const AHEAD_BYTES = 256 * 1024;
/** Longer passes are a tuner's repetitions. */
const LONGEST_GRAPH = 4096;

type Copy = Extract<Command, { kind: "copy" }>;

export class Queue implements ComputeQueue {
  readonly #context: Context;
  readonly #graphs: GraphCache;
  readonly #uploads: Uploads;

  constructor(context: Context, graphs: GraphCache) {
    this.#context = context;
    this.#graphs = graphs;
    this.#uploads = new Uploads(context);
  }

  writeBuffer(buffer: ComputeBuffer, offset: number, data: ArrayBuffer, from: number, bytes: number): void {
    const source = new Uint8Array(data, from, bytes);
    if (buffer instanceof DeviceBuffer) this.#uploads.write(buffer.address + BigInt(offset), source);
    else if (buffer instanceof UniformBuffer) buffer.bytes.set(source, offset);
    else if (buffer instanceof StagingBuffer) buffer.write(offset, source);
    else throw new Error(`internal: nothing can be written to \`${buffer.label}\``);
  }

  submit(lists: Iterable<ComputeCommands>): void {
    for (const list of lists) {
      if (!(list instanceof CommandList)) throw new Error("internal: commands of another device");
      this.#sendAhead(list.commands);
      const staged = new Set<Version>();
      for (const command of list.commands) this.#execute(command, staged);
      if (staged.size === 0) continue;
      const fence = this.#context.fence();
      for (const version of staged) version.used = fence;
    }
  }

  async onSubmittedWorkDone(): Promise<undefined> {
    await this.#context.fence().wait();
    return undefined;
  }

  destroy(): void {
    this.#uploads.destroy();
  }

  /** Starts large pieces on their way before anything of the list. */
  #sendAhead(commands: readonly Command[]): void {
    const { uploads, stream } = this.#context;
    let sent = false;
    for (const command of commands) {
      if (command.kind !== "copy" || !goesAhead(command)) continue;
      const version = command.from.current;
      version.landing ??= this.#context.make("cuMemAlloc_v2", version.pinned.bytes);
      const offset = BigInt(command.fromOffset);
      const [to, from] = [version.landing + offset, version.pinned.address + offset];
      this.#context.call("cuMemcpyHtoDAsync_v2", to, from, command.bytes, uploads);
      sent = true;
    }
    if (sent) this.#context.fence(uploads).before(stream);
  }

  #execute(command: Command, staged: Set<Version>): void {
    switch (command.kind) {
      case "copy":
        this.#copy(command, staged);
        return;
      case "pass":
        command.begin?.();
        this.#launch(command.launches);
        command.end?.();
        return;
      case "resolve":
        if (!(command.into instanceof StampBuffer))
          throw new Error(`internal: \`${command.into.label}\` takes no timestamps`);
        command.into.queries = command.queries;
        return;
      default:
        command satisfies never;
    }
  }

  #copy(copy: Copy, staged: Set<Version>): void {
    const { from, to, bytes } = copy;
    const [fromOffset, toOffset] = [BigInt(copy.fromOffset), BigInt(copy.toOffset)];
    const { stream } = this.#context;
    if (from instanceof StagingBuffer) {
      const version = from.current;
      const { pinned, landing } = version;
      if (to instanceof UniformBuffer) {
        to.bytes.set(new Uint8Array(pinned.memory, copy.fromOffset, bytes), copy.toOffset);
        return;
      }
      if (to instanceof DeviceBuffer) {
        staged.add(version);
        const target = to.address + toOffset;
        if (goesAhead(copy) && landing !== undefined)
          this.#context.call("cuMemcpyDtoDAsync_v2", target, landing + fromOffset, bytes, stream);
        else this.#context.call("cuMemcpyHtoDAsync_v2", target, pinned.address + fromOffset, bytes, stream);
        return;
      }
    }
    if (from instanceof DeviceBuffer && to instanceof DeviceBuffer) {
      const [target, source] = [to.address + toOffset, from.address + fromOffset];
      this.#context.call("cuMemcpyDtoDAsync_v2", target, source, bytes, stream);
      return;
    }
    if (from instanceof DeviceBuffer && to instanceof ReadBuffer) {
      const [target, source] = [to.pinned.address + toOffset, from.address + fromOffset];
      this.#context.call("cuMemcpyDtoHAsync_v2", target, source, bytes, stream);
      return;
    }
    if (from instanceof StampBuffer && to instanceof ReadBuffer) {
      to.stamps = from.queries;
      return;
    }
    throw new Error(`internal: \`${from.label}\` cannot be copied to \`${to.label}\``);
  }

  /** As a graph where it pays: a pass of several kernels, each once. */
  #launch(launches: readonly Launch[]): void {
    const distinct = new Set(launches.map(({ group }) => group)).size === launches.length;
    if (launches.length > 1 && launches.length <= LONGEST_GRAPH && distinct) {
      this.#graphs.replay(launches);
      return;
    }
    for (const { group, x, y } of launches) {
      group.set(x, y);
      group.launch(this.#context);
    }
  }
}

function goesAhead(copy: Copy): copy is Copy & { readonly from: StagingBuffer } {
  return copy.from instanceof StagingBuffer && copy.to instanceof DeviceBuffer && copy.bytes >= AHEAD_BYTES;
}
