/**
 * @file What a picture of a compiled model shows, before anything has a place: kernels as boxes that list the ops fused into
 * them, the features they read, what is kept between the user and the item stage, the tasks. Rounds of a `repeat` that are
 * alike are drawn once (`fold.ts`).
 */
import type { Graph, Stage } from "../../ir/graph.ts";
import { isScore, type Plan } from "../../ir/plan.ts";
import type { TileKernel } from "../../ir/tile.ts";
import { allKernels } from "../../variant.ts";
import { bytes, figure } from "../text.ts";
import type { ConstantMask } from "./masks.ts";

export type ShapeKind = "kernel" | "feature" | "kept" | "task";

export interface SceneNode {
  readonly id: string;
  readonly kind: ShapeKind;
  readonly stage: Stage;
  readonly title: string;
  /** Below the title, a line each. */
  readonly lines: readonly SceneLine[];
  /** Without the batch axis: `[4, 64]`. */
  readonly shape: string;
  /** Under the lines: shape, work, bytes. */
  readonly footer: string;
  /** What a pointer that rests on it shows. */
  readonly tip: string;
  /** A kernel that contracts, reduces or normalises: the same in every round of a `repeat`, unlike what is stored between. */
  readonly anchor: boolean;
  /** The value's chain of labels; `fold` finds rounds in it. */
  readonly path: string;
}

export interface SceneLine {
  readonly text: string;
  /** `mask`: elements are replaced here. `before`: computed while the kernel reads. */
  readonly kind: "op" | "before" | "mask";
}

export interface SceneEdge {
  readonly from: string;
  readonly to: string;
}

export interface Scene {
  readonly name: string;
  readonly nodes: readonly SceneNode[];
  readonly edges: readonly SceneEdge[];
}

/** The most lines of a kernel's box; the tip has all. */
const MOST_LINES = 7;
const ELEMENT_BYTES = 4;

/** `graph` is the last Graph of the pipeline, whose nodes the kernels' roots are. */
export function sceneOf(plan: Plan, graph: Graph, masks: readonly ConstantMask[]): Scene {
  const nodes: SceneNode[] = [];
  const edges = new Map<string, SceneEdge>();
  const connect = (from: string, to: string): void => {
    if (from !== to) edges.set(`${from} ${to}`, { from, to });
  };
  /** By value: the nodes that a reader's edge starts from. */
  const sources = new Map<number, string[]>();
  const features = new Map<string, string>();
  for (const { name, stage, shape, dtype } of plan.features) {
    if (!plan.values.some(({ home }) => featuresOf(home).includes(name))) continue;
    const id = `feature ${name}`;
    features.set(name, id);
    const size = `[${shape.join(", ")}]`;
    nodes.push(bare({ id, kind: "feature", stage, title: name, shape: size, footer: `${dtype}${size}` }));
  }
  for (const { id, home } of plan.values) {
    sources.set(
      id,
      featuresOf(home).flatMap((name) => features.get(name) ?? []),
    );
  }
  const kernels = allKernels(plan);
  for (const kernel of kernels) {
    nodes.push(kernelNode(kernel, graph, masks));
    for (const { value, access } of kernel.buffers) {
      if (access !== "write") continue;
      const { home, name, shape, unit } = plan.values[value];
      if (home.kind !== "kept") {
        sources.get(value)?.push(kernel.name);
        continue;
      }
      const id = `kept ${value}`;
      const size = `[${shape.slice(1).join(", ")}]`;
      const footer = `${size}  ${bytes(unit * ELEMENT_BYTES)} a request`;
      const path = graph.nodes[plan.values[value].node ?? -1]?.path ?? name;
      nodes.push({
        ...bare({ id, kind: "kept", stage: "user", title: path, shape: size, footer }),
        path,
      });
      connect(kernel.name, id);
      sources.set(value, [id]);
    }
  }
  for (const kernel of kernels) {
    for (const { value, access } of kernel.buffers) {
      if (access !== "read") continue;
      for (const from of sources.get(value) ?? []) {
        // Within its own stage a kept value is read where it was written.
        const direct = kernel.stage === "user" && from.startsWith("kept ");
        if (!direct) connect(from, kernel.name);
        else for (const writer of writersOf(kernels, value)) connect(writer, kernel.name);
      }
    }
  }
  for (const output of plan.outputs.filter(isScore)) {
    const id = `task ${output.task}`;
    const size = `[${output.shape.join(", ")}]`;
    const footer = output.shape.length === 0 ? "a score" : size;
    nodes.push(bare({ id, kind: "task", stage: "item", title: output.task, shape: size, footer }));
    for (const writer of writersOf(kernels, output.value)) connect(writer, id);
  }
  return { name: plan.name, nodes, edges: [...edges.values()] };
}

/** A node of one line. */
function bare(node: Pick<SceneNode, "id" | "kind" | "stage" | "title" | "shape" | "footer">): SceneNode {
  return { ...node, lines: [], tip: node.title, anchor: false, path: "" };
}

function writersOf(kernels: readonly TileKernel[], value: number): string[] {
  return kernels
    .filter((k) => k.buffers.some((b) => b.value === value && b.access === "write"))
    .map((k) => k.name);
}

/** The features whose data a value of the plan is. */
function featuresOf(home: Plan["values"][number]["home"]): readonly string[] {
  if (home.kind === "input") return [home.feature];
  if (home.kind === "rows") return home.features;
  return home.kind === "kept" && home.feature !== undefined ? [home.feature] : [];
}

function kernelNode(kernel: TileKernel, graph: Graph, masks: readonly ConstantMask[]): SceneNode {
  const { flops, bytes: moved, fused } = kernel.about;
  const path = graph.nodes[kernel.roots[0] ?? -1]?.path ?? kernel.name;
  const lines = linesOf(fused, masks);
  const shown = lines.length > MOST_LINES ? foldLines(lines) : lines;
  const batch = kernel.stage === "load" ? "" : kernel.stage === "user" ? " a request" : " a candidate";
  const extents = graph.nodes[kernel.roots[0] ?? -1]?.type.shape.filter((s) => typeof s === "number") ?? [];
  const shape = `[${extents.join(", ")}]`;
  return {
    id: kernel.name,
    kind: "kernel",
    stage: kernel.stage,
    title: path,
    lines: shown,
    shape,
    anchor: kernel.body.some((s) => s.kind !== "let" && s.kind !== "store"),
    footer: `${shape}  ${figure(flops)} FLOPs${batch}`,
    tip: [
      kernel.name,
      ...fused,
      `${figure(flops)} FLOPs${batch}; ${bytes(moved.fixed)} a call and ${bytes(moved.perRow)}${batch}`,
    ].join("\n"),
    path,
  };
}

/** `a.b: einsum`, `a.b: add` become `a.b: einsum, add`; ops without a name of their own are left to the tip. */
function linesOf(fused: readonly string[], masks: readonly ConstantMask[]): SceneLine[] {
  const groups: { path: string; ops: string[]; before: boolean }[] = [];
  for (const line of fused) {
    const before = line.startsWith("reads through ");
    const [path, op] = line.replace("reads through ", "").split(": ");
    if (path === undefined || op === undefined) continue;
    const last = groups.at(-1);
    if (last && last.path === path && last.before === before) {
      if (!last.ops.includes(op)) last.ops.push(op);
    } else groups.push({ path, ops: [op], before });
  }
  return groups.map(({ path, ops, before }): SceneLine => {
    const mask = masks.find((m) => m.path === path);
    // Where the mask keeps everything, nothing but a view is left of it.
    if (mask && ops.some((op) => op !== "view")) return { text: `${path}: ${mask.text}`, kind: "mask" };
    const text = `${path}: ${ops.map((op) => op.replaceAll("_", " ")).join(", ")}`;
    return { text, kind: ops.includes("where") && before ? "mask" : before ? "before" : "op" };
  });
}

/** Masks and the kernel's own ops stay; what is read through is counted. */
function foldLines(lines: readonly SceneLine[]): SceneLine[] {
  const important = lines.filter((l) => l.kind !== "before");
  const kept = important.slice(-(MOST_LINES - 1));
  return [{ text: `… ${lines.length - kept.length} more`, kind: "before" }, ...kept];
}
