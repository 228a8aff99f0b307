/**
 * @file Which values are stored and which kernel computes what. A *group* is an anchor (a contraction, a reduction, a norm, a
 * score product) with the element-wise ops that follow it, or an element-wise op alone; everything else is computed where
 * it is read.
 */
import type { Graph, Node, Operand } from "../../src/ir/graph.ts";
import { scalarFns } from "../../src/ir/scalar.ts";
import { derivedNodes, storageOf } from "../../src/ir/storage.ts";
import type { Fusion } from "../pass.ts";
import { isSource } from "../restrict.ts";
import { readersOf } from "../rewrite.ts";
import { expansions } from "./remake.ts";
import { makesRows, rowPeaks } from "./rowpeaks.ts";
import { findScores, type ScorePattern } from "./score.ts";
import { gatheredStatistics } from "./statistics.ts";

export interface Group {
  /** Absent: `root` is element-wise and is computed from stored values alone. */
  readonly anchor?: number;
  /** From the anchor (or the root alone) to the root; each reads the one before. */
  readonly chain: readonly number[];
  readonly root: number;
  /** The anchor is the second contraction of this score product. */
  readonly score?: ScorePattern;
  /** Statistics of the rows that the anchor, a product, loads: gathered on the way. */
  readonly statistics?: readonly number[];
  /** Peaks of the rows that the anchor rounds (see rowpeaks.ts): found before it. */
  readonly peaks?: readonly number[];
  /** Peaks of the rows that the kernel makes, with what follows each: found after it. */
  readonly tails?: readonly (readonly number[])[];
}

export interface Grouping {
  /** In an order in which each group finds its operands stored. */
  readonly groups: readonly Group[];
  /** Values in memory: roots, and members of a chain that something else reads. */
  readonly stored: ReadonlySet<number>;
}

/** Above this cost (see `ScalarInfo.flops`) an element is not computed more than once. */
const RECOMPUTE_LIMIT = 8;

/** Ops behind an anchor, and ops nested in one expression, at most: text and compile time stay bounded. */
const LONGEST_CHAIN = 32;
const DEEPEST = 48;
/** Ops of an expression that is written out more than once. */
const LARGEST = 64;

/** A product of factors that share no summed axis is element-wise. */
export function isAnchor(node: Node): boolean {
  const { op } = node;
  switch (op.kind) {
    case "einsum":
      return op.operands.flat().some((l) => !op.out.includes(l));
    case "reduce":
    case "normalize":
    case "row_statistics":
    case "softmax":
      return true;
    default:
      return false;
  }
}

/** Groups the Graph's nodes into kernels that each touch at most `storageBuffers` values. With fusion off each op stands alone. */
export function groupNodes(graph: Graph, storageBuffers: number, fusion: Fusion = "all"): Grouping {
  const { nodes } = graph;
  const readers = readersOf(graph);
  const external = new Set<number>();
  const expanded = expansions(graph);
  for (const o of graph.outputs) {
    external.add(o.value.id);
    if (o.logit) external.add(o.logit.id);
  }
  for (const node of nodes) {
    // What one program leaves for another lies in memory between them.
    for (const input of node.inputs) {
      const from = nodes[input.id];
      if (from.program === "load" && expanded.has(input.id)) continue;
      if (!isSource(from.op) && from.op.kind !== "by_request" && from.program !== node.program)
        external.add(input.id);
      if (node.op.kind === "by_request" && !isSource(from.op)) external.add(input.id);
    }
  }

  // A gate is stored, and ends its chain: what lists its rows and what they multiply must see the same bits.
  const gates = new Set(nodes.flatMap((n) => (n.rows ? [n.rows.gate] : [])));
  for (const id of gates) external.add(id);

  if (fusion === "off") {
    for (const node of nodes) if (isAnchor(node) || computes(node)) external.add(node.id);
  }
  for (const node of nodes) if (node.keep) external.add(node.id);
  // What is packed of a load-stage value is what all of its readers read.
  const derived = derivedNodes(graph);
  for (const id of derived.keys()) external.add(id);

  const scores: ReadonlyMap<number, ScorePattern> =
    fusion === "off" ? new Map() : findScores({ graph, readers, external });
  // What lies inside a score product is neither stored nor the start or part of another kernel.
  const inside = new Set([...scores.values()].flatMap((s) => [...s.inside]));
  const chains = new Map<number, number[]>();
  const claimed = new Set<number>();
  const isPlain = (o: Operand): boolean => o.map === undefined;
  for (let id = nodes.length - 1; id >= 0; id--) {
    const anchor = nodes[id];
    if (!isAnchor(anchor) || inside.has(id)) continue;
    const chain = [id];
    for (let at = anchor; ; ) {
      if (gates.has(at.id) || derived.has(at.id) || fusion === "off") break;
      const next = nextInChain(
        at,
        readers[at.id].map((r) => r.node),
      );
      if (!next || claimed.has(next.id) || inside.has(next.id) || chain.length > LONGEST_CHAIN) break;
      if (!next.inputs.every((o) => o.id !== at.id || isPlain(o))) break;
      chain.push(next.id);
      claimed.add(next.id);
      at = next;
    }
    chains.set(id, chain);
  }

  const gathered = gatheredStatistics({ graph, readers, external, chains });
  for (const ids of gathered.values()) for (const id of ids) chains.delete(id);

  const peaks = rowPeaks({ graph, readers, external, isAnchor });
  const tails = new Map<number, (readonly number[])[]>();
  const sought = new Map<number, number[]>();
  for (const [id, anchors] of peaks.readBy) {
    const own = chains.get(id);
    if (own === undefined || [...anchors].some((anchor) => !chains.has(anchor))) continue;
    chains.delete(id);
    const maker = [...chains].find(([anchor, chain]) =>
      makesRows(nodes[anchor], nodes[chain[chain.length - 1]], nodes[id], graph),
    );
    if (maker) tails.set(maker[0], [...(tails.get(maker[0]) ?? []), own]);
    else for (const anchor of anchors) sought.set(anchor, [...(sought.get(anchor) ?? []), id]);
  }

  const stored = new Set<number>();
  for (const chain of [...chains.values(), ...[...tails.values()].flat()]) {
    stored.add(chain[chain.length - 1]);
    for (const id of chain) if (external.has(id)) stored.add(id);
  }
  for (const id of external) if (!isSource(nodes[id].op)) stored.add(id);
  storeTheCostly(graph, readers, stored, new Set([...claimed, ...peaks.inline]), inside);

  const groups: Group[] = [...chains].map(([anchor, chain]) => {
    const score = scores.get(anchor);
    const statistics = gathered.get(anchor);
    const root = chain[chain.length - 1];
    const rounding = { peaks: sought.get(anchor), tails: tails.get(anchor) };
    return {
      anchor,
      chain,
      root,
      ...(score && { score }),
      ...(statistics && { statistics }),
      ...(rounding.peaks && { peaks: rounding.peaks }),
      ...(rounding.tails && { tails: rounding.tails }),
    };
  });
  const inChain = new Set([...chains.values(), ...[...tails.values()].flat()].flat());
  for (const id of stored) if (!inChain.has(id)) groups.push({ chain: [id], root: id });
  const within = new Set([...peaks.inline, ...[...gathered.values()].flat()]);
  // Groups that storing adds are bounded in their turn.
  for (const group of groups) {
    for (const id of boundLeaves(graph, group, stored, within, storageBuffers)) {
      stored.add(id);
      groups.push({ chain: [id], root: id });
    }
  }
  groups.sort((a, b) => a.root - b.root);
  return { groups, stored };
}

/** Whether a node is arithmetic on elements, and no cast. */
function computes({ op }: Node): boolean {
  return op.kind === "pointwise" && !["to_num", "to_i32", "to_bool"].includes(op.fn);
}

/** The one element-wise op that alone reads `at`, of the same shape and program. */
function nextInChain(at: Node, readers: readonly Node[]): Node | undefined {
  const next = readers[0];
  if (!next || readers.some((r) => r.id !== next.id)) return undefined;
  if (next.op.kind !== "pointwise" || next.program !== at.program) return undefined;
  if (next.rows?.gate !== at.rows?.gate) return undefined;
  const same =
    next.type.shape.length === at.type.shape.length &&
    next.type.shape.every((s, i) => s === at.type.shape[i]);
  return same ? next : undefined;
}

/** Stores element-wise values that would be computed too often: read by several kernels, or along a product's tiles. */
function storeTheCostly(
  graph: Graph,
  readers: readonly (readonly { readonly node: Node }[])[],
  stored: Set<number>,
  claimed: ReadonlySet<number>,
  inside: ReadonlySet<number>,
): void {
  const cost = new Float64Array(graph.nodes.length);
  const size = new Float64Array(graph.nodes.length);
  const depth = new Int32Array(graph.nodes.length);
  for (const node of graph.nodes) {
    if (isSource(node.op) || isAnchor(node) || stored.has(node.id)) continue;
    const own = node.op.kind === "pointwise" ? scalarFns[node.op.fn].flops : 0;
    cost[node.id] = node.inputs.reduce((sum, o) => sum + cost[o.id], own);
    size[node.id] = node.inputs.reduce((sum, o) => sum + size[o.id], 1);
    depth[node.id] = node.inputs.reduce((most, o) => Math.max(most, depth[o.id]), 0) + 1;
    if (claimed.has(node.id) || inside.has(node.id)) continue;
    // A mask or bias of every pair is computed where a score product meets it: storing it would store the pairs.
    const used = readers[node.id].filter(
      (r) => !(inside.has(r.node.id) && elements(r.node) === elements(node)),
    );
    const repeated = used.length > 1 || used.some((r) => r.node.op.kind === "einsum" && isAnchor(r.node));
    const costly = cost[node.id] >= RECOMPUTE_LIMIT || size[node.id] >= LARGEST;
    if ((repeated && costly) || depth[node.id] > DEEPEST) {
      stored.add(node.id);
      cost[node.id] = 0;
      size[node.id] = 0;
      depth[node.id] = 0;
    }
  }
}

/** Elements of one row of the batch axis. */
function elements(node: Node): number {
  return node.type.shape.reduce<number>((n, s) => (typeof s === "number" ? n * s : n), 1);
}

/** Numbers, no node's, for the values beside a packed value: its scales and zero points. */
function companionsOf(graph: Graph, node: Node): number[] {
  const { scale } = storageOf(graph, node);
  if (scale === undefined) return [];
  const first = graph.nodes.length + 2 * node.id;
  return scale.symmetric ? [first] : [first, first + 1];
}

/** Values to store so that the group's kernel binds at most `most` values: the largest parts of its prologue that fit one. */
function boundLeaves(
  graph: Graph,
  group: Group,
  stored: ReadonlySet<number>,
  inline: ReadonlySet<number>,
  most: number,
): number[] {
  const added = new Set<number>();
  const own = graph.nodes[group.root].rows;
  const leavesOf = (id: number, into: Set<number>): Set<number> => {
    const node = graph.nodes[id];
    for (const o of node.inputs) {
      const from = graph.nodes[o.id];
      if (group.chain.includes(o.id)) leavesOf(o.id, into);
      else if (
        stored.has(o.id) ||
        added.has(o.id) ||
        from.op.kind === "param" ||
        from.op.kind === "feature" ||
        from.op.kind === "data"
      ) {
        into.add(o.id);
        for (const companion of companionsOf(graph, from)) into.add(companion);
        // A row of another list is found through its places.
        if (from.rows && from.rows.gate !== own?.gate) into.add(-2 - from.rows.gate);
      } else {
        if (from.op.kind === "by_request") into.add(-1);
        leavesOf(o.id, into);
      }
    }
    return into;
  };
  const inlineOf = (id: number, into: Set<number>): Set<number> => {
    for (const o of graph.nodes[id].inputs) {
      const from = graph.nodes[o.id];
      if (stored.has(o.id) || added.has(o.id) || isSource(from.op) || into.has(o.id)) continue;
      const free = !group.chain.includes(o.id) && !group.score?.inside.has(o.id) && !inline.has(o.id);
      if (free && from.op.kind !== "by_request") into.add(o.id);
      inlineOf(o.id, into);
    }
    return into;
  };
  const tables = own ? 2 : 0;
  const tails = group.tails ?? [];
  const members = [...group.chain, ...tails.flat()];
  const outputs = members.filter((id) => stored.has(id)).length + tables;
  for (;;) {
    const leaves = leavesOf(group.root, new Set());
    for (const chain of tails) for (const id of chain.slice(1)) leavesOf(id, leaves);
    const total = leaves.size + outputs;
    if (total <= most) return [...added];
    let best: { id: number; leaves: number } | undefined;
    for (const id of inlineOf(group.root, new Set())) {
      const leaves = leavesOf(id, new Set()).size;
      if (leaves >= 2 && leaves < most && leaves > (best?.leaves ?? 1)) best = { id, leaves };
    }
    if (!best) return [...added];
    added.add(best.id);
  }
}
