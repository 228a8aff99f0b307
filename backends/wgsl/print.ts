/**
 * @file Threads → WGSL. A table of spellings and a walk; layout was decided before. The text is the same, byte for byte,
 * whenever the program is the same.
 */
import { lineTable } from "../../src/ir/lines.ts";
import type { PrintedKernel } from "../../src/ir/plan.ts";
import type {
  Builtin,
  ThreadBinding,
  ThreadExpr,
  ThreadFn,
  ThreadProgram,
  ThreadStmt,
  ThreadType,
} from "../../src/ir/thread.ts";
import { constant } from "../../src/ir/thread.ts";
import type { TileStmt } from "../../src/ir/tile.ts";
import { ATOM, OPERATORS, shortest, type Text, UNARY, VECTOR_OPERATORS } from "../spelling.ts";
import type { Helper } from "./functions.ts";
import { helperName, helperText, isHelper } from "./functions.ts";

const BUILTINS: Readonly<Record<Exclude<Builtin, "workgroups">, string>> = {
  thread: "thread",
  workgroup: "group",
  subgroup: "subgroup",
  "call.rows": "call.rows",
  "call.from": "call.first",
  "call.to": "call.limit",
  "call.one": "call.one",
};

/** Functions of the language. */
const CALLS: Partial<Record<ThreadFn, string>> = {
  exp: "exp",
  sqrt: "sqrt",
  rsqrt: "inverseSqrt",
  abs: "abs",
  floor: "floor",
  sign: "sign",
  max: "max",
  min: "min",
  select: "select",
  subgroup_add: "subgroupAdd",
  subgroup_max: "subgroupMax",
  subgroup_min: "subgroupMin",
  subgroup_broadcast: "subgroupBroadcast",
  subgroup_shuffle: "subgroupShuffle",
};

export function typeName({ of, width }: ThreadType): string {
  return width === 1 ? of : `vec4<${of}>`;
}

export function printWgsl(program: ThreadProgram): PrintedKernel {
  return new Printer(program).print();
}

class Printer {
  private readonly program: ThreadProgram;
  private readonly helpers = new Map<string, Helper>();
  /** Bindings of groups of which single elements are read. */
  private readonly elements = new Set<number>();
  private subgroups = false;
  private matrices = false;
  /** The index of the subgroup is asked for. */
  private indexed = false;
  private infinity = false;
  /** Loops around the statement that is being printed. */
  private loops = 0;
  private readonly lines: string[] = [];
  /** For each line, the tile statement that it was made for. */
  private readonly made: (TileStmt | undefined)[] = [];

  constructor(program: ThreadProgram) {
    this.program = program;
  }

  print(): PrintedKernel {
    const { program } = this;
    this.block(program.body, "  ");
    const head: string[] = program.header.map((line) => `// ${line}`.trimEnd());
    if (this.matrices) head.push("enable chromium_experimental_subgroup_matrix;");
    if (program.bindings.some(({ element }) => element === "f16")) head.push("enable f16;");
    if (this.subgroups || this.indexed) head.push("enable subgroups;");
    if (program.trusted) head.push("diagnostic(off, subgroup_uniformity);");
    head.push(
      "",
      "struct Call { rows: i32, first: i32, limit: i32, one: i32 }",
      "",
      "@group(0) @binding(0) var<uniform> call: Call;",
    );
    program.bindings.forEach(({ name, access, element, width }, i) => {
      head.push(
        `@group(0) @binding(${i + 1}) var<storage, ${access}> ${name}: array<${typeName({ of: element, width })}>;`,
      );
    });
    for (const i of [...this.elements].sort((a, b) => a - b)) {
      const b = program.bindings[i] as ThreadBinding;
      // A parameter hides the binding of its name.
      const at = b.name === "i" ? "j" : "i";
      head.push(
        "",
        `fn ${elementName(b)}(${at}: i32) -> ${b.element} {`,
        `  return ${b.name}[u32(${at}) / 4][u32(${at}) % 4];`,
        "}",
      );
    }
    for (const { name, type, count } of program.shared) {
      head.push(`var<workgroup> ${name}: array<${typeName(type)}, ${count}>;`);
    }
    for (const [, helper] of [...this.helpers].sort(([a], [b]) => (a < b ? -1 : 1)))
      head.push("", ...helperText(helper));
    head.push(
      "",
      `@compute @workgroup_size(${program.workgroup})`,
      "fn main(",
      "  @builtin(local_invocation_index) thread_index: u32,",
      ...(this.indexed ? ["  @builtin(subgroup_id) subgroup_index: u32,"] : []),
      "  @builtin(workgroup_id) group_id: vec3<u32>,",
      "  @builtin(num_workgroups) groups: vec3<u32>,",
      ") {",
    );
    if (this.uses("thread")) head.push("  let thread = i32(thread_index);");
    if (this.indexed) head.push("  let subgroup = i32(subgroup_index);");
    head.push("  let group = i32(group_id.y * groups.x + group_id.x);");
    if (this.infinity) head.push("  let inf = bitcast<f32>(call.one * 0x7f800000);");
    return {
      name: program.name,
      stage: program.stage,
      language: "wgsl",
      text: `${[...head, ...this.lines, "}"].join("\n")}\n`,
      workgroup: program.workgroup,
      bindings: program.bindings.map(({ value, access }) => ({ value, access })),
      lines: lineTable(this.made, head.length),
    };
  }

  private uses(name: string): boolean {
    const word = new RegExp(`\\b${name}\\b`);
    return this.lines.some((line) => word.test(line));
  }

  private block(statements: readonly ThreadStmt[], indent: string): void {
    for (const statement of statements) this.statement(statement, indent);
  }

  private statement(s: ThreadStmt, indent: string): void {
    const out = (text: string): void => {
      this.lines.push(indent + text);
      this.made.push(s.of);
    };
    switch (s.kind) {
      case "comment":
        out(`// ${s.text}`);
        return;
      case "let":
        out(`let ${s.name} = ${this.text(s.value)};`);
        return;
      case "var": {
        // In a loop the zero is spelled out: Dawn's Vulkan backend sets an implicit one once, not every round.
        const zero = s.value === undefined || (s.value.kind === "const" && s.value.value === 0);
        const implicit = zero && this.loops === 0;
        const value = implicit ? "" : ` = ${this.text(s.value ?? constant(0, s.type))}`;
        out(`var ${s.name}: ${typeName(s.type)}${value};`);
        return;
      }
      case "assign":
        out(`${s.name} = ${this.text(s.value)};`);
        return;
      case "accumulate":
        out(`${s.name} += ${this.text(s.value)};`);
        return;
      case "for": {
        const { name } = s;
        const step =
          s.step.kind === "const" && s.step.value === 1 ? `${name}++` : `${name} += ${this.text(s.step)}`;
        out(`for (var ${name} = ${this.text(s.from)}; ${name} < ${this.text(s.to, 4)}; ${step}) {`);
        this.loops++;
        this.block(s.body, `${indent}  `);
        this.loops--;
        out("}");
        return;
      }
      case "if":
        if (s.body.length === 1 && s.body[0]?.kind === "return" && s.otherwise === undefined) {
          out(`if (${this.text(s.cond)}) { return; }`);
          return;
        }
        out(`if (${this.text(s.cond)}) {`);
        this.block(s.body, `${indent}  `);
        if (s.otherwise !== undefined) {
          out("} else {");
          this.block(s.otherwise, `${indent}  `);
        }
        out("}");
        return;
      case "store":
        out(
          s.component === undefined
            ? `${this.place(s.binding, s.index, s.value.type.width)} = ${this.text(s.value)};`
            : `${this.place(s.binding, s.index, 4)}.${"xyzw"[s.component]} = ${this.text(s.value)};`,
        );
        return;
      case "store_shared":
        out(`${s.array}[${this.text(s.index)}] = ${this.text(s.value)};`);
        return;
      case "mma":
        throw new Error(`internal: ${this.program.name} multiplies fragments, which WGSL does not have`);
      case "copy_async":
      case "commit_async":
      case "wait_async":
        throw new Error(`internal: ${this.program.name} copies asynchronously, which WGSL does not have`);
      case "mbarrier":
      case "bulk_load":
      case "wgmma":
      case "registers":
      case "cluster_barrier":
      case "counter":
        throw new Error(`internal: ${this.program.name} copies in bulk, which WGSL does not have`);
      case "matrix":
        this.matrices = true;
        out(this.matrix(s));
        return;
      case "block":
        out("{");
        this.block(s.body, `${indent}  `);
        out("}");
        return;
      case "barrier":
        out(s.storage ? "storageBarrier();" : "workgroupBarrier();");
        return;
      case "return":
        out("return;");
        return;
      default:
        s satisfies never;
    }
  }

  /** Matrix types name columns before rows. */
  private matrix(s: Extract<ThreadStmt, { kind: "matrix" }>): string {
    switch (s.action) {
      case "zero":
        return `var ${s.name} = subgroup_matrix_result<f32, ${s.shape.n}, ${s.shape.m}>();`;
      case "load": {
        const { m, n, k } = s.shape;
        const [type, order] =
          s.side === "left"
            ? [`subgroup_matrix_left<f32, ${k}, ${m}>`, "col_major"]
            : [`subgroup_matrix_right<f32, ${n}, ${k}>`, "row_major"];
        return `let ${s.name} = subgroupMatrixLoad<${type}, ${order}>(&${s.array}, u32(${this.text(s.index)}), ${s.stride});`;
      }
      case "multiply":
        return `${s.name} = subgroupMatrixMultiplyAccumulate(${s.left}, ${s.right}, ${s.name});`;
      case "store":
        return `subgroupMatrixStore<row_major>(&${s.array}, u32(${this.text(s.index)}), ${s.name}, ${s.stride});`;
    }
  }

  private text(e: ThreadExpr, least = 0): string {
    const { text, level } = this.expr(e);
    return level < least ? `(${text})` : text;
  }

  private expr(e: ThreadExpr): Text {
    switch (e.kind) {
      case "const":
        return this.constant(e.value, e.type);
      case "var":
        return { text: e.name, level: ATOM };
      case "builtin":
        this.indexed ||= e.name === "subgroup";
        if (e.name === "workgroups")
          throw new Error(`internal: ${this.program.name} asks for the number of workgroups`);
        return { text: BUILTINS[e.name], level: ATOM };
      case "vector":
        return { text: `${typeName(e.type)}(${e.args.map((a) => this.text(a)).join(", ")})`, level: ATOM };
      case "component":
        return { text: `${this.text(e.of, ATOM)}.${"xyzw"[e.at]}`, level: ATOM };
      case "load":
        return { text: this.read(e.binding, e.index, e.type.width), level: ATOM };
      case "shared":
        return { text: `${e.array}[${this.text(e.index)}]`, level: ATOM };
      case "matrices":
        throw new Error(`internal: ${this.program.name} loads fragments, which WGSL does not have`);
      case "call":
        return this.call(e.fn, e.args, e.type);
      default:
        return e satisfies never;
    }
  }

  private read(binding: number, index: ThreadExpr, width: 1 | 4): string {
    const b = this.program.bindings[binding];
    if (b === undefined || b.width === width || index.kind === "const")
      return this.place(binding, index, width);
    this.elements.add(binding);
    return `${elementName(b)}(${this.text(index)})`;
  }

  /** An element, or a group of four, of a binding. A single element of a binding of groups is a component. */
  private place(binding: number, index: ThreadExpr, width: 1 | 4): string {
    const b = this.program.bindings[binding];
    if (b === undefined) throw new Error(`internal: ${this.program.name} has no binding ${binding}`);
    if (b.width === width) return `${b.name}[${this.text(index)}]`;
    if (width === 4) throw new Error(`internal: ${b.name} is not bound as groups of four`);
    if (index.kind === "const") return `${b.name}[${Math.floor(index.value / 4)}].${"xyzw"[index.value % 4]}`;
    const at = this.text(index, ATOM);
    return `${b.name}[${at} / 4][${at} % 4]`;
  }

  private constant(value: number, { of, width }: ThreadType): Text {
    if (width === 4)
      return {
        text: `${typeName({ of, width })}(${this.constant(value, { of, width: 1 }).text})`,
        level: ATOM,
      };
    const level = value < 0 ? UNARY : ATOM;
    if (of === "bool") return { text: value === 0 ? "false" : "true", level: ATOM };
    if (of === "i32") return { text: String(value), level };
    if (of === "u32") return { text: `${value}u`, level: ATOM };
    const single = Math.fround(value);
    if (Number.isNaN(single)) throw new Error("internal: a constant is NaN");
    if (!Number.isFinite(single)) {
      this.infinity = true;
      return { text: single < 0 ? "-inf" : "inf", level };
    }
    const short = shortest(single);
    return { text: /[.e]/.test(short) ? short : `${short}.0`, level };
  }

  private call(fn: ThreadFn, args: readonly ThreadExpr[], type: ThreadType): Text {
    const operator = (type.width === 4 ? VECTOR_OPERATORS[fn] : undefined) ?? OPERATORS[fn];
    if (operator !== undefined) return this.binary(fn, operator, args);
    if (isHelper(fn)) {
      const of = args[0]?.type ?? type;
      const helper: Helper = { fn, of: of.of, width: of.width };
      const name = helperName(helper);
      this.helpers.set(name, helper);
      return { text: `${name}(${args.map((a) => this.text(a)).join(", ")})`, level: ATOM };
    }
    switch (fn) {
      case "neg":
        return { text: `-${this.text(args[0] as ThreadExpr, ATOM)}`, level: UNARY };
      case "not":
        return { text: `!${this.text(args[0] as ThreadExpr, ATOM)}`, level: UNARY };
      case "convert":
        return { text: `${typeName(type)}(${this.text(args[0] as ThreadExpr)})`, level: ATOM };
      default: {
        const name = CALLS[fn];
        if (name === undefined) throw new Error(`internal: ${fn} has no spelling in WGSL`);
        if (name.startsWith("subgroup")) this.subgroups = true;
        return { text: `${name}(${args.map((a) => this.text(a)).join(", ")})`, level: ATOM };
      }
    }
  }

  private binary(
    fn: ThreadFn,
    [symbol, level]: readonly [string, number],
    args: readonly ThreadExpr[],
  ): Text {
    const [a, b] = args as readonly [ThreadExpr, ThreadExpr];
    // Sums and products associate to the left; && and || too, but may not be mixed (nor & and |, whose operands may not even be
    // comparisons); the rest does not associate.
    const chain = fn === "and" || fn === "or";
    const strict = chain && a.type.width === 1 ? 3 : level >= 5 ? level : 5;
    const left = chain && a.kind === "call" && a.fn === fn ? this.expr(a).text : this.text(a, strict);
    return { text: `${left} ${symbol} ${this.text(b, chain ? strict : Math.max(level + 1, 5))}`, level };
  }
}

/** The function that reads one element of a binding of groups. */
function elementName(binding: ThreadBinding): string {
  return `${binding.name}_element`;
}
