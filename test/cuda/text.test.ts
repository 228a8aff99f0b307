/** The form of the text: what it declares, how operators nest, which line stands for what. */
import { describe, expect, it } from "vitest";
import { printCuda } from "../../backends/cuda/print.ts";
import { lowerKernel } from "../../backends/lower/index.ts";
import { compileFor } from "../../src/compile.ts";
import { sourceOfLine } from "../../src/ir/lines.ts";
import { sm_80 } from "../../src/ir/profiles.ts";
import type { ThreadExpr, ThreadProgram, ThreadStmt } from "../../src/ir/thread.ts";
import {
  addI,
  BOOL,
  builtin,
  call,
  constant,
  divI,
  F32,
  I32,
  i32,
  remI,
  variable,
} from "../../src/ir/thread.ts";
import { withoutUnused } from "../../src/ir/unused.ts";
import { graphOfSpec } from "../support/zoo.ts";
import { translated } from "./hosttext.ts";

const program = (body: readonly ThreadStmt[]): ThreadProgram => ({
  name: "k",
  stage: "item",
  workgroup: 32,
  header: ["k (item stage)"],
  bindings: [
    { name: "x", value: 0, access: "read", element: "f32", width: 4 },
    { name: "y", value: 1, access: "read_write", element: "f32", width: 1 },
  ],
  shared: [{ name: "tile", type: { of: "f32", width: 1 }, count: 8 }],
  body,
});

const printed = (value: ThreadExpr): string => {
  const { text } = printCuda(program([{ kind: "store", binding: 1, index: i32(0), value }]));
  return /y\[0\] = (.*);/.exec(text)?.[1] ?? text;
};

describe("the text of a kernel", () => {
  it("includes nothing and takes its bindings in order, then the call", () => {
    const { text } = printCuda(program([{ kind: "return" }]));
    expect(text).not.toContain("#include");
    expect(text).toMatchInlineSnapshot(`
      "// k (item stage)

      struct rmxc_call { int rows, from, to, one; };

      static __shared__ float tile[8];

      extern "C" __global__ void __launch_bounds__(32, 1)
      k(
          const float4* __restrict__ x,
          float* __restrict__ y,
          rmxc_call call) {
        return;
      }
      "
    `);
  });

  it("nests operators as C++ binds them", () => {
    const a = variable("a", I32);
    const b = variable("b", I32);
    const less = (l: ThreadExpr, r: ThreadExpr): ThreadExpr => call("lt", BOOL, l, r);
    expect(printed(divI(addI(a, b), i32(8)))).toBe("(a + b) >> 3");
    expect(printed(remI(a, i32(8)))).toBe("a & 7");
    expect(printed(addI(remI(a, i32(8)), i32(1)))).toBe("(a & 7) + 1");
    expect(printed(divI(a, i32(6)))).toBe("a / 6");
    expect(printed(call("sub", I32, a, call("sub", I32, a, b)))).toBe("a - (a - b)");
    const or = call("or", BOOL, less(a, b), less(b, a));
    expect(printed(call("and", BOOL, or, less(a, b)))).toBe("(a < b || b < a) && a < b");
    expect(printed(call("select", F32, constant(0, F32), constant(1, F32), less(a, b)))).toBe(
      "a < b ? 1.0f : 0.0f",
    );
    expect(printed(call("neg", I32, addI(a, b)))).toBe("-(a + b)");
  });

  it("has a form for every constant", () => {
    expect(printed(constant(Number.NEGATIVE_INFINITY, F32))).toBe("__int_as_float(int(0xff800000u))");
    expect(printed(constant(0.1, F32))).toBe("0.1f");
    expect(printed(constant(1e-12, F32))).toBe("1e-12f");
    expect(printed(i32(-2147483648))).toBe("(-2147483647 - 1)");
  });

  it("leaves out what nothing uses, in every scope", () => {
    const a = variable("a", I32);
    const use: ThreadStmt = { kind: "store_shared", array: "tile", index: a, value: constant(1, F32) };
    const body: readonly ThreadStmt[] = [
      { kind: "let", name: "unused", value: builtin("thread") },
      { kind: "let", name: "a", value: builtin("thread") },
      { kind: "let", name: "only_for_b", value: a },
      { kind: "let", name: "b", value: variable("only_for_b", I32) },
      {
        kind: "if",
        cond: call("lt", BOOL, a, i32(4)),
        body: [{ kind: "let", name: "a", value: i32(7) }, use],
      },
      { kind: "block", body: [{ kind: "let", name: "a", value: i32(2) }] },
      use,
    ];
    const names = (statements: readonly ThreadStmt[]): string[] =>
      statements.flatMap((s) =>
        s.kind === "let" ? [s.name] : "body" in s ? [`{ ${names(s.body)} }`] : [s.kind],
      );
    expect(names(withoutUnused(body))).toEqual(["a", "{ a,store_shared }", "{  }", "store_shared"]);
  });

  it("says which statement of the tile program, and which place of the spec, a line is for", () => {
    const graph = graphOfSpec(`
model m {
  item { x: f32[6, 8] }
  param w: [6, 8, 5]
  task y = gelu(einsum("t d, t d k -> t k", x, w)) as y
}`);
    const { plan } = compileFor(graph, sm_80);
    const kernel = plan.kernels.item.at(-1);
    if (kernel === undefined) throw new Error("no kernel");
    const { text, lines } = printCuda(lowerKernel(kernel, plan));
    const all = text.split("\n");
    const sourceOf = (pattern: RegExp) => {
      const line = all.findLastIndex((l) => pattern.test(l)) + 1;
      expect(line).toBeGreaterThan(0);
      return sourceOfLine(kernel, plan.values, lines, line);
    };
    const product = sourceOf(/ \+= .*\*/);
    expect(product.program).toBe(kernel.name);
    expect(product.statement).toMatch(/= dot over/);
    expect(sourceOf(/gelu_f32x?4?\(.*\);$/).statement).toMatch(/gelu/);
    expect(sourceOf(/const int group/).statement).toBeUndefined();
    expect(product.origin?.file).toBe("/project/m.rmx");
    for (const { first, last } of lines) expect(first).toBeLessThanOrEqual(last);
    expect(lines.at(-1)?.last).toBeLessThanOrEqual(all.length);
  });
});

describe("PTX for the host", () => {
  it("becomes a call of its instruction, operands in the order of the template", () => {
    const text = `asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1}, [%2], 16;"
               : "=r"(m.x), "=r"(m.y)
               : "r"(at(row)) : "memory");`;
    expect(translated(text)).toBe("ptx::ldmatrix_sync_aligned_m8n8_x4_shared_b16(m.x, m.y, at(row), 16);");
  });
});
