import { describe, expect, it } from "vitest";
import { alikeKey } from "../../src/runtime/engine/alike.ts";

const kernel = (buffer: string, local: string, factor: number): string => `// ${buffer}: what it is
@group(0) @binding(1) var<storage, read_write> ${buffer}: array<vec4<f32>>;
fn main() {
  let ${local} = ${buffer}[0].x * ${factor}.0;
  ${buffer}[1].x = ${local};
}`;

describe("alikeKey", () => {
  it("is the same for texts that differ in declared names and comments", () => {
    expect(alikeKey(kernel("layers_0_w", "x", 2))).toBe(alikeKey(kernel("layers_1_w", "layers_1_w_at", 2)));
  });

  it("differs where anything else does", () => {
    const key = alikeKey(kernel("a", "b", 2));
    expect(alikeKey(kernel("a", "b", 3))).not.toBe(key);
    expect(alikeKey(kernel("a", "b", 2).replace("[1]", "[2]"))).not.toBe(key);
    expect(alikeKey(kernel("a", "b", 2).replace("a[1].x = b", "a[1].x = a[0].x"))).not.toBe(key);
  });

  it("tells a name from a component of the same spelling", () => {
    expect(alikeKey(kernel("a", "x", 2))).toBe(alikeKey(kernel("a", "y", 2)));
  });

  it("keeps apart two names where the other text has one", () => {
    const two = "let a = 1; let b = 2; let c = a + b;";
    expect(alikeKey(two)).not.toBe(alikeKey("let a = 1; let b = 2; let c = a + a;"));
  });
});
