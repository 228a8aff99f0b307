/**
 * @file Places for everything in a picture. Each stage is a lane in dagre's layered layout, in which data flows downwards and folded
 * rounds have frames; lanes stand side by side in the order in which they run. Sizes come from the number of characters, so the picture is the same on every machine.
 */
import { graphlib, layout } from "@dagrejs/dagre";
import type { FoldedEdge, FoldedScene } from "./fold.ts";
import type { SceneNode } from "./scene.ts";

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** A rectangle by its upper left corner. */
export interface Frame extends Point {
  readonly width: number;
  readonly height: number;
}

export interface Placed {
  readonly width: number;
  readonly height: number;
  readonly nodes: readonly { readonly node: SceneNode; readonly frame: Frame }[];
  readonly edges: readonly {
    readonly edge: FoldedEdge;
    readonly points: readonly Point[];
    readonly curve: boolean;
  }[];
  /** Frames, the outer ones first. */
  readonly groups: readonly Group[];
}

export interface Group {
  readonly kind: "stage" | "fold";
  readonly stage: SceneNode["stage"];
  readonly title: string;
  readonly frame: Frame;
}

/** Pixels: of a character of the two text sizes, of a line, around text. */
export const TITLE_CHAR = 7.1;
export const LINE_CHAR = 6.2;
export const LINE_HEIGHT = 15;
export const PADDING = 9;

export function sizeOf(node: SceneNode): { readonly width: number; readonly height: number } {
  const small = [...node.lines.map((l) => l.text), node.footer];
  const widest = Math.max(node.title.length * TITLE_CHAR, ...small.map((text) => text.length * LINE_CHAR));
  const lines = 1 + node.lines.length + (node.footer === "" ? 0 : 1);
  return { width: Math.ceil(widest) + 2 * PADDING, height: lines * LINE_HEIGHT + 2 * PADDING };
}

const STAGES = { load: "load: once", user: "user: once a request", item: "item: once a candidate" } as const;
const MARGIN = 16;
/** Around the column of kept values, between lanes, between kept values. */
const GAP = 56;
const APART = 14;

/** Lanes side by side, one a stage, and what is kept in a column between the user's and the candidate's. */
export function place(scene: FoldedScene): Placed {
  const frames = new Map<string, Frame>();
  const groups: Group[] = [];
  const points = new Map<FoldedEdge, readonly Point[]>();
  let x = MARGIN;
  let height = 0;
  const kept = scene.nodes.filter((n) => n.kind === "kept");
  const column = Math.max(0, ...kept.map((n) => sizeOf(n).width));
  let columnAt = x;
  for (const stage of ["load", "user", "item"] as const) {
    const lane = layLane(scene, stage);
    if (lane === undefined) continue;
    if (stage === "item" && kept.length > 0) {
      columnAt = x + GAP / 2;
      x += column + GAP;
    }
    const move = <P extends Point>(p: P): P => ({ ...p, x: round(p.x + x) });
    for (const [id, frame] of lane.frames) frames.set(id, move(frame));
    for (const [edge, line] of lane.points) points.set(edge, line.map(move));
    groups.push(...lane.groups.map((g) => ({ ...g, frame: move(g.frame) })));
    x += lane.width + GAP / 2;
    height = Math.max(height, lane.height);
  }
  let below = 0;
  for (const { node, wanted } of byHeight(kept, scene, frames)) {
    const size = sizeOf(node);
    const y = Math.max(wanted - size.height / 2, below);
    frames.set(node.id, { x: round(columnAt + (column - size.width) / 2), y: round(y), ...size });
    below = y + size.height + APART;
  }
  const frameOf = (id: string): Frame => {
    const frame = frames.get(id);
    if (frame === undefined) throw new Error(`internal: ${id} has no place`);
    return frame;
  };
  return {
    width: Math.ceil(x - GAP / 2 + MARGIN),
    height: Math.ceil(Math.max(height, below) + MARGIN),
    nodes: scene.nodes.map((node) => ({ node, frame: frameOf(node.id) })),
    edges: scene.edges.map((edge) => {
      const line = points.get(edge);
      if (line !== undefined) return { edge, points: line, curve: false };
      return { edge, points: sideways(frameOf(edge.from), frameOf(edge.to)), curve: true };
    }),
    groups,
  };
}

/** Kept values from top to bottom, each at the height of the kernel that makes it. */
function byHeight(kept: readonly SceneNode[], scene: FoldedScene, frames: ReadonlyMap<string, Frame>) {
  return kept
    .map((node) => {
      const writer = scene.edges.find(({ to, next }) => to === node.id && !next)?.from;
      const frame = frames.get(writer ?? "");
      return { node, wanted: frame === undefined ? 0 : frame.y + frame.height / 2 };
    })
    .sort((a, b) => a.wanted - b.wanted || (a.node.id < b.node.id ? -1 : 1));
}

interface Lane {
  readonly width: number;
  readonly height: number;
  readonly frames: ReadonlyMap<string, Frame>;
  readonly points: ReadonlyMap<FoldedEdge, readonly Point[]>;
  readonly groups: readonly Group[];
}

/** The kernels, features and tasks of one stage in dagre's layers; undefined if there are none. */
function layLane(scene: FoldedScene, stage: SceneNode["stage"]): Lane | undefined {
  const nodes = scene.nodes.filter((n) => n.kind !== "kept" && n.stage === stage);
  if (nodes.length === 0) return undefined;
  const inside = new Set(nodes.map((n) => n.id));
  const graph = new graphlib.Graph({ compound: true });
  graph.setGraph({ rankdir: "TB", nodesep: 26, edgesep: 12, ranksep: 30, marginx: 14, marginy: 34 });
  graph.setDefaultEdgeLabel(() => ({}));
  const folds = new Map<string, Omit<Group, "frame">>();
  for (const node of nodes) {
    graph.setNode(node.id, { ...sizeOf(node) });
    const fold = scene.folds.findIndex((f) => f.members.has(node.id));
    if (fold < 0) continue;
    const id = `fold ${fold}`;
    const { title, rounds } = scene.folds[fold];
    if (!folds.has(id)) {
      folds.set(id, { kind: "fold", stage, title: `${title}   × ${rounds}` });
      graph.setNode(id, {});
    }
    graph.setParent(node.id, id);
  }
  const edges = scene.edges.filter(({ from, to, next }) => !next && inside.has(from) && inside.has(to));
  for (const { from, to } of edges) graph.setEdge(from, to);
  layout(graph);
  const frameOf = (id: string): Frame => {
    const { x, y, width, height } = graph.node(id) as Frame;
    return { x: round(x - width / 2), y: round(y - height / 2), width: round(width), height: round(height) };
  };
  const line = ({ from, to }: FoldedEdge): Point[] => {
    const { points } = graph.edge(from, to) as { readonly points: readonly Point[] };
    return points.map(({ x, y }) => ({ x: round(x), y: round(y) }));
  };
  const { width, height } = graph.graph() as { readonly width: number; readonly height: number };
  const whole: Frame = { x: 0, y: 0, width: round(width), height: round(height) };
  return {
    width: Math.ceil(width),
    height: Math.ceil(height),
    frames: new Map(nodes.map((n) => [n.id, frameOf(n.id)])),
    points: new Map(edges.map((edge) => [edge, line(edge)])),
    groups: [
      { kind: "stage", stage, title: STAGES[stage], frame: whole },
      ...[...folds].map(([id, group]) => ({ ...group, frame: titled(frameOf(id)) })),
    ],
  };
}

/** A frame with room for its title. */
function titled({ x, y, width, height }: Frame): Frame {
  return { x, y: y - 14, width, height: height + 14 };
}

/** A cubic curve out of the side of one box into the side of another; back on the left where they stand above each other. */
function sideways(from: Frame, to: Frame): Point[] {
  const [y1, y2] = [round(from.y + from.height / 2), round(to.y + to.height / 2)];
  const end = { x: to.x, y: y2 };
  if (to.x > from.x + from.width) {
    const start = { x: from.x + from.width, y: y1 };
    const half = round((start.x + end.x) / 2);
    return [start, { x: half, y: y1 }, { x: half, y: y2 }, end];
  }
  const x = round(Math.min(from.x, to.x) - 34);
  return [{ x: from.x, y: y1 }, { x, y: y1 }, { x, y: y2 }, end];
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
