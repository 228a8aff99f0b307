/**
 * @file Threads → CUDA-C. A table of spellings and a walk; layout was decided before. The text is the same, byte for byte, whenever
 * the program is the same, and includes no header, so that nvcc and every NVRTC take it as it is.
 *
 *     extern "C" __global__ void NAME(bindings in order …, rmxc_call call)
 *
 * A binding is a pointer to its elements or groups of four. No two values of a kernel overlap (plan-memory gives a slot away after the
 * last kernel that reads it), so all are `__restrict__`: loads may pass stores; but for what a kernel stores and copies by a tensor map. A workgroup is a block; blocks are numbered over both dimensions of the grid.
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
import { withoutUnused } from "../../src/ir/unused.ts";
import { ATOM, OPERATORS, shortest, type Text, UNARY, VECTOR_OPERATORS } from "../spelling.ts";
import { Functions, typeName } from "./functions.ts";
import { bulkLines, fixed, mapParameter, mapText } from "./hopper.ts";

const BUILTINS: Readonly<Record<Builtin, string>> = {
  thread: "thread",
  workgroup: "group",
  workgroups: "groups",
  subgroup: "(thread / 32)",
  "call.rows": "call.rows",
  "call.from": "call.from",
  "call.to": "call.to",
  "call.one": "call.one",
};

const TERNARY = 0;

export function printCuda(program: ThreadProgram): PrintedKernel {
  return new Printer(program).print();
}

class Printer {
  private readonly program: ThreadProgram;
  private readonly functions = new Functions();
  private readonly lines: string[] = [];
  /** For each line, the tile statement that it was made for. */
  private readonly made: (TileStmt | undefined)[] = [];

  constructor(program: ThreadProgram) {
    this.program = program;
  }

  print(): PrintedKernel {
    const { program } = this;
    // Compilers warn of what is declared and not used.
    this.block(withoutUnused(program.body), "  ");
    const head = program.header.map((line) => `// ${line}`.trimEnd());
    head.push(...(program.maps ?? []).map((map) => `// ${mapText(map)}`));
    head.push("", "struct rmxc_call { int rows, from, to, one; };");
    for (const { element } of program.bindings) this.functions.group(element);
    const { mbarriers = [], maps = [] } = program;
    const fixedMemory = program.shared.filter(({ dynamic }) => !dynamic);
    const dynamic = this.dynamicMemory();
    head.push(...this.functions.text());
    if (fixedMemory.length + mbarriers.length > 0 || dynamic.bytes > 0) head.push("");
    for (const { name, type, count } of fixedMemory)
      head.push(`static __shared__ ${typeName(type)} ${name}[${count}];`);
    for (const { name, count } of mbarriers)
      head.push(`static __shared__ unsigned long long ${name}[${count}];`);
    if (dynamic.bytes > 0) head.push("extern __shared__ uint4 launch_memory[];");
    // What some blocks store and others copy goes by two ways, its pointer and its map.
    const byMap = new Set(program.counters === undefined ? [] : maps.map(({ binding }) => binding));
    const parameters = [
      ...program.bindings.map((b, i) => parameter(b, !byMap.has(i))),
      "rmxc_call call",
      ...maps.map(mapParameter),
    ];
    head.push(
      "",
      `extern "C" __global__ void ${clusterOf(program)}__launch_bounds__(${program.workgroup}, 1)`,
      `${program.name}(`,
      ...parameters.map((text, i) => `    ${text}${i === parameters.length - 1 ? ") {" : ","}`),
    );
    if (this.uses("thread")) head.push("  const int thread = int(threadIdx.x);");
    if (this.uses("group")) head.push("  const int group = int(blockIdx.y * gridDim.x + blockIdx.x);");
    if (this.uses("groups")) head.push("  const int groups = int(gridDim.x * gridDim.y);");
    head.push(...dynamic.lines);
    return {
      name: program.name,
      stage: program.stage,
      language: "cuda",
      text: `${[...head, ...this.lines, "}"].join("\n")}\n`,
      workgroup: program.workgroup,
      ...(dynamic.bytes > 0 && { sharedBytes: dynamic.bytes }),
      ...(maps.length > 0 && {
        maps: maps.map(({ binding, element, axes }) => ({ binding, element, axes })),
      }),
      ...(program.counters && { counters: program.counters }),
      bindings: program.bindings.map(({ value, access }) => ({ value, access })),
      lines: lineTable(this.made, head.length),
    };
  }

  /** Arrays in the memory that a launch asks for, one behind the other from a multiple of 1024 bytes on. */
  private dynamicMemory(): { readonly bytes: number; readonly lines: readonly string[] } {
    const arrays = this.program.shared.filter(({ dynamic }) => dynamic);
    if (arrays.length === 0) return { bytes: 0, lines: [] };
    const lines = [`  uint4* const launch_tiles = ${fixed(this.functions, "at_1024")}(launch_memory);`];
    let groups = 0;
    for (const { name, count } of arrays) {
      lines.push(`  uint4* const ${name} = launch_tiles${groups === 0 ? "" : ` + ${groups}`};`);
      groups += count;
    }
    return { bytes: 16 * groups + 1024, lines };
  }

  private uses(name: string): boolean {
    const word = new RegExp(`\\b${name}\\b`);
    return this.lines.some((line) => word.test(line.replace(/\/\/.*/, "")));
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
        out(`const ${typeName(s.value.type)} ${s.name} = ${this.text(s.value)};`);
        return;
      case "var":
        out(`${typeName(s.type)} ${s.name} = ${this.text(s.value ?? constant(0, s.type))};`);
        return;
      case "assign":
        out(`${s.name} = ${this.text(s.value)};`);
        return;
      case "accumulate":
        this.functions.accumulate(s.value.type);
        out(`${s.name} += ${this.text(s.value)};`);
        return;
      case "for": {
        const { name } = s;
        const step =
          s.step.kind === "const" && s.step.value === 1 ? `${name}++` : `${name} += ${this.text(s.step)}`;
        const type = typeName(s.from.type);
        out(`for (${type} ${name} = ${this.text(s.from)}; ${name} < ${this.text(s.to, 4)}; ${step}) {`);
        this.block(s.body, `${indent}  `);
        out("}");
        return;
      }
      case "if":
        if (s.body.length === 1 && s.body[0]?.kind === "return" && s.otherwise === undefined) {
          out(`if (${this.text(s.cond)}) return;`);
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
        out(`${this.target(s.binding, s.index, s.value.type, s.component)} = ${this.text(s.value)};`);
        return;
      case "store_shared":
        out(`${s.array}[${this.text(s.index)}] = ${this.text(s.value)};`);
        return;
      case "mma": {
        const b = s.b.map((word) => this.text(word)).join(", ");
        out(`${this.functions.mma(s.format)}(${s.acc}, ${this.text(s.a)}, ${b});`);
        return;
      }
      case "copy_async": {
        const bytes = s.bytes === undefined ? [] : [this.text(s.bytes)];
        const copy = this.functions.warp(s.bytes === undefined ? "copy_async" : "copy_async_part");
        const to = `${s.array} + ${this.text(s.index, 5)}`;
        const from = `${groupsOf16(this.binding(s.binding))} + ${this.text(s.from, 5)}`;
        out(`${copy}(${[to, from, ...bytes].join(", ")});`);
        return;
      }
      case "commit_async":
        out(`${this.functions.warp("commit_async")}();`);
        return;
      case "wait_async":
        out(`${this.functions.waitAsync(s.pending)}();`);
        return;
      case "matrix":
        throw new Error(
          `internal: ${this.program.name} multiplies subgroup matrices, which CUDA-C does not have`,
        );
      case "block":
        out("{");
        this.block(s.body, `${indent}  `);
        out("}");
        return;
      case "barrier":
        if (s.threads === undefined) out("__syncthreads();");
        else out(`${fixed(this.functions, "bar_sync")}(${s.threads});`);
        return;
      case "mbarrier":
      case "bulk_load":
      case "wgmma":
      case "registers":
      case "cluster_barrier":
      case "counter": {
        const lines = bulkLines(
          s,
          this.functions,
          (e) => this.text(e, 5),
          (at) => this.binding(at),
        );
        for (const line of lines) out(line);
        return;
      }
      case "return":
        out("return;");
        return;
      default:
        s satisfies never;
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
        return { text: BUILTINS[e.name], level: ATOM };
      case "vector": {
        const parts = e.args.map((a) => this.text(a));
        const { of } = e.type;
        const text =
          parts.length === 1 ? `${this.functions.splat(of)}(${parts[0]})` : this.functions.make(of, parts);
        return { text, level: ATOM };
      }
      case "component":
        return { text: `${this.text(e.of, ATOM)}.${"xyzw"[e.at]}`, level: ATOM };
      case "load":
        return { text: this.place(e.binding, e.index, e.type), level: ATOM };
      case "shared":
        return { text: `${e.array}[${this.text(e.index)}]`, level: ATOM };
      case "matrices": {
        const load = this.functions.matrices(e.transposed);
        return { text: `${load}(${e.array} + ${this.text(e.index, 5)})`, level: ATOM };
      }
      case "call":
        return this.call(e.fn, e.args, e.type);
      default:
        return e satisfies never;
    }
  }

  private binding(at: number): ThreadBinding {
    const b = this.program.bindings[at];
    if (b === undefined) throw new Error(`internal: ${this.program.name} has no binding ${at}`);
    return b;
  }

  /** An element, a group of four, or 16 bytes (words of a binding of something else) of a binding. */
  private place(binding: number, index: ThreadExpr, { of, width }: ThreadType): string {
    const b = this.binding(binding);
    if (of === "u32" && width === 4) return `${groupsOf16(b)}[${this.text(index)}]`;
    if (b.width === width) return `${b.name}[${this.text(index)}]`;
    if (width === 4) throw new Error(`internal: ${b.name} is not bound as groups of four`);
    if (index.kind === "const") return `${b.name}[${Math.floor(index.value / 4)}].${"xyzw"[index.value % 4]}`;
    return `${elements(b)}[${this.text(index)}]`;
  }

  private target(
    binding: number,
    index: ThreadExpr,
    type: ThreadType,
    component: number | undefined,
  ): string {
    if (component === undefined) return this.place(binding, index, type);
    return `${this.place(binding, index, { ...type, width: 4 })}.${"xyzw"[component]}`;
  }

  private constant(value: number, { of, width }: ThreadType): Text {
    if (width === 4) {
      const scalar = this.constant(value, { of, width: 1 }).text;
      return { text: `${this.functions.splat(of)}(${scalar})`, level: ATOM };
    }
    const level = value < 0 ? UNARY : ATOM;
    if (of === "bool") return { text: value === 0 ? "false" : "true", level: ATOM };
    // The literal 2147483648 is no int.
    if (of === "i32")
      return value === -2147483648
        ? { text: "(-2147483647 - 1)", level: ATOM }
        : { text: String(value), level };
    if (of === "u32") return { text: `${value}u`, level: ATOM };
    const single = Math.fround(value);
    if (Number.isNaN(single)) throw new Error("internal: a constant is NaN");
    if (!Number.isFinite(single))
      return { text: `__int_as_float(${single < 0 ? "int(0xff800000u)" : "0x7f800000"})`, level: ATOM };
    const short = shortest(single);
    return { text: `${/[.e]/.test(short) ? short : `${short}.0`}f`, level };
  }

  private call(fn: ThreadFn, args: readonly ThreadExpr[], type: ThreadType): Text {
    const { functions } = this;
    const [a, b] = args as readonly [ThreadExpr, ThreadExpr];
    const wide = a.type.width === 4 || b?.type.width === 4;
    const operator = (wide ? VECTOR_OPERATORS[fn] : undefined) ?? OPERATORS[fn];
    if (operator !== undefined) return this.binary(fn, operator, a, b);
    const all = (): string => args.map((arg) => this.text(arg)).join(", ");
    switch (fn) {
      case "neg":
      case "not": {
        const symbol = fn === "neg" ? "-" : "!";
        functions.unary(symbol, a.type);
        return { text: symbol + this.text(a, ATOM), level: UNARY };
      }
      case "convert": {
        return { text: `${functions.convert(a.type, type.of)}(${this.text(a)})`, level: ATOM };
      }
      case "select": {
        if (type.width === 4) return { text: `${functions.select(type.of)}(${all()})`, level: ATOM };
        const cond = args[2] as ThreadExpr;
        const text = `${this.text(cond, 1)} ? ${this.text(b, 1)} : ${this.text(a, 1)}`;
        return { text, level: TERNARY };
      }
      case "pack_f16":
      case "pack_bf16":
      case "bits":
      case "round_tf32":
      case "fragment_row":
        return { text: `${functions.warp(fn)}(${all()})`, level: ATOM };
      case "pack_e4m3":
      case "pack_e5m2":
      case "pack_int8":
      case "transpose_bytes":
        return { text: `${functions.codes(fn)}(${all()})`, level: ATOM };
      case "pair_low":
      case "pair_high":
      case "pairs_int8_f16":
      case "pairs_int8_bf16":
      case "pairs_e4m3_f16":
      case "pairs_e4m3_bf16":
      case "pairs_e5m2_f16":
      case "pairs_e5m2_bf16":
        return { text: `${functions.pairs(fn)}(${all()})`, level: ATOM };
      case "unpack_int8":
      case "unpack_e4m3":
      case "unpack_e5m2":
      case "unpack_f16":
      case "unpack_bf16":
        return { text: `${functions.unpack(fn)}(${all()})`, level: ATOM };
      case "subgroup_shuffle":
      case "subgroup_add":
      case "subgroup_max":
      case "subgroup_min":
      case "subgroup_broadcast":
        return { text: `${functions.collective(fn, a.type)}(${all()})`, level: ATOM };
      default:
        return { text: `${functions.named(fn, a.type)}(${all()})`, level: ATOM };
    }
  }

  private binary(
    fn: ThreadFn,
    [symbol, level]: readonly [string, number],
    a: ThreadExpr,
    b: ThreadExpr,
  ): Text {
    const wide = a.type.width === 4 || b.type.width === 4;
    if (wide) this.functions.operator(fn, a.type, b.type);
    // Operands are not negative: a shift or a mask is the quotient or remainder, and has no sign to correct.
    const power = b.kind === "const" && !wide ? Math.log2(b.value) : Number.NaN;
    if (fn === "idiv" && Number.isInteger(power))
      return { text: `${this.text(a, UNARY)} >> ${power}`, level: 4 };
    if (fn === "irem" && Number.isInteger(power))
      return { text: `${this.text(a, UNARY)} & ${2 ** power - 1}`, level: 4 };
    if (fn !== "and" && fn !== "or") {
      // Few know how tightly >> and & bind, and compilers warn.
      const least = level === 4 ? UNARY : Math.max(level, 5);
      return {
        text: `${this.text(a, least)} ${symbol} ${this.text(b, Math.max(level + 1, least))}`,
        level,
      };
    }
    // A chain of && or of ||; one inside the other is in parentheses, for compilers warn where they are left out.
    const side = (e: ThreadExpr): string =>
      e.kind === "call" && e.fn === fn ? this.expr(e).text : this.text(e, wide ? ATOM : 3);
    const right = b.kind === "call" && b.fn === fn ? `(${this.expr(b).text})` : side(b);
    return { text: `${side(a)} ${symbol} ${right}`, level };
  }
}

function clusterOf({ cluster = 1 }: ThreadProgram): string {
  return cluster === 1 ? "" : `__cluster_dims__(${cluster}, 1, 1) `;
}

function parameter(b: ThreadBinding, alone: boolean): string {
  const type = typeName({ of: b.element, width: b.width });
  return `${b.access === "read" ? "const " : ""}${type}* ${alone ? "__restrict__ " : ""}${b.name}`;
}

/** A binding as groups of 16 bytes. */
function groupsOf16(b: ThreadBinding): string {
  if (b.element === "u32" && b.width === 4) return b.name;
  return `reinterpret_cast<${b.access === "read" ? "const " : ""}uint4*>(${b.name})`;
}

/** A binding of groups of four as single elements. */
function elements(b: ThreadBinding): string {
  const type = typeName({ of: b.element, width: 1 });
  return `reinterpret_cast<${b.access === "read" ? "const " : ""}${type}*>(${b.name})`;
}
