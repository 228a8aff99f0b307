/**
 * @file A Graph as text, one line a node:
 *
 *   %12: num[16, 128] item except user [0:8, :] = einsum "0 1, 0 1 2 -> 0 2" (%7{(i0, i1: 16, 128) -> [i1, i0]}, %3)  // layers.0.ffn
 *
 * after header lines for sizes, precision, parameters and features, and before the outputs. Golden files hold this text; `parse.ts`
 * reads it back. Origins (file and offsets) are left out unless asked for: a graph reads the same after a comment moves.
 */
import type {
  ActiveRows,
  FeatureInfo,
  Graph,
  Init,
  Node,
  Op,
  Operand,
  Origin,
  Output,
  ParamInfo,
  Storage,
  StorageElement,
} from "./graph.ts";
import { printMap } from "./indexmap.ts";
import { printStage } from "./stage.ts";

export { parseGraph } from "./parse.ts";

export interface PrintOptions {
  /** Append `@ "file" start:end` to what has an origin; the text then holds all of the Graph. */
  readonly origins?: boolean;
}

export function printGraph(graph: Graph, options: PrintOptions = {}): string {
  const line = (text: string, origin: Origin | undefined, comment = ""): string =>
    `${text}${comment === "" ? "" : `  // ${comment}`}${options.origins && origin ? `  @ ${printOrigin(origin)}` : ""}`;
  const header = [
    `graph ${quote(graph.name)}`,
    `serve requests <= ${graph.serve.requests}, candidates <= ${graph.serve.candidates}`,
    ...printPrecision(graph),
    ...graph.params.map((param) => line(printParam(param), param.origin)),
    ...graph.features.map((feature) => line(printFeature(feature), feature.origin)),
  ];
  const nodes = graph.nodes.map((node) => line(printNode(node), node.origin, node.path));
  return `${[...header, "", ...nodes, "", ...graph.outputs.map(printOutput)].join("\n")}\n`;
}

const quote = (text: string): string => JSON.stringify(text);

function printOrigin({ file, start, end }: Origin): string {
  return `${quote(file)} ${start}:${end}`;
}

function printPrecision({ precision }: Graph): string[] {
  return [
    `compute ${precision.compute}`,
    ...precision.parts.map((part) => `compute ${quote(part.pattern)} = ${part.compute}`),
    ...precision.derived.map(
      (part) => `derived ${quote(part.path)} = ${printStorage(part.storage)}${printInputs(part.inputs)}`,
    ),
  ];
}

/** `int8 per group(32) over [1] asymmetric`: the axes are those that share a scale. */
function printStorage({ element, scale }: Storage): string {
  if (scale === undefined) return element;
  const per = scale.group === undefined ? "channel" : `group(${scale.group})`;
  return `${element} per ${per} over [${scale.shared.join(", ")}]${scale.symmetric ? "" : " asymmetric"}`;
}

function printInputs(inputs: StorageElement | undefined): string {
  return inputs === undefined ? "" : `, inputs ${inputs}`;
}

function printInit(init: Init): string {
  switch (init.kind) {
    case "zeros":
    case "ones":
      return init.kind;
    case "normal":
      return `normal(std = ${printNumber(init.std)})`;
    case "xavier":
      return `xavier(scale = ${printNumber(init.scale)})`;
    default:
      return init satisfies never;
  }
}

function printParam(param: ParamInfo): string {
  const facts = [
    printStorage(param.storage),
    ...(param.inputs === undefined ? [] : [`inputs ${param.inputs}`]),
    ...(param.table ? ["table"] : []),
    ...(param.training ? ["training"] : []),
  ];
  return `param ${quote(param.path)}: [${param.shape.join(", ")}] = ${printInit(param.init)}, ${facts.join(", ")}`;
}

function printFeature(feature: FeatureInfo): string {
  const facts = [
    ...(feature.table === undefined ? [] : [`in ${quote(feature.table.path)} of ${feature.table.rows} rows`]),
    ...(feature.length === undefined ? [] : [`length ${quote(feature.length)}`]),
    ...(feature.lengthOf === undefined ? [] : [`at most ${feature.lengthOf.max}`]),
  ];
  const head = `feature ${quote(feature.name)}: ${feature.dtype}[${feature.shape.join(", ")}] ${feature.stage}`;
  return [head, ...facts].join(", ");
}

function printNode(node: Node): string {
  const facts = [
    ...(node.program === undefined ? [] : [`${node.program} program`]),
    ...(node.layout === undefined
      ? []
      : [
          `layout ${node.layout.order.join(" ")}${node.layout.blocks === undefined ? "" : ` blocks ${node.layout.blocks.join(" ")}`}`,
        ]),
    ...(node.rows === undefined ? [] : [printRows(node.rows)]),
    ...(node.keep ? ["kept"] : []),
  ];
  const home = facts.length === 0 ? "" : ` (${facts.join(", ")})`;
  const operands = node.inputs.length === 0 ? "" : ` (${node.inputs.map(printOperand).join(", ")})`;
  const { dtype, shape } = node.type;
  return `%${node.id}: ${dtype}[${shape.join(", ")}] ${printStage(node.stage)}${home} = ${printOp(node.op)}${operands}`;
}

/** `rows of %5 at 0 1 2 in groups 1 2 at most 8`. */
function printRows({ gate, axes, groups, most }: ActiveRows): string {
  return `rows of %${gate} at ${axes.join(" ")} in groups ${groups.join(" ")} at most ${most}`;
}

export function printOperand({ id, map }: Operand): string {
  return map === undefined ? `%${id}` : `%${id}{${printMap(map)}}`;
}

/** The op and its attributes, without operands: `reduce mean axes [0]`. */
export function printOp(op: Op): string {
  switch (op.kind) {
    case "param":
      return `param ${quote(op.path)}${op.rows ? ` rows ${op.rows.from} to ${op.rows.to}` : ""}`;
    case "feature":
      return `feature ${quote(op.name)}`;
    case "const":
      return `const ${printNumber(op.value)}`;
    case "data":
      return `data [${printRuns(op.values)}]`;
    case "pointwise":
      return `pointwise ${op.fn}`;
    case "concat":
    case "softmax":
    case "take":
      return `${op.kind} axis ${op.axis}`;
    case "pad":
      return `pad axis ${op.axis} before ${op.before} after ${op.after} fill ${printNumber(op.fill)}`;
    case "einsum":
      return `einsum "${op.operands.map((labels) => labels.join(" ")).join(", ")} -> ${op.out.join(" ")}"`;
    case "reduce":
      return `reduce ${op.fn} axes [${op.axes.join(", ")}]${op.keep ? " keep" : ""}`;
    case "normalize":
    case "row_statistics":
      return `${op.kind} ${op.norm} eps ${printNumber(op.eps)}`;
    case "top_k_mask":
    case "top_k_index":
      return `${op.kind} k ${op.k} axis ${op.axis}`;
    case "iota":
    case "view":
    case "lookup":
    case "by_request":
      return op.kind;
    default:
      return op satisfies never;
  }
}

/** Shortest digits that read back as the same number; `inf`, `-inf`, `nan`. */
function printNumber(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (Object.is(value, -0)) return "-0";
  return Number.isFinite(value) ? String(value) : value > 0 ? "inf" : "-inf";
}

/** Equal neighbours as `value*count`: masks are long and made of few runs. */
function printRuns(values: ArrayLike<number>): string {
  const runs: string[] = [];
  for (let i = 0; i < values.length; ) {
    let end = i + 1;
    while (end < values.length && Object.is(values[end], values[i])) end++;
    runs.push(end - i === 1 ? printNumber(values[i]) : `${printNumber(values[i])}*${end - i}`);
    i = end;
  }
  return runs.join(", ");
}

function printOutput({ name, shape, value, logit }: Output): string {
  const tail = logit === undefined ? "" : `, logit ${printOperand(logit)}`;
  return `output ${quote(name)}: [${shape.join(", ")}] = ${printOperand(value)}${tail}`;
}
