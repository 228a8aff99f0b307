/** @file Other names for the axes of a kernel: what two phases share has one name in both, what they do not share has two. */
import { axis, type Expr, substitute } from "../../src/ir/expr.ts";
import type { TileKernel, TileStmt } from "../../src/ir/tile.ts";

export function renameAxes(kernel: TileKernel, names: ReadonlyMap<string, string>): TileKernel {
  if (names.size === 0) return kernel;
  const name = (old: string): string => names.get(old) ?? old;
  const axes = new Map([...kernel.grid, ...kernel.inner].map((a) => [a.name, axis(name(a.name), a.extent)]));
  const e = (old: Expr): Expr => substitute(old, axes);
  const statement = (s: TileStmt): TileStmt => {
    switch (s.kind) {
      case "let":
        return { ...s, value: e(s.value) };
      case "reduce":
      case "moments":
        return { ...s, over: s.over.map(name), value: e(s.value) };
      case "store":
        return { ...s, over: s.over.map(name), index: s.index.map(e), value: e(s.value) };
      case "dot":
        return { ...s, m: name(s.m), n: name(s.n), k: name(s.k), a: e(s.a), b: e(s.b) };
      case "score": {
        const { gain, visible, segment } = s;
        return {
          ...s,
          m: name(s.m),
          n: name(s.n),
          j: name(s.j),
          k: name(s.k),
          a: e(s.a),
          b: e(s.b),
          weight: e(s.weight),
          v: e(s.v),
          ...(gain && { gain: e(gain) }),
          ...(visible && {
            visible: {
              ...(visible.from && { from: e(visible.from) }),
              ...(visible.to && { to: e(visible.to) }),
            },
          }),
          ...(segment && { segment: e(segment) }),
        };
      }
    }
  };
  return {
    ...kernel,
    grid: kernel.grid.map((a) => ({ ...a, name: name(a.name) })),
    inner: kernel.inner.map((a) => ({ ...a, name: name(a.name) })),
    body: kernel.body.map(statement),
  };
}
