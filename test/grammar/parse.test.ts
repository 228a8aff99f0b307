import { describe, expect, test } from "vitest";
import { RmxParser } from "../../grammar/parser/declarations.ts";
import { everyConstruct, library, wholeModel } from "./samples.ts";
import { codesOf, parseClean, parseText, show, statements } from "./tree.ts";

test("chevrotain finds no fault in the grammar", () => {
  expect(() => new RmxParser({ skipValidations: false })).not.toThrow();
});

describe("files", () => {
  test.each(Object.entries({ wholeModel, library, everyConstruct }))("%s parses", (_, text) => {
    expect(parseText(text).diagnostics).toEqual([]);
  });

  test("windows line ends give the same tree", () => {
    const kinds = (text: string) =>
      parseClean(text).items.map((item) => [item.kind, item.kind === "use" ? "" : item.doc]);
    expect(kinds(library.replaceAll("\n", "\r\n"))).toEqual(kinds(library));
    expect(parseText(wholeModel.replaceAll("\n", "\r\n")).diagnostics).toEqual([]);
  });

  test("an empty file and one of comments alone are files", () => {
    expect(parseClean("").items).toEqual([]);
    expect(parseClean("// nothing\n/* here */").comments.map((c) => c.style)).toEqual(["line", "block"]);
  });

  test("use", () => {
    const uses = parseClean('use std.rankmixer\nuse "./a/b.rmx"\n').items;
    expect(uses).toMatchObject([
      { kind: "use", std: true, path: "rankmixer" },
      { kind: "use", std: false, path: "./a/b.rmx" },
    ]);
  });

  test("documentation is the `///` lines right above", () => {
    const [a, b] = parseClean(
      "/// gone\n\n/// One.\n///   Two.\nblock a() -> [] {\n}\n// no\nblock b() -> [] {}\n",
    ).items;
    expect(a).toMatchObject({ doc: "One.\n  Two." });
    expect(b).toMatchObject({ doc: "" });
  });

  test("block headers", () => {
    const [block] = parseClean(
      "block f(x: [..., T, D], m: bool [Q], n: i32 [], k: int = 4, w: int[], b: bool, bs: bool[]) -> ([T], bool [Q]) {}",
    ).items;
    expect(block).toMatchObject({
      name: { name: "f" },
      params: [
        { name: { name: "x" }, type: { kind: "tensor", element: "num", shape: { open: true } } },
        { type: { kind: "tensor", element: "bool", shape: { open: false } } },
        { type: { kind: "tensor", element: "i32", shape: { dims: [] } } },
        { type: { kind: "value", base: "int", list: false }, default: { kind: "int", value: 4 } },
        { type: { kind: "value", base: "int", list: true } },
        { type: { kind: "value", base: "bool", list: false } },
        { type: { kind: "value", base: "bool", list: true } },
      ],
      results: [{ element: "num" }, { element: "bool" }],
    });
  });

  test("spans cover exactly the text", () => {
    const text = "model m {\n  task t = f(a) as b\n}";
    const [model] = parseClean(text).items;
    if (model?.kind !== "model") throw new Error("no model");
    const [task] = model.body;
    if (task?.kind !== "task") throw new Error("no task");
    const at = ({ span }: { span: { start: number; end: number } }) => text.slice(span.start, span.end);
    expect([at(model), at(task), at(task.name), at(task.value)]).toEqual([
      text,
      "task t = f(a) as b",
      "t",
      "f(a) as b",
    ]);
  });
});

describe("statements", () => {
  test("keywords are names where a name stands", () => {
    const words = [
      "user",
      "item",
      "table",
      "index",
      "label",
      "task",
      "loss",
      "param",
      "let",
      "if",
      "return",
      "repeat",
    ];
    for (const word of [
      ...words,
      "tokens",
      "serve",
      "precision",
      "in",
      "as",
      "of",
      "id",
      "block",
      "model",
      "use",
    ]) {
      const body = `${word} = f(${word}, ${word} = ${word}.${word})\n${word}, x = f(y) as ${word}\nlet ${word} = ${word}`;
      expect(
        statements(body).map((s) => s.kind),
        word,
      ).toEqual(["assign", "assign", "let"]);
    }
    expect(statements("user { user: id in table, item: f32 }\ntask task = task")).toMatchObject([
      { kind: "features", features: [{ name: { name: "user" } }, { name: { name: "item" } }] },
      { kind: "task", name: { name: "task" } },
    ]);
  });

  test("features", () => {
    const [user] = statements(
      "user { a: f32\n b: i32[2, 3], c: id in t\n d: ids[50] in t\n e: seq[9] of { v: id in t, w: i32 } }",
    );
    expect(user).toMatchObject({
      stage: "user",
      features: [
        { name: { name: "a" }, type: { kind: "dense", element: "f32", dims: [] } },
        { type: { kind: "dense", element: "i32", dims: [{ value: 2 }, { value: 3 }] } },
        { type: { kind: "id", table: { name: "t" } } },
        { type: { kind: "ids", max: { value: 50 }, table: { name: "t" } } },
        {
          type: {
            kind: "seq",
            max: { value: 9 },
            fields: [{ type: { kind: "id" } }, { type: { element: "i32" } }],
          },
        },
      ],
    });
  });

  test("table, param, label, loss", () => {
    expect(
      statements(
        "table t (rows = 10, dim = 4) = normal(std = 1)\nparam w: [T, 2] = zeros\nparam g: []\nlabel y: f32\nloss bce(y)",
      ),
    ).toMatchObject([
      {
        kind: "table",
        args: [{ name: { name: "rows" } }, { name: { name: "dim" } }],
        init: { kind: "call" },
      },
      {
        kind: "param",
        shape: { dims: [{ name: "T" }, { value: 2 }] },
        init: { kind: "ident", name: "zeros" },
      },
      { kind: "param", shape: { dims: [] } },
      { kind: "label", type: { kind: "dense" } },
      { kind: "loss", value: { kind: "call" } },
    ]);
  });

  test("tokens", () => {
    expect(statements("tokens x: [T, D] {\n a = f(u)\n b[T - 1] = g(v)\n}")).toMatchObject([
      { kind: "tokens", name: { name: "x" }, rows: [{ name: { name: "a" } }, { count: { kind: "binary" } }] },
    ]);
  });

  test("repeat, with the label of the loop and not of a call in its header", () => {
    expect(
      statements(
        "repeat 2 as l { x = f(x) }\nrepeat m in [a, b] as ms {\n}\nrepeat n(T) as k {}\nrepeat 3 {}",
      ),
    ).toMatchObject([
      { kind: "repeat", over: { value: 2 }, label: { name: "l" }, body: [{ kind: "assign" }] },
      { binding: { name: "m" }, over: { kind: "list" }, label: { name: "ms" }, body: [] },
      { over: { kind: "call", label: undefined }, label: { name: "k" } },
      { label: undefined },
    ]);
  });

  test("if, else if and else, the else on the next line too", () => {
    expect(statements("if a { x = 1 } else if b {\n y = 2\n}\nelse { z = 3 }")).toMatchObject([
      {
        kind: "if",
        // biome-ignore lint/suspicious/noThenProperty: the tree's name for the branch.
        then: [{ kind: "assign" }],
        elseIf: true,
        otherwise: [
          { kind: "if", elseIf: false, condition: { name: "b" }, otherwise: [{ targets: [{ name: "z" }] }] },
        ],
      },
    ]);
    expect(codesOf("if a { x = 1 } if b { y = 2 }")).toEqual(["RMX0013"]);
  });

  test("precision and serve", () => {
    const lines =
      'compute = bf16, compute "h.**" = f32\n"a" = int8 per channel\n"b" = int8 per group(64) inputs fp8_e4m3\nderived("c") = f16';
    expect(
      statements(`precision {\n${lines}\n}\nserve { requests <= 8, candidates <= 2 * n }`),
    ).toMatchObject([
      {
        lines: [
          { kind: "compute", type: "bf16", pattern: undefined },
          { kind: "compute", type: "f32", pattern: { value: "h.**" } },
          { kind: "store", derived: false, type: { kind: "int8", per: "channel" }, inputs: undefined },
          { type: { per: "group", size: { value: 64 } }, inputs: { kind: "plain", type: "fp8_e4m3" } },
          { derived: true, pattern: { value: "c" }, type: { type: "f16" } },
        ],
      },
      { entries: [{ name: { name: "requests" }, value: { value: 8 } }, { value: { kind: "binary" } }] },
    ]);
  });

  test("return and assignment of several values", () => {
    expect(statements("a, b = f(x)\nreturn a, b + 1")).toMatchObject([
      { targets: [{ name: "a" }, { name: "b" }] },
      { kind: "return", values: [{ name: "a" }, { kind: "binary" }] },
    ]);
  });
});

describe("line ends", () => {
  const continued = [
    ["an open bracket", "x = f(\n a,\n\n b\n)", "(call f a b)"],
    ["a trailing operator", "x = a +\n b", "(+ a b)"],
    ["a trailing operator and a comment", "x = a and // why not\n  // indeed\n b", "(and a b)"],
    [
      "a line that begins with a pipe",
      "x = a\n  // then\n  |> f()\n  |> g(b)",
      "(|> (|> a (call f)) (call g b))",
    ],
    ["a trailing equals sign", "x =\n  a", "a"],
    ["a comment over two lines", "x = a /* \n */ + b", "(+ a b)"],
  ] as const;
  test.each(continued)("%s continues a statement", (_, text, tree) => {
    const [statement, ...rest] = statements(text);
    expect(rest).toEqual([]);
    expect(statement?.kind === "assign" && show(statement.value)).toBe(tree);
  });

  test("a bracket that closes ends the line again", () => {
    expect(statements("x = f(\n a)\ny = [\n1,\n]\nz = 1")).toHaveLength(3);
  });
});
