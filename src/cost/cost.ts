/**
 * @file What a model costs, by stage and by the model's own parts: parameters, floating-point operations, bytes moved.
 *
 * FLOPs are those of the ops of the final Graph by their own rules (`OpDef.flops`; a multiply and an add count one each), once
 * each however often a kernel repeats them, and of sparse experts those that can be active. Bytes are what each kernel must move
 * if it touches every element of its operands and results once. Nothing is run and no weight is read.
 *
 * Work is of one load, one request and one candidate; `callOf` gives that of a call.
 */
import { isAnchor } from "../../passes/fusion/groups.ts";
import { runPipeline } from "../../passes/pipeline.ts";
import type { Graph, Node, ParamInfo, Stage } from "../ir/graph.ts";
import { opDef } from "../ir/ops/index.ts";
import { bytesOf as heldBytes, type Plan } from "../ir/plan.ts";
import type { Profile } from "../ir/profile.ts";
import { storedBytes } from "../ir/storage.ts";
import { ElementBytes } from "./bytes.ts";
import type { Ceilings } from "./ceilings.ts";

export const stageNames = ["load", "user", "item"] as const satisfies readonly Stage[];

/** Work of one row: the load stage runs once, the user stage once a request, the item stage once a candidate. */
export interface Work {
  /** FLOPs of contractions, the products that matrix units compute. */
  readonly products: number;
  /** All other FLOPs: activations, norms, softmax, biases. */
  readonly other: number;
  /** Bytes that each row moves. */
  readonly rowBytes: number;
  /** Bytes that a call moves however many rows it has: weights. */
  readonly fixedBytes: number;
}

export type StageWork = Readonly<Record<Stage, Work>>;

/** A part of the model: what one label and everything below it costs. */
export interface Part {
  readonly label: string;
  /** Values of its parameters, tables and those for training alone apart. */
  readonly parameters: number;
  readonly tables: number;
  readonly work: StageWork;
  readonly parts: readonly Part[];
}

export interface ModelCost {
  readonly model: string;
  /** The whole model. */
  readonly root: Part;
  readonly training: number;
  /** Bytes of the parameters as they are stored, those for training alone apart. */
  readonly stored: { readonly dense: number; readonly tables: number };
  /** Bytes that the engine keeps of each request between the stages. */
  readonly keptBytes: number;
  /** In execution order, as the roofline takes them. */
  readonly kernels: readonly KernelCost[];
}

export interface KernelCost {
  readonly name: string;
  readonly stage: Stage;
  /** FLOPs a row, with what the kernel computes more than once. */
  readonly flops: number;
  readonly rowBytes: number;
  readonly fixedBytes: number;
}

/** The cost of an elaborated model as compiled for `profile`; without `reuse` all that a request determines runs for every candidate. */
export function costOf(graph: Graph, profile: Profile, { reuse = true } = {}): ModelCost {
  const compiled = runPipeline(graph, { profile, reuse });
  const root = new Tally("");
  for (const param of graph.params) if (!param.training) root.at(ownerOf(param.path)).declare(param);
  const elements = new ElementBytes(compiled.graph);
  for (const node of compiled.graph.nodes) countNode(compiled.graph, node, root, elements);
  const kernels = kernelCosts(compiled.graph, compiled.plan, root, elements);
  const serving = graph.params.filter((param) => !param.training);
  return {
    model: graph.name,
    root: root.part(),
    training: sizeOf(graph.params.filter((param) => param.training)),
    keptBytes: compiled.plan.values.reduce(
      (sum, value) => sum + (value.home.kind === "kept" ? heldBytes(value, value.unit) : 0),
      0,
    ),
    stored: {
      dense: bytesOf(serving.filter(({ table }) => !table)),
      tables: bytesOf(serving.filter(({ table }) => table)),
    },
    kernels,
  };
}

/** A part's sums while they grow, by label. */
class Tally {
  readonly label: string;
  readonly #work: Record<Stage, { -readonly [K in keyof Work]: number }> = {
    load: { products: 0, other: 0, rowBytes: 0, fixedBytes: 0 },
    user: { products: 0, other: 0, rowBytes: 0, fixedBytes: 0 },
    item: { products: 0, other: 0, rowBytes: 0, fixedBytes: 0 },
  };
  readonly #parts = new Map<string, Tally>();
  #parameters = 0;
  #tables = 0;

  constructor(label: string) {
    this.label = label;
  }

  /** The part that a path of labels leads to. */
  at(path: readonly string[]): Tally {
    const [label, ...rest] = path;
    if (label === undefined) return this;
    let part = this.#parts.get(label);
    if (part === undefined) {
      part = new Tally(label);
      this.#parts.set(label, part);
    }
    return part.at(rest);
  }

  declare(param: ParamInfo): void {
    if (param.table) this.#tables += sizeOf([param]);
    else this.#parameters += sizeOf([param]);
  }

  add(stage: Stage, work: Partial<Work>): void {
    for (const key of ["products", "other", "rowBytes", "fixedBytes"] as const)
      this.#work[stage][key] += work[key] ?? 0;
  }

  part(): Part {
    const parts = [...this.#parts.values()].map((tally) => tally.part()).filter(costsAnything);
    const own = { parameters: this.#parameters, tables: this.#tables, work: this.#work };
    const all = [own, ...parts];
    return {
      label: this.label,
      parameters: all.reduce((sum, { parameters }) => sum + parameters, 0),
      tables: all.reduce((sum, { tables }) => sum + tables, 0),
      work: mapStages((stage) => sumWork(all.map(({ work }) => work[stage]))),
      parts,
    };
  }
}

/** A feature's name, say, does not. */
function costsAnything({ parameters, tables, work }: Part): boolean {
  return (
    parameters + tables > 0 || stageNames.some((stage) => Object.values(work[stage]).some((each) => each > 0))
  );
}

/** A parameter belongs to the part that declares it; a table is a part of its own. */
function ownerOf(path: string): string[] {
  const labels = path.split(".");
  return labels.length === 1 ? labels : labels.slice(0, -1);
}

function countNode(graph: Graph, node: Node, root: Tally, elements: ElementBytes): void {
  const types = node.inputs.map(({ id, map }) => {
    const { type } = graph.nodes[id];
    return map === undefined ? type : { shape: map.out, dtype: type.dtype };
  });
  const flops =
    opDef(node.op.kind).flops(node.op, types, node.type, { R: 1, N: 1 }) * activeShare(graph, node);
  const part = root.at(labelsOf(node.path));
  const stage = node.program ?? "load";
  part.add(stage, isProduct(node) ? { products: flops } : { other: flops });
  // A lookup moves the rows that it reads, never the table.
  const table = node.op.kind === "lookup" ? tableRead(graph, node) : undefined;
  if (table !== undefined) part.add(stage, { rowBytes: perRow(node) * elements.ofParam(table) });
}

function isProduct({ op }: Node): boolean {
  return op.kind === "einsum" && op.operands.flat().some((label) => !op.out.includes(label));
}

/** The path of the table whose rows a lookup reads. */
function tableRead(graph: Graph, node: Node): string | undefined {
  const { op } = graph.nodes[node.inputs[0].id];
  if (op.kind !== "param") return undefined;
  return graph.params.find(({ path, table }) => table && path === op.path)?.path;
}

/** The share of a value's rows that sparse gates can leave to compute. */
function activeShare(graph: Graph, { rows }: Node): number {
  return rows === undefined ? 1 : rows.most / perRow(graph.nodes[rows.gate]);
}

/** Elements of one row of the batch axis. */
function perRow({ type }: Node): number {
  return type.shape.reduce(
    (product: number, extent) => product * (typeof extent === "number" ? extent : 1),
    1,
  );
}

function kernelCosts(graph: Graph, plan: Plan, root: Tally, elements: ElementBytes): KernelCost[] {
  const tables = new Set(graph.params.filter(({ table }) => table).map(({ path }) => path));
  const stored = new Set(stageNames.flatMap((stage) => plan.kernels[stage].flatMap(({ roots }) => roots)));
  return stageNames.flatMap((stage) =>
    plan.kernels[stage].map((kernel): KernelCost => {
      const path = kernel.roots.length === 0 ? "" : anchorOf(graph, kernel.roots[0], stored).path;
      let fixedBytes = 0;
      let rowBytes = 0;
      for (const { value } of kernel.buffers) {
        const { home, shape, unit } = plan.values[value];
        // What is read of a table is counted by its lookups.
        if (home.kind === "rows" || (home.kind === "param" && tables.has(home.path))) continue;
        // Of counters a kernel touches a word a tile.
        if (kernel.lowering.kind === "chain" && value === kernel.lowering.counters) continue;
        const moved = unit * elements.ofValue(plan.values[value]);
        if (shape.length > 0 && typeof shape[0] !== "number") rowBytes += moved;
        else fixedBytes += moved;
      }
      root.at(labelsOf(path)).add(stage, { fixedBytes, rowBytes });
      return { name: kernel.name, stage, flops: kernel.about.flops, rowBytes, fixedBytes };
    }),
  );
}

/** The contraction, reduction or norm that a kernel is about, of which `root` is what it stores at first; else that itself. */
function anchorOf(graph: Graph, root: number, stored: ReadonlySet<number>): Node {
  const seen = new Set<number>();
  const visit = (id: number): Node | undefined => {
    const node = graph.nodes[id];
    if (isAnchor(node)) return node;
    for (const input of node.inputs) {
      if (stored.has(input.id) || seen.has(input.id)) continue;
      seen.add(input.id);
      const found = visit(input.id);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return visit(root) ?? graph.nodes[root];
}

function labelsOf(path: string): string[] {
  return path === "" ? [] : path.split(".");
}

function sizeOf(params: readonly ParamInfo[]): number {
  return params.reduce((sum, { shape }) => sum + shape.reduce((product, extent) => product * extent, 1), 0);
}

function bytesOf(params: readonly ParamInfo[]): number {
  return params.reduce((sum, { shape, storage }) => sum + storedBytes(shape, storage), 0);
}

function sumWork(works: readonly Work[]): Work {
  const sum = (key: keyof Work): number => works.reduce((total, work) => total + work[key], 0);
  return {
    products: sum("products"),
    other: sum("other"),
    rowBytes: sum("rowBytes"),
    fixedBytes: sum("fixedBytes"),
  };
}

export function mapStages<T>(of: (stage: Stage) => T): Readonly<Record<Stage, T>> {
  return { load: of("load"), user: of("user"), item: of("item") };
}

/** How many rows the stages of one call have. */
export interface CallSize {
  readonly requests: number;
  readonly candidates: number;
}

export interface CallWork {
  readonly flops: number;
  readonly bytes: number;
}

/** FLOPs and bytes of a stage in a call of this size (of the load stage: of a load). */
export function stageCall(work: StageWork, stage: Stage, size: CallSize): CallWork {
  const { products, other, rowBytes, fixedBytes } = work[stage];
  const rows = rowsOf(stage, size);
  return { flops: (products + other) * rows, bytes: rows === 0 ? 0 : rowBytes * rows + fixedBytes };
}

/** FLOPs and bytes of a call: its user and its item stage. */
export function callOf(work: StageWork, size: CallSize): CallWork {
  const [user, item] = [stageCall(work, "user", size), stageCall(work, "item", size)];
  return { flops: user.flops + item.flops, bytes: user.bytes + item.bytes };
}

function rowsOf(stage: Stage, { requests, candidates }: CallSize): number {
  return stage === "load" ? 1 : stage === "user" ? requests : candidates;
}

/** Seconds that a stage takes at least, kernel after kernel at the ceilings, and whether memory or arithmetic is waited for. */
export function rooflineTime(cost: ModelCost, stage: Stage, size: CallSize, ceilings: Ceilings) {
  const rows = rowsOf(stage, size);
  let seconds = 0;
  let memory = 0;
  for (const kernel of cost.kernels) {
    if (kernel.stage !== stage || rows === 0) continue;
    const arithmetic = (kernel.flops * rows) / ceilings.flops;
    const moving = (kernel.rowBytes * rows + kernel.fixedBytes) / ceilings.bandwidth;
    seconds += Math.max(arithmetic, moving);
    if (moving > arithmetic) memory += moving;
  }
  return { seconds, boundBy: memory > seconds / 2 ? ("memory" as const) : ("arithmetic" as const) };
}
