/**
 * @file Reads the text of a Graph (`print.ts`). The text is the compiler's own, so a mistake in it is an internal
 * error that names the line.
 */
import type { DType, Extent, ScalarFn } from "./expr.ts";
import type {
  FeatureInfo,
  Graph,
  Init,
  Node,
  Op,
  Operand,
  Origin,
  Output,
  ParamInfo,
  Precision,
  RowRange,
  Storage,
} from "./graph.ts";
import { parseMap } from "./indexmap.ts";
import { scalarFns } from "./scalar.ts";
import { parseStage } from "./stage.ts";
import { storageElements } from "./storage.ts";

export function parseGraph(text: string): Graph {
  let name = "";
  let serve = { requests: 0, candidates: 0 };
  let compute: Precision["compute"] = "f32";
  const parts: Precision["parts"][number][] = [];
  const derived: Precision["derived"][number][] = [];
  const params: ParamInfo[] = [];
  const features: FeatureInfo[] = [];
  const nodes: Node[] = [];
  const outputs: Output[] = [];
  for (const [number, content] of text.split("\n").entries()) {
    if (content.trim() === "") continue;
    const line = new Line(content, number + 1);
    if (line.accept("%")) nodes.push(readNode(line));
    else {
      const keyword = line.word();
      if (keyword === "graph") name = line.string();
      else if (keyword === "serve") serve = readServe(line);
      else if (keyword === "compute") {
        if (line.peek('"')) parts.push({ pattern: line.string(), compute: readCompute(line.expect("=")) });
        else compute = readCompute(line);
      } else if (keyword === "derived")
        derived.push({ path: line.string(), storage: readStorage(line.expect("=")), ...readInputs(line) });
      else if (keyword === "param") params.push(readParam(line));
      else if (keyword === "feature") features.push(readFeature(line));
      else if (keyword === "output") outputs.push(readOutput(line));
      else line.fail(`no line begins with '${keyword}'`);
    }
    line.end();
  }
  return { name, nodes, params, features, outputs, precision: { compute, parts, derived }, serve };
}

/** One line, read from left to right; blanks between parts are skipped. */
class Line {
  readonly #text: string;
  readonly #number: number;
  #at = 0;

  constructor(text: string, number: number) {
    this.#text = text;
    this.#number = number;
  }

  fail(why: string): never {
    throw new Error(`internal: line ${this.#number} of a graph, column ${this.#at + 1}: ${why}`);
  }

  #skip(): void {
    while (this.#text[this.#at] === " ") this.#at++;
  }

  peek(text: string): boolean {
    this.#skip();
    return this.#text.startsWith(text, this.#at);
  }

  accept(text: string): boolean {
    if (!this.peek(text)) return false;
    this.#at += text.length;
    return true;
  }

  expect(text: string): this {
    if (!this.accept(text)) this.fail(`expected '${text}'`);
    return this;
  }

  #match(pattern: RegExp, what: string): string {
    this.#skip();
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found === null) this.fail(`expected ${what}`);
    this.#at = pattern.lastIndex;
    return found[0];
  }

  word(): string {
    return this.#match(/\w+/y, "a word");
  }

  number(): number {
    const text = this.#match(/-?(?:inf|nan|[\d.]+(?:e[+-]?\d+)?)/y, "a number");
    if (text === "nan") return Number.NaN;
    return Number(text.replace("inf", "Infinity"));
  }

  string(): string {
    return JSON.parse(this.#match(/"(?:[^"\\]|\\.)*"/y, "a string"));
  }

  /** Everything up to `stop`, which is taken too. */
  until(stop: string): string {
    this.#skip();
    const end = this.#text.indexOf(stop, this.#at);
    if (end < 0) this.fail(`expected '${stop}'`);
    const text = this.#text.slice(this.#at, end);
    this.#at = end + stop.length;
    return text;
  }

  /** `[a, b, …]`. */
  list<T>(item: () => T): T[] {
    const items: T[] = [];
    this.expect("[");
    if (this.accept("]")) return items;
    do items.push(item());
    while (this.accept(","));
    this.expect("]");
    return items;
  }

  /** A node's path: the rest of the line, but for an origin at its end. */
  path(): string {
    if (!this.accept("// ")) return "";
    return this.#match(/.*?(?= {2}@ "(?:[^"\\]|\\.)*" \d+:\d+$|$)/y, "a path");
  }

  end(): void {
    this.#skip();
    if (this.#at < this.#text.length) this.fail("expected the end of the line");
  }
}

function choose<T extends string>(line: Line, text: string, choices: readonly T[]): T {
  return (
    choices.find((choice) => choice === text) ??
    line.fail(`expected ${choices.join(" or ")}, found '${text}'`)
  );
}

const STAGES = ["load", "user", "item"] as const;

function readServe(line: Line): Graph["serve"] {
  const requests = line.expect("requests").expect("<=").number();
  return { requests, candidates: line.expect(",").expect("candidates").expect("<=").number() };
}

function readCompute(line: Line): Precision["compute"] {
  return choose(line, line.word(), ["f32", "f16", "bf16", "tf32"]);
}

function readStorage(line: Line): Storage {
  const element = choose(line, line.word(), storageElements);
  if (!line.accept("per ")) return { element };
  const group = line.accept("channel") ? undefined : line.expect("group(").number();
  if (group !== undefined) line.expect(")");
  const shared = line.expect("over").list(() => line.number());
  const symmetric = !line.accept("asymmetric");
  return { element, scale: { shared, ...(group !== undefined && { group }), symmetric } };
}

function readInputs(line: Line): Pick<ParamInfo, "inputs"> {
  return line.accept(", inputs") ? { inputs: choose(line, line.word(), storageElements) } : {};
}

function readInit(line: Line): Init {
  const kind = choose(line, line.word(), ["zeros", "ones", "normal", "xavier"]);
  if (kind === "zeros" || kind === "ones") return { kind };
  const value = line.expect(kind === "normal" ? "(std =" : "(scale =").number();
  line.expect(")");
  return kind === "normal" ? { kind, std: value } : { kind, scale: value };
}

function readOrigin(line: Line): { readonly origin?: Origin } {
  if (!line.accept("@")) return {};
  const file = line.string();
  const start = line.number();
  return { origin: { file, start, end: line.expect(":").number() } };
}

function readParam(line: Line): ParamInfo {
  const path = line.string();
  const shape = line.expect(":").list(() => line.number());
  const init = readInit(line.expect("="));
  const storage = readStorage(line.expect(","));
  const inputs = readInputs(line);
  const table = line.accept(", table");
  const training = line.accept(", training");
  return { path, shape, init, storage, ...inputs, table, training, ...readOrigin(line) };
}

function readFeature(line: Line): FeatureInfo {
  const name = line.string();
  const dtype = choose(line, line.expect(":").word(), ["f32", "i32"]);
  const shape = line.list(() => line.number());
  const stage = choose(line, line.word(), ["user", "item"]);
  const table = line.accept(", in ")
    ? { table: { path: line.string(), rows: line.expect("of").number() } }
    : {};
  if (table.table !== undefined) line.expect("rows");
  const length = line.accept(", length") ? { length: line.string() } : {};
  const lengthOf = line.accept(", at most") ? { lengthOf: { max: line.number() } } : {};
  return { name, dtype, shape, stage, ...table, ...length, ...lengthOf, ...readOrigin(line) };
}

function readExtent(line: Line): Extent {
  if (line.accept("R")) return "R";
  return line.accept("N") ? "N" : line.number();
}

function readOperand(line: Line): Operand {
  const id = line.expect("%").number();
  return line.accept("{") ? { id, map: parseMap(line.until("}")) } : { id };
}

function readOutput(line: Line): Output {
  const name = line.string();
  const shape = line.expect(":").list(() => line.number());
  const value = readOperand(line.expect("="));
  return { name, shape, value, ...(line.accept(", logit") ? { logit: readOperand(line) } : {}) };
}

function blocksOf(text: string | undefined): { readonly blocks?: readonly [number, number] } {
  const [k, n] = numbers(text ?? "");
  return k === undefined || n === undefined ? {} : { blocks: [k, n] };
}

/** `item program, layout 0 2 1, rows of %5 at 0 1 in groups 1 at most 8, kept)`: any part may be missing. */
function readHome(line: Line, text: string): Pick<Node, "program" | "layout" | "rows" | "keep"> {
  const [, program] = /^(\w+) program\b/.exec(text) ?? [];
  const [, order, blocks] = /\blayout ([\d ]*?)(?: blocks (\d+ \d+))?[,)]/.exec(text) ?? [];
  const rows = /\brows of %(\d+) at ([\d ]*) in groups ([\d ]*) at most (\d+)[,)]/.exec(text);
  const kept = /^[^=]*\bkept\)/.test(text);
  return {
    ...(kept ? { keep: true } : {}),
    ...(program === undefined ? {} : { program: choose(line, program, STAGES) }),
    ...(order === undefined ? {} : { layout: { order: numbers(order), ...blocksOf(blocks) } }),
    ...(rows === null
      ? {}
      : {
          rows: {
            gate: Number(rows[1]),
            axes: numbers(rows[2]),
            groups: numbers(rows[3]),
            most: Number(rows[4]),
          },
        }),
  };
}

function numbers(text: string): number[] {
  return text
    .split(" ")
    .filter((word) => word !== "")
    .map(Number);
}

function readNode(line: Line): Node {
  const id = line.number();
  const dtype: DType = choose(line, line.expect(":").word(), ["num", "i32", "bool"]);
  const shape = line.list(() => readExtent(line));
  const [stageText, homeText = ""] = line.until("=").split(" (");
  const home = readHome(line, homeText);
  const op = readOp(line, dtype);
  const inputs: Operand[] = [];
  if (line.accept("(")) {
    do inputs.push(readOperand(line));
    while (line.accept(","));
    line.expect(")");
  }
  const path = line.path();
  return {
    id,
    op,
    inputs,
    type: { shape, dtype },
    stage: parseStage(stageText, shape),
    ...home,
    path,
    ...readOrigin(line),
  };
}

const DATA = {
  num: (values: number[]) => Float64Array.from(values),
  i32: (values: number[]) => Int32Array.from(values),
  bool: (values: number[]) => Uint8Array.from(values),
};

function readRange(line: Line): RowRange {
  return { from: line.number(), to: line.expect("to").number() };
}

function readOp(line: Line, dtype: DType): Op {
  const kind = line.word();
  const named = (name: string): number => line.expect(name).number();
  switch (kind) {
    case "param":
      return { kind, path: line.string(), ...(line.accept("rows") && { rows: readRange(line) }) };
    case "feature":
      return { kind, name: line.string() };
    case "const":
      return { kind, value: line.number() };
    case "data":
      return { kind, values: DATA[dtype](line.list(() => readRun(line)).flat()) };
    case "pointwise":
      return { kind, fn: choose(line, line.word(), Object.keys(scalarFns) as ScalarFn[]) };
    case "concat":
    case "softmax":
    case "take":
      return { kind, axis: named("axis") };
    case "pad":
      return {
        kind,
        axis: named("axis"),
        before: named("before"),
        after: named("after"),
        fill: named("fill"),
      };
    case "einsum":
      return readEinsum(line);
    case "reduce": {
      const fn = choose(line, line.word(), ["sum", "mean", "max", "min"]);
      const axes = line.expect("axes").list(() => line.number());
      return { kind, fn, axes, keep: line.accept("keep") };
    }
    case "normalize":
    case "row_statistics":
      return { kind, norm: choose(line, line.word(), ["layer", "rms", "l2"]), eps: named("eps") };
    case "top_k_mask":
    case "top_k_index":
      return { kind, k: named("k"), axis: named("axis") };
    case "iota":
    case "view":
    case "lookup":
    case "by_request":
      return { kind };
    default:
      return line.fail(`no op is called '${kind}'`);
  }
}

function readRun(line: Line): number[] {
  const value = line.number();
  return new Array<number>(line.accept("*") ? line.number() : 1).fill(value);
}

function readEinsum(line: Line): Op {
  const [operands, out] = line.string().split("->");
  return { kind: "einsum", operands: operands.split(",").map(numbers), out: numbers(out) };
}
