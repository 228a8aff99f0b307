/** A kernel that the device's compiler refuses, traced back to the spec: the text is broken in one line of a product. */
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { compile } from "../../src/compile.ts";
import { InputError } from "../../src/ir/error.ts";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { drawnWeights } from "../../src/runtime/drawn.ts";
import { loadKernelEngine } from "../../src/runtime/engine/kernelengine.ts";
import { planHash } from "../../src/runtime/engine/serialized.ts";
import { folder } from "../support/cli.ts";
import { openZoo } from "../support/zoo.ts";

let device: WebGpuDevice;
beforeAll(async () => {
  device = await openZoo();
});
afterAll(() => device.destroy());

const SPEC = `model m {
  item { x: f32[6, 8] }
  param w: [6, 8, 5]
  task y = gelu(einsum("t d, t d k -> t k", x, w)) as y
}
`;

it("names the kernel, the line, the tile statement and the place in the spec", async () => {
  const path = join(folder({ "m.rmx": SPEC }), "m.rmx");
  const program = await compile(path, { profiles: [device.profile] });
  const [variant] = program.variants;
  const [kernel] = variant?.kernels ?? [];
  if (variant === undefined || kernel === undefined) throw new Error("no kernel");
  const line = kernel.text.split("\n").findIndex((text) => /^ +acc_\d+ = /.test(text)) + 1;
  expect(line).toBeGreaterThan(0);
  const broken = kernel.text
    .split("\n")
    .map((text, i) => (i + 1 === line ? text.replace(";", " + nonsense;") : text))
    .join("\n");
  const kernels = [{ ...kernel, text: broken }];
  const weights = drawnWeights(variant.plan.params, { seed: 1 });
  const error: unknown = await loadKernelEngine(device, { plan: variant.plan, kernels }, weights).catch(
    (reason: unknown) => reason,
  );
  if (!(error instanceof InputError)) throw error;
  expect(error).toMatchObject({
    code: "RMX0803",
    message: `the device does not accept the kernel \`${kernel.name}\``,
  });
  const notes = error.notes.join("\n");
  expect(notes).toMatch(new RegExp(`${kernel.name}\\.wgsl:${line}:\\d+: unresolved value 'nonsense'`));
  expect(notes).toContain(`line ${line}: `);
  expect(notes).toMatch(/it is part of .*= dot over/);
  const { file = "", start, end } = error.origin ?? {};
  expect(file).toBe(path);
  expect(SPEC.slice(start, end)).toContain("einsum");
});

it("leaves no trace of lines in what kept handles are recognised by", async () => {
  const path = join(folder({ "m.rmx": SPEC }), "m.rmx");
  const [variant] = (await compile(path, { profiles: ["gpu"] })).variants;
  if (variant === undefined) throw new Error("no variant");
  const read = variant.kernels.map(({ lines: _, ...text }) => text);
  const user = (kernels: typeof read) => kernels.map((kernel) => ({ ...kernel, stage: "user" as const }));
  expect(await planHash(variant.plan, user(read))).toBe(
    await planHash(variant.plan, user([...variant.kernels])),
  );
});
