import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { expectAgrees, graphOfSpec, openZoo } from "../support/zoo.ts";

let device: WebGpuDevice;
beforeAll(async () => {
  device = await openZoo();
}, 60_000);
afterAll(() => device?.destroy());

const model = (options: string): string => `
use std.mmoe
model m(U: int = 3, D: int = 7, tasks: int = 2, E: int = 3) {
  user { u: f32[U] }
  item { i: f32[D - U] }
  y = mmoe(concat(u, i), tasks, experts = E, ${options}) as mmoe
  task y = y
  task scores = sigmoid(task_towers(y, hidden = [5]))
}`;

describe("the mixture of experts with a gate a task", () => {
  it.each([
    { U: 3, D: 7, tasks: 2, E: 3 },
    { U: 1, D: 2, tasks: 1, E: 1 },
    { U: 5, D: 13, tasks: 3, E: 7 },
  ])("agrees with the reference, %o", { timeout: 60_000 }, async (set) => {
    await expectAgrees(device, model("hidden = [6, 5]"), { set });
    await expectAgrees(device, model("hidden = [3], act = gelu, gate_bias = true"), { set });
  });

  it("shares the experts and not the gates", () => {
    const shapes = graphOfSpec(model("hidden = [6, 5]")).params.map((p) => [p.path, p.shape]);
    expect(shapes).toEqual([
      ["mmoe.experts.layer.0.token_linear.w", [3, 7, 6]],
      ["mmoe.experts.layer.0.token_linear.b", [3, 6]],
      ["mmoe.experts.layer.1.token_linear.w", [3, 6, 5]],
      ["mmoe.experts.layer.1.token_linear.b", [3, 5]],
      ["mmoe.gate.w", [7, 6]],
      ["scores.task_towers.layer.0.token_linear.w", [2, 5, 5]],
      ["scores.task_towers.layer.0.token_linear.b", [2, 5]],
      ["scores.task_towers.out.w", [2, 5, 1]],
      ["scores.task_towers.out.b", [2, 1]],
    ]);
  });
});
