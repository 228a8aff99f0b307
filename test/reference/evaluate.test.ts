/** @file Stages and batches: what is evaluated how often, and how samples find each other. */
import { describe, expect, it } from "vitest";
import { sliceMap } from "../../src/ir/indexmap.ts";
import type { Tensor } from "../../src/ir/ops/tensor.ts";
import { Sketch } from "./support.ts";

const show = ({ shape, data }: Tensor): unknown => ({ shape, data: Array.from(data) });

describe("before split-stages", () => {
  it("load values have no batch axis, user values [R], item values [N]", () => {
    const s = new Sketch();
    const w = s.param("w", [2], [10, 20]);
    const u = s.feature("user", "u", [2], [1, 2, 3, 4]);
    const i = s.feature("item", "i", [], [5, 6, 7]);
    const uw = s.pointwise("mul", u, w);
    const all = s.pointwise("add", uw, i);
    const [load, user, item] = s.run([w, uw, all], { requests: 2, request: [1, 0, 1] });
    expect(show(load)).toEqual({ shape: [2], data: [10, 20] });
    expect(show(user)).toEqual({ shape: [2, 2], data: [10, 40, 30, 80] });
    expect(show(item)).toEqual({ shape: [3, 2], data: [35, 85, 16, 46, 37, 87] });
  });

  it("no candidates, no requests", () => {
    const s = new Sketch();
    const u = s.feature("user", "u", [2], []);
    const i = s.feature("item", "i", [2], []);
    const both = s.op({ kind: "einsum", operands: [[0], [0]], out: [] }, u, i);
    const [user, item] = s.run([u, both], { requests: 0, request: [] });
    expect(show(user)).toEqual({ shape: [0, 2], data: [] });
    expect(show(item)).toEqual({ shape: [0], data: [] });
  });

  it("the user rows of a mixed value come from the request, with candidates or without", () => {
    const s = new Sketch();
    const u = s.feature("user", "u", [1], [1, 2, 3]);
    const i = s.feature("item", "i", [1], [7, 8]);
    const mixed = s.op({ kind: "concat", axis: 0 }, u, i);
    const head = { id: s.builder.view(mixed, sliceMap([2], 0, 0, 1), "head").id };
    const twice = s.pointwise("add", head, head);
    expect(s.node(twice).stage.table).toEqual(Uint8Array.of(2));
    const [user, item] = s.run([twice, mixed], { requests: 3, request: [2, 0] });
    expect(show(user)).toEqual({ shape: [3, 1], data: [2, 4, 6] });
    expect(show(item)).toEqual({ shape: [2, 2], data: [3, 7, 1, 8] });
  });

  it("wanted operands are views", () => {
    const s = new Sketch();
    const i = s.feature("item", "i", [3], [1, 2, 3, 4, 5, 6]);
    const [last] = s.run([s.builder.through(i, sliceMap([3], 0, 2, 1))], { request: [0, 0] });
    expect(show(last)).toEqual({ shape: [2, 1], data: [3, 6] });
  });

  it("evaluates nothing that is not wanted", () => {
    const s = new Sketch();
    const w = s.param("w", [1], [1]);
    s.op({ kind: "lookup" }, s.param("t", [1, 1], [1]), s.ints([9], [1]));
    expect(s.value(w)).toEqual([1]);
    expect(s.reads.map(({ path }) => path)).toEqual(["w"]);
  });

  it("an override stands for the value, and what only it needed is left alone", () => {
    const s = new Sketch();
    const i = s.feature("item", "i", [3], [1, 3, 2, 4, 6, 5]);
    const mask = s.op({ kind: "top_k_mask", k: 1, axis: 0 }, i);
    const kept = s.pointwise("where", mask, i, s.data([0], [1]));
    const chosen: Tensor = { shape: [2, 3], dtype: "bool", data: [0, 0, 1, 1, 0, 0] };
    const [value] = s.run([kept], { request: [0, 0] }, { override: new Map([[mask.id, chosen]]) });
    expect(Array.from(value.data)).toEqual([0, 0, 2, 4, 0, 0]);
  });
});

describe("after split-stages", () => {
  it("binds R and N, and by_request hands each candidate its request's value", () => {
    const s = new Sketch();
    const u = s.feature("user", "u", [2], [1, 2, 3, 4], { batched: true });
    const i = s.feature("item", "i", [2], [10, 20, 30, 40, 50, 60], { batched: true });
    const mine = s.op({ kind: "by_request" }, u);
    expect(s.node(mine).type.shape).toEqual(["N", 2]);
    const dot = s.op(
      {
        kind: "einsum",
        operands: [
          [0, 1],
          [0, 1],
        ],
        out: [0],
      },
      mine,
      i,
    );
    s.programs.set(u.id, "user").set(i.id, "item").set(mine.id, "item").set(dot.id, "item");
    const [rows, scores] = s.run([mine, dot], { requests: 2, request: [1, 1, 0] });
    expect(show(rows)).toEqual({ shape: [3, 2], data: [3, 4, 3, 4, 1, 2] });
    expect(show(scores)).toEqual({ shape: [3], data: [30 + 80, 90 + 160, 50 + 120] });
    s.features.set("i", []);
    expect(show(s.run([dot], { requests: 2, request: [] })[0])).toEqual({ shape: [0], data: [] });
  });

  it("names the candidate whose index is outside", () => {
    const s = new Sketch();
    const ids = s.feature("item", "ids", [2], [0, 1, 1, 5], { dtype: "i32", batched: true });
    const rows = s.op({ kind: "lookup" }, s.param("t", [3, 1], [1, 2, 3]), ids);
    s.programs.set(ids.id, "item").set(rows.id, "item");
    expect(() => s.run([rows], { request: [0, 0] })).toThrow(
      "lookup reads index 5, which is outside [0, 3) for candidate 1",
    );
  });
});
