import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { evaluate } from "../../backends/reference/evaluate.ts";
import { compileFor } from "../../src/compile.ts";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { drawnWeights } from "../../src/runtime/drawn.ts";
import { readVector, transpose } from "../support/vectors.ts";
import { expectAgrees, expectVector, F32_EXP, graphOfSpec, openZoo } from "../support/zoo.ts";

let device: WebGpuDevice;
beforeAll(async () => {
  device = await openZoo();
}, 60_000);
afterAll(() => device?.destroy());

/** A sequence of L events, merged K at a time; one global token of the user's, M − 1 of the candidate's. */
const model = (merge: string, encoder: string): string => `
use std.attention
use std.longer
model m(L: int = 12, K: int = 3, D: int = 4, M: int = 2, recent: int = 2, layers: int = 1) {
  user {
    hist: seq[L] of { item: f32[3], age: f32[2] }
    profile: f32[1, K * D]
  }
  item { target: f32[M - 1, K * D] }
  item_rows, real = last(hist.item, L)
  age_rows, same = last(hist.age, L)
  s = longer_tokens(item_rows, age_rows, D = D) as tokens
  m, merged = token_merge(s, real, size = K${merge}) as merge
  y = longer(m, merged, concat(profile, target), recent = recent, layers = layers, targets = M - 1${encoder}) as encoder
  task y = y
}`;

const SIZES = [
  { L: 9, K: 3, D: 4, M: 2, recent: 2, layers: 2 },
  { L: 5, K: 1, D: 6, M: 3, recent: 5, layers: 1 },
];

describe.each(SIZES)("LONGER, %o", (set) => {
  it("agrees with the reference, padding included", { timeout: 60_000 }, async () => {
    await expectAgrees(device, model("", ", heads = 2"), { set, tolerance: F32_EXP });
  });
});

describe("LONGER's options", () => {
  it.each([
    [", inner = false", ", heads = 1, causal_globals = false, sequence_sees = true"],
    [", heads = 2, norm = rms_norm, ffn = swiglu(ratio = 1.5)", ", pre = false, bias = false"],
  ])("%s%s", { timeout: 60_000 }, async (merge, encoder) => {
    await expectAgrees(device, model(merge, encoder), { tolerance: F32_EXP });
  });
});

describe("what the tokens see", () => {
  const mask = (text: string): number[][] => {
    const graph = graphOfSpec(
      `use std.longer\nmodel m() {\n item { x: f32 }\n task t = float(${text}) + 0 * x\n}`,
    );
    const [output] = graph.outputs;
    const inputs = { requests: 1, candidates: 1, request: [0], features: new Map([["x", [0]]]) };
    const params = drawnWeights(graph.params, { seed: 1 });
    const [value] = evaluate(graph, { ...inputs, params }, [output?.value ?? { id: -1 }]);
    const columns = value?.shape.at(-1) ?? 1;
    const data = Array.from(value?.data ?? []);
    return Array.from({ length: data.length / columns }, (_, i) =>
      data.slice(i * columns, (i + 1) * columns),
    );
  };

  it("a sequence token sees the past, a global token the sequence and the globals before it", () => {
    // Two recent of three sequence tokens, two globals.
    expect(mask("longer_mask(2, 3, 2)")).toEqual([
      [1, 1, 0, 0, 0],
      [1, 1, 1, 0, 0],
      [1, 1, 1, 1, 0],
      [1, 1, 1, 1, 1],
    ]);
    expect(mask("longer_mask(2, 3, 2, causal_globals = false, sequence_sees = true)")).toEqual([
      [1, 1, 0, 1, 1],
      [1, 1, 1, 1, 1],
      [1, 1, 1, 1, 1],
      [1, 1, 1, 1, 1],
    ]);
  });

  it("what stands before the candidate's tokens is computed once a request", () => {
    // Of keys and values an item kernel computes the target's row alone.
    const graph = graphOfSpec(model("", ", heads = 2, sequence_sees = true"));
    const shapes = compileFor(graph, device.profile)
      .plan.values.filter((value) => /_(k|v)_y/.test(value.name) && value.shape[0] === "N")
      .map((value) => value.shape[1]);
    expect(new Set(shapes)).toEqual(new Set([1]));
  });
});

it("an encoder computed elsewhere", { timeout: 60_000 }, async () => {
  const { weights, inputs, outputs } = readVector("longer");
  const text = `
use std.longer
use std.attention
model m {
  item {
    s_tokens: f32[8, 8]
    ns_tokens: f32[3, 8]
    mask: f32[8]
  }
  s = s_tokens * rearrange(mask, "l -> l 1")
  groups = rearrange(layer_norm(s) as inner_norm, "(g k) d -> g k d", k = 2)
  inner = rearrange(group_attention(groups, bias = false, project = false) as inner, "g k d -> g (k d)")
  m = feed_forward(inner, hidden = 32, out = 8, act = relu) as inner_ffn
  x = concat(s[5:], ns_tokens)
  n = layer_norm(concat(s[5:], ns_tokens, m)) as cross_norm
  keys = concat(n[6:], n[3:6])
  o = multi_head_attention(n[:6], keys, heads = 2, bias = false, project = false) as cross
  x = x + feed_forward(o, ratio = 2, act = relu) as cross_ffn
  repeat 2 as layers {
    u = layer_norm(x) as norm
    o = multi_head_attention(u, u, causal_tail(6, 6), heads = 2, bias = false, project = false) as self
    x = x + feed_forward(o, ratio = 2, act = relu) as ffn
  }
  task y = x
}`;
  const attention = (ours: string, theirs: string): (readonly [string, ReturnType<typeof weights>])[] =>
    ["q", "k", "v"].map((name) => [`${ours}.${name}.w`, transpose(weights(`${theirs}.W_${name}.weight`))]);
  const ffn = (ours: string, theirs: string): (readonly [string, ReturnType<typeof weights>])[] => [
    [`${ours}.up.w`, transpose(weights(`${theirs}.FFN.0.weight`))],
    [`${ours}.up.b`, weights(`${theirs}.FFN.0.bias`)],
    [`${ours}.down.w`, transpose(weights(`${theirs}.FFN.2.weight`))],
    [`${ours}.down.b`, weights(`${theirs}.FFN.2.bias`)],
  ];
  const norm = (ours: string, theirs: string): (readonly [string, ReturnType<typeof weights>])[] => [
    [`${ours}.gain`, weights(`${theirs}.weight`)],
    [`${ours}.bias`, weights(`${theirs}.bias`)],
  ];
  await expectVector(
    device,
    text,
    {
      weights: Object.fromEntries([
        ...norm("inner_norm", "inner_trans_norm"),
        ...attention("inner", "inner_trans"),
        ...ffn("inner_ffn", "inner_trans"),
        ...norm("cross_norm", "cross_attention_norm"),
        ...attention("cross", "cross_causal_attention"),
        ...ffn("cross_ffn", "cross_causal_attention"),
        ...[0, 1].flatMap((i) => [
          ...norm(`layers.${i}.norm`, `self_attention_norm.${i}`),
          ...attention(`layers.${i}.self`, `self_attention_layers.${i}`),
          ...ffn(`layers.${i}.ffn`, `self_attention_layers.${i}`),
        ]),
      ]),
      inputs,
      outputs,
    },
    F32_EXP,
  );
});
