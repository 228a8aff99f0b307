/**
 * Every example with its parameters in all storage types at once, dealt in turn: each kernel and each task against the reference on the
 * same stored values. Arithmetic is f32, so the bound is f32's.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { needsScale } from "../../src/ir/storage.ts";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { models, specOf, title } from "../cuda/models.ts";
import { elaborateText } from "../model/harness.ts";
import { expectAgrees, F32_EXP, openZoo } from "../support/zoo.ts";

let device: WebGpuDevice;
beforeAll(async () => {
  device = await openZoo();
}, 60_000);
afterAll(() => device?.destroy());

const TYPES = [
  "int8 per channel",
  "f16",
  "fp8_e4m3",
  "int8 per group(4) asymmetric",
  "bf16",
  "int8 per channel asymmetric",
  "fp8_e5m2",
];

/** The example with a line for each parameter; one whose uses sum over different axes takes f16. */
function precisionOf(
  text: string,
  set: Readonly<Record<string, string | number | boolean>>,
  first: number,
): string {
  const sets = Object.fromEntries(Object.entries(set).map(([name, value]) => [name, String(value)]));
  const paths = elaborateText(text, { sets }).graph?.params.map(({ path }) => path) ?? [];
  const lines = paths.map((path, i) => `"${path}" = ${TYPES[(first + i) % TYPES.length]}`);
  const { diagnostics } = elaborateText(text, { sets, precision: lines.join("; ") });
  const without = diagnostics.flatMap(({ code, message }) =>
    code === "RMX0408" ? [/^`([^`]+)`/.exec(message)?.[1]] : [],
  );
  return [...lines, ...without.map((path) => `"${path}" = f16`)].join("; ");
}

/** Each example once, however many forms of it other tests have. */
const examples = models.filter(({ name }, i) => models.findIndex((other) => other.name === name) === i);

describe.each(examples.map((model, i) => ({ ...model, i })))(
  "the zoo in all storage types",
  ({ i, ...model }) => {
    it(title(model), { timeout: 60_000 }, async () => {
      const precision = precisionOf(specOf(model), model.set, i);
      const { graph } = await expectAgrees(device, specOf(model), {
        set: model.set,
        precision,
        sizes: [{ requests: 2, candidates: 5 }],
        tolerance: F32_EXP,
      });
      expect(graph.params.some(({ storage }) => needsScale(storage.element))).toBe(true);
    });
  },
);
