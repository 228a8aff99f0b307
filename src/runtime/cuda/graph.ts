/**
 * @file A stage's launches as one CUDA graph, made at the first call of a shape bucket (new buffers) and replayed with one call of the
 * driver from then on. A call with another number of rows changes the grids and arguments of the graph's nodes, and nothing else.
 *
 * Edges are what kernels have to do with one another, not the order in which they stand: a kernel follows the last writer of
 * what it reads, and the readers of what it writes. Kernels without an edge between them may run side by side. What a kernel finds zero is
 * set to it by a node of its own, which counts as a kernel that writes it.
 */
import type { DeviceBuffer } from "./buffers.ts";
import type { Context } from "./context.ts";
import type { Cleared, LaunchGroup } from "./launch.ts";

export interface Launch {
  readonly group: LaunchGroup;
  readonly x: number;
  readonly y: number;
}

/** CU_LAUNCH_ATTRIBUTE_COOPERATIVE, and the words of an attribute's value. */
const COOPERATIVE = 2;
const ATTRIBUTE_WORDS = 16;
const WORD = 4;

type Step = { readonly reads: readonly DeviceBuffer[]; readonly writes: readonly DeviceBuffer[] } & (
  | { readonly cleared: Cleared }
  | { readonly launch: Launch }
);

interface GraphNode {
  readonly group: LaunchGroup;
  readonly handle: bigint;
  /** What the executable graph has of `LaunchGroup.changing`. */
  now: readonly number[];
}

export class LaunchGraph {
  readonly #context: Context;
  readonly #graph: bigint;
  readonly #executable: bigint;
  readonly #nodes: readonly GraphNode[];

  constructor(context: Context, launches: readonly Launch[]) {
    this.#context = context;
    this.#graph = context.make("cuGraphCreate", 0);
    const steps = launches.flatMap((launch): Step[] => {
      const { cleared, reads, writes } = launch.group;
      return [
        ...cleared.map((memory) => ({ cleared: memory, reads: [], writes: [memory.buffer] })),
        { launch, reads, writes },
      ];
    });
    const edges = dependencies(steps);
    const handles: bigint[] = [];
    const nodes: GraphNode[] = [];
    steps.forEach((step, i) => {
      const before = BigUint64Array.from(edges[i] ?? [], (j) => handles[j] ?? 0n);
      handles.push("cleared" in step ? this.#clear(step.cleared, before) : this.#launch(step.launch, before));
      if ("launch" in step) {
        const { group } = step.launch;
        nodes.push({ group, handle: handles[i] ?? 0n, now: group.changing });
      }
    });
    this.#nodes = nodes;
    this.#executable = context.make("cuGraphInstantiateWithFlags", this.#graph, 0);
  }

  #launch({ group, x, y }: Launch, before: BigUint64Array): bigint {
    group.set(x, y);
    const handle = this.#context.make("cuGraphAddKernelNode", this.#graph, before, before.length, group.node);
    if (group.isCooperative) {
      const value = new Int32Array(ATTRIBUTE_WORDS);
      value[0] = 1;
      this.#context.call("cuGraphKernelNodeSetAttribute", handle, COOPERATIVE, value);
    }
    return handle;
  }

  /** CUDA_MEMSET_NODE_PARAMS: {address, pitch, value, bytes of an element, elements of a row, rows}. */
  #clear({ address, words }: Cleared, before: BigUint64Array): bigint {
    const params = BigUint64Array.of(address, 0n, BigInt(WORD) << 32n, BigInt(words), 1n);
    const { handle } = this.#context;
    return this.#context.make("cuGraphAddMemsetNode", this.#graph, before, before.length, params, handle);
  }

  /** Whether it is these launches' graph, whatever their grids. */
  serves(launches: readonly Launch[]): boolean {
    const nodes = this.#nodes;
    return launches.length === nodes.length && launches.every(({ group }, i) => group === nodes[i]?.group);
  }

  uses(buffer: DeviceBuffer): boolean {
    return this.#nodes.some(({ group }) => group.reads.includes(buffer) || group.writes.includes(buffer));
  }

  replay(launches: readonly Launch[]): void {
    this.#nodes.forEach((node, i) => {
      const launch = launches[i];
      if (launch === undefined) throw new Error("internal: another pass than the graph's");
      node.group.set(launch.x, launch.y);
      const changing = node.group.changing;
      if (changing.every((word, k) => word === node.now[k])) return;
      this.#context.call("cuGraphExecKernelNodeSetParams", this.#executable, node.handle, node.group.node);
      node.now = changing;
    });
    this.#context.call("cuGraphLaunch", this.#executable, this.#context.stream);
  }

  /** A replay that is under way goes on to its end. */
  destroy(): void {
    this.#context.release("cuGraphExecDestroy", this.#executable);
    this.#context.release("cuGraphDestroy", this.#graph);
  }
}

/** For each launch, which earlier ones it must follow, without those that others of them follow already. */
export function dependencies(
  launches: readonly { readonly reads: readonly object[]; readonly writes: readonly object[] }[],
): number[][] {
  const writer = new Map<object, number>();
  const readers = new Map<object, number[]>();
  const behind: Set<number>[] = [];
  return launches.map(({ reads, writes }, i) => {
    const direct = new Set<number>();
    for (const buffer of [...reads, ...writes]) {
      const last = writer.get(buffer);
      if (last !== undefined) direct.add(last);
    }
    for (const buffer of writes) for (const reader of readers.get(buffer) ?? []) direct.add(reader);
    for (const buffer of writes) {
      writer.set(buffer, i);
      readers.set(buffer, []);
    }
    for (const buffer of reads) readers.set(buffer, [...(readers.get(buffer) ?? []), i]);
    const all = new Set(direct);
    for (const j of direct) for (const k of behind[j] ?? []) all.add(k);
    behind.push(all);
    return [...direct].filter((j) => ![...direct].some((k) => k !== j && behind[k]?.has(j)));
  });
}

/** Graphs by their first launch; the ones that were not used for longest go first. */
export class GraphCache {
  readonly #context: Context;
  readonly #most: number;
  readonly #graphs = new Map<LaunchGroup, LaunchGraph>();

  constructor(context: Context, most: number) {
    this.#context = context;
    this.#most = most;
  }

  get size(): number {
    return this.#graphs.size;
  }

  replay(launches: readonly Launch[]): void {
    const first = launches[0]?.group;
    if (first === undefined) return;
    let graph = this.#graphs.get(first);
    if (graph !== undefined && !graph.serves(launches)) {
      graph.destroy();
      graph = undefined;
    }
    graph ??= new LaunchGraph(this.#context, launches);
    this.#graphs.delete(first);
    this.#graphs.set(first, graph);
    for (const [key, oldest] of this.#graphs) {
      if (this.#graphs.size <= this.#most) break;
      oldest.destroy();
      this.#graphs.delete(key);
    }
    graph.replay(launches);
  }

  /** Forgets the graphs that use a buffer, which is about to go. */
  forget(buffer: DeviceBuffer): void {
    for (const [key, graph] of this.#graphs) {
      if (!graph.uses(buffer)) continue;
      graph.destroy();
      this.#graphs.delete(key);
    }
  }

  clear(): void {
    for (const graph of this.#graphs.values()) graph.destroy();
    this.#graphs.clear();
  }
}
