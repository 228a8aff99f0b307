import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compileFor } from "../../src/compile.ts";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { readVector, transpose, type VectorTensor } from "../support/vectors.ts";
import { expectAgrees, expectVector, F32_EXP, graphOfSpec, openZoo } from "../support/zoo.ts";

let device: WebGpuDevice;
beforeAll(async () => {
  device = await openZoo();
}, 60_000);
afterAll(() => device?.destroy());

/** The user's L events, oldest first and aligned to the right, then M candidates' tokens. */
const model = (bias: string, layer: string): string =>
  `
use std.attention
use std.hstu
model m(L: int = 7, M: int = 1, D: int = 6, H: int = 2, blocks: int = 1) {
  user {
    hist: seq[L] of { item: f32[D], time: i32 }
    now: i32[M]
  }
  item { target: f32[M, D] }
  events, real = last(hist.item, L)
  times, same = last(hist.time, L)
  rab = relative_bias(concat(times, now)${bias}) as rab
  x = concat(events, target)
  seen = concat(real, all_real(M))
  repeat blocks as layers {
    x = hstu_layer(x, rab, valid = seen, heads = H, targets = M${layer}) as layer
  }
  task y = x
}`;

describe.each([
  { L: 7, M: 1, D: 6, H: 2, blocks: 2 },
  { L: 1, M: 2, D: 3, H: 3, blocks: 1 },
  { L: 13, M: 3, D: 10, H: 1, blocks: 1 },
])("HSTU, %o", (set) => {
  it("agrees with the reference", { timeout: 60_000 }, async () => {
    await expectAgrees(device, model("", ""), { set, tolerance: F32_EXP });
  });
});

describe("HSTU's options", () => {
  it.each([
    [", buckets = 3, base = 0.7, next = false", ", pre = false, in_bias = true, out_bias = false"],
    [", positions = false", ", key = 5, value = 2, act = relu, scale = 0.5, count = 3"],
    [", times = false", ", norm = rms_norm"],
  ])("%s%s", { timeout: 60_000 }, async (bias, layer) => {
    await expectAgrees(device, model(bias, layer), { tolerance: F32_EXP });
  });

  it("the events' rows are computed once a request", () => {
    const graph = graphOfSpec(model("", ""), { blocks: 2 });
    const rows = compileFor(graph, device.profile)
      .plan.values.filter((value) => /uvqk/.test(value.name) && value.shape[0] === "N")
      .map((value) => value.shape[1]);
    expect(rows.length).toBeGreaterThan(0);
    expect(new Set(rows)).toEqual(new Set([1]));
  });
});

/** Sequences that stand one after the other, [rows, D], as [sequences, N, D] with zeros behind each. */
function padded(x: VectorTensor, offsets: readonly number[], N: number): VectorTensor {
  const D = x.shape[1] ?? 1;
  const sequences = offsets.slice(1).map((end, i) => {
    const start = offsets[i] ?? 0;
    const values = x.values.slice(start * D, end * D);
    return [...values, ...new Array<number>(N * D - values.length).fill(0)];
  });
  return { shape: [sequences.length, N, D], values: sequences.flat() };
}

it("a layer computed elsewhere", { timeout: 60_000 }, async () => {
  const { weights, inputs, outputs } = readVector("hstu");
  const { x, offsets, timestamps } = inputs;
  const { y } = outputs;
  if (!x || !offsets || !timestamps || !y) throw new Error("the fixture lacks a tensor");
  const text = `
use std.attention
use std.hstu
model m {
  item {
    hist: seq[6] of { x: f32[6], t: i32 }
  }
  rab = relative_bias(hist.t, buckets = 16) as rab
  y = hstu_layer(hist.x, rab, heads = 2, key = 3, value = 4) as layer
  task y = where(rearrange(valid(hist), "t -> t 1"), y, 0)
}`;
  const lengths = offsets.values.slice(1).map((end, i) => end - (offsets.values[i] ?? 0));
  await expectVector(
    device,
    text,
    {
      weights: {
        "rab.position": weights("_rel_attn_bias._pos_w"),
        "rab.time": weights("_rel_attn_bias._ts_w"),
        "layer.uvqk.w": weights("_uvqk"),
        "layer.out.w": transpose(weights("_o.weight")),
        "layer.out.b": weights("_o.bias"),
      },
      inputs: {
        "hist.x": padded(x, offsets.values, 6),
        "hist.t": timestamps,
        "hist.length": { shape: [2], values: lengths },
      },
      outputs: { y: padded(y, offsets.values, 6) },
    },
    F32_EXP,
  );
});
