/**
 * @file Storage types: in which number format a parameter, a derived value or an activation lies in memory, and which of its
 * elements share a scale. `codecs/` turns values into bytes of these types and back.
 *
 * A scale belongs to a *channel*: the elements that one output of the product sees, that is all indices of the axes that are
 * contracted where the value is used. A weight w[t, d, k] of `t d, t d k -> t k` shares a scale along d and has T·K of them; the
 * scale then leaves the sum and multiplies the product's result. A row of an embedding table shares one, since a lookup
 * reads rows. A *group* cuts the last shared axis into runs of n elements with a scale each: an outlier then spoils its
 * run alone, and the sum is scaled run by run.
 */
import type { Graph, Node } from "./graph.ts";
import { matchesPath } from "./pathpattern.ts";
import { maxLevel } from "./stage.ts";

export const storageElements = ["f32", "f16", "bf16", "int8", "fp8_e4m3", "fp8_e5m2"] as const;
export type StorageElement = (typeof storageElements)[number];

export const elementBytes: Readonly<Record<StorageElement, number>> = {
  f32: 4,
  f16: 2,
  bf16: 2,
  int8: 1,
  fp8_e4m3: 1,
  fp8_e5m2: 1,
};

export interface Scaling {
  /** The axes along which elements share a scale, ascending. */
  readonly shared: readonly number[];
  /** That many elements along the last shared axis share one (the last run may be shorter). Absent: all of them. */
  readonly group?: number;
  /** int8 without zero points: value = q · scale. False: value = (q − zero) · scale. */
  readonly symmetric: boolean;
}

/** int8 and fp8 have a `scale`, the others do not. */
export interface Storage {
  readonly element: StorageElement;
  readonly scale?: Scaling;
}

export const F32_STORAGE: Storage = { element: "f32" };

/** Formats too narrow to hold weights without a scale. */
export function needsScale(element: StorageElement): boolean {
  return elementBytes[element] === 1;
}

/** The shape of a value's scales and zero points: its own, with 1 (or the number of groups) in place of shared extents. */
export function scaleShape(shape: readonly number[], { shared, group }: Scaling): number[] {
  const last = shared.at(-1);
  return shape.map((extent, j) => {
    if (!shared.includes(j)) return extent;
    return j === last && group !== undefined ? Math.ceil(extent / group) : Math.min(extent, 1);
  });
}

/** Bytes of a value of this shape: its elements, and an f32 a scale with an int8 a zero point. No padding. */
export function storedBytes(shape: readonly number[], { element, scale }: Storage): number {
  const count = (extents: readonly number[]): number =>
    extents.reduce((product, extent) => product * extent, 1);
  const data = count(shape) * elementBytes[element];
  if (scale === undefined) return data;
  return data + count(scaleShape(shape, scale)) * (scale.symmetric ? 4 : 5);
}

/** As the `precision` block writes it. */
export function storageText({ element, scale }: Storage): string {
  if (element !== "int8" || scale === undefined) return element;
  const per = scale.group === undefined ? "per channel" : `per group(${scale.group})`;
  return `int8 ${per}${scale.symmetric ? "" : " asymmetric"}`;
}

export function sameStorage(a: Storage, b: Storage): boolean {
  if (a.element !== b.element) return false;
  const [p, q] = [a.scale, b.scale];
  if (p === undefined || q === undefined) return p === q;
  return (
    p.group === q.group &&
    p.symmetric === q.symmetric &&
    p.shared.length === q.shared.length &&
    p.shared.every((axis, i) => axis === q.shared[i])
  );
}

/** The name of the one f32 that is the calibrated scale of the activations multiplied with a parameter; 0 where nobody calibrated. */
export function inputScaleName(path: string): string {
  return `${path}.input_scale`;
}

const INPUT_SCALE = inputScaleName("");
const AND = ",";

/** The one scale of an activation that is multiplied with several parameters, as a parameter of the Graph: `largestScale` of theirs. */
export function sharedScaleName(paths: readonly string[]): string {
  return inputScaleName(paths.join(AND));
}

/** The opposite: of whose activations `name` is the scale; undefined where it is no such name. */
export function scaledBy(name: string): readonly string[] | undefined {
  return name.endsWith(INPUT_SCALE) ? name.slice(0, -INPUT_SCALE.length).split(AND) : undefined;
}

/** The largest of these parameters' calibrated scales, which is large enough for all; 0 where none has one. */
export function largestScale(
  paths: readonly string[],
  scaleOf: (path: string) => number | undefined,
): number {
  return paths.reduce((most, path) => Math.max(most, scaleOf(path) ?? 0), 0);
}

/** The paths of the load-stage values whose activations may have a calibrated scale, as parameters' may. */
export function scaledDerived({ precision }: Pick<Graph, "precision">): readonly string[] {
  return precision.derived.flatMap(({ path, inputs }) =>
    inputs !== undefined && needsScale(inputs) ? [path] : [],
  );
}

/** How a parameter or a load-stage value is stored; f32 for any other node. */
export function storageOf(graph: Graph, { id, op }: Node): Storage {
  if (op.kind !== "param") return derivedNodes(graph).get(id)?.storage ?? F32_STORAGE;
  return graph.params.find(({ path }) => path === op.path)?.storage ?? F32_STORAGE;
}

/** The type that a part of the model computes in, by its path; later lines win. */
export function computeOf(
  { compute, parts }: Graph["precision"],
  path: string,
): Graph["precision"]["compute"] {
  return parts.findLast(({ pattern }) => matchesPath(pattern, path))?.compute ?? compute;
}

/** The axes that a value's scales have: those that share none, and the one that is cut into groups. */
export function scaleAxes(rank: number, { shared, group }: Scaling): number[] {
  const cut = group === undefined ? undefined : shared.at(-1);
  return Array.from({ length: rank }, (_, j) => j).filter((j) => !shared.includes(j) || j === cut);
}

/**
 * The nodes whose values `derived(…)` lines store: of the load-stage nodes with the line's path, which a statement may have
 * several of, the last, which is the value that the statement binds.
 */
export function derivedNodes(graph: Graph): Map<number, Graph["precision"]["derived"][number]> {
  const lines = new Map(graph.precision.derived.map((line) => [line.path, line]));
  const found = new Map<string, number>();
  if (lines.size === 0) return new Map();
  const split = graph.nodes.some((node) => node.program !== undefined);
  for (const node of graph.nodes) {
    const load = split ? node.program === "load" : maxLevel(node.stage) <= 1;
    if (load && node.inputs.length > 0 && lines.has(node.path)) found.set(node.path, node.id);
  }
  return new Map(
    [...found].flatMap(([path, id]) => {
      const line = lines.get(path);
      return line === undefined ? [] : [[id, line] as const];
    }),
  );
}
