import { describe, expect, test } from "vitest";
import { renderAll } from "../../grammar/render.ts";
import { elaborateText, pointed } from "./harness.ts";

const rendered = (text: string): string => {
  const { diagnostics, sources } = elaborateText(text);
  return renderAll(diagnostics, sources, { color: false });
};

describe("diagnostics", () => {
  test("a shape mismatch three calls deep shows the call, the binding and the calls around it", () => {
    const text = `block outer(x: [T, D]) -> [T, D] {
  return middle(x)
}
block middle(x: [T, D]) -> [T, D] {
  narrow = x[:, 0:6]
  return inner(x, narrow)
}
block inner(a: [T, D], b: [T, D]) -> [T, D] {
  return a + b
}
model m() {
  item { x: f32[4, 8] }
  y = outer(x)
  task score = sum(y)
}`;
    const result = elaborateText(text);
    expect(result.diagnostics).toHaveLength(1);
    const [found] = result.diagnostics;
    expect(found?.code).toBe("RMX0201");
    expect(pointed(result, found)).toBe("narrow");
    const seen = found?.secondary?.map(
      ({ span, message }) => `${text.slice(span.start, span.end)}: ${message}`,
    );
    expect(seen).toEqual([
      "x: `D` was bound to 8 here",
      "D: declared here",
      "middle(x): in this call of `middle`",
      "outer(x): in this call of `outer`",
    ]);
  });

  test("an error inside the library is shown at the user's call", () => {
    const result = elaborateText(`use std.rankmixer
model m() {
  item { x: f32[5, 12] }
  y = token_mixing(x)
  task score = sum(y)
}`);
    expect(result.diagnostics.map((d) => d.code)).toEqual(["RMX0204"]);
    const [found] = result.diagnostics;
    expect(found?.message).toContain("`h = 5` does not divide an axis of 12 elements");
    expect(pointed(result, found)).toBe("token_mixing(x)");
    expect(found?.secondary?.[0]?.span.file).toBe("std/rankmixer.rmx");
  });

  test("independent errors are all reported, consequences are not", () => {
    const result = elaborateText(`model m() {
  item { x: f32[4, 8] }
  a = tanh(xx)
  b = a + 1
  c = softmax(x, axis = 7)
  d = linear(x, out = 2, bais = false)
  task score = sum(b) + sum(c) + sum(d)
}`);
    expect(result.diagnostics.map((d) => [d.code, pointed(result, d)])).toEqual([
      ["RMX0101", "xx"],
      ["RMX0210", "7"],
      ["RMX0103", "bais"],
    ]);
    expect(result.diagnostics[2]?.help).toBe("did you mean `bias`?");
  });

  test("an error in a loop is reported once", () => {
    expect(
      elaborateText(`model m() {
  item { x: f32[4] }
  repeat 3 as layers {
    x = x + x[9]
  }
  task score = sum(x)
}`).diagnostics.map((d) => d.code),
    ).toEqual(["RMX0209"]);
  });

  test("names are checked in blocks that nothing calls", () => {
    const result = elaborateText(`block unused(x: [D]) -> [D] { return tahn(x) }
model m() {
  item { x: f32[4] }
  task score = sum(x)
}`);
    expect(result.diagnostics.map((d) => [d.code, d.help])).toEqual([["RMX0101", "did you mean `tanh`?"]]);
  });

  test("patterns are pointed into", () => {
    const result = elaborateText(`model m() {
  item { x: f32[4, 8] }
  task score = sum(einsum("t d, d k -> t k", x, x))
}`);
    expect(result.diagnostics.map((d) => [d.code, pointed(result, d)])).toEqual([["RMX0207", "d"]]);
    expect(result.diagnostics[0]?.message).toBe("`d` is 8 and 4");
  });

  test("the frame of a dimension that does not divide", () => {
    expect(
      rendered(`model m(D: int = 128, heads: int = 5) {
  item { x: f32[D] }
  task score = sum(rearrange(x, "(h e) -> h e", h = heads))
}`),
    ).toMatchInlineSnapshot(`
      "error[RMX0204]: \`h = 5\` does not divide an axis of 128 elements
       --> /project/m.rmx:3:34
        |
      3 |   task score = sum(rearrange(x, "(h e) -> h e", h = heads))
        |                              -   ^^^^^              ----- \`h\` is 5 here
        |                              |
        |                              [128]
      "
    `);
  });

  test("what a user wrote never throws", () => {
    for (const text of [
      "",
      "model m() {",
      "block b() -> [] { return b() }\nmodel m() { task t = b() }",
      "model m(T: int) { task t = T }",
    ]) {
      expect(elaborateText(text).graph).toBeUndefined();
    }
  });
});
