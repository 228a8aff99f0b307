/** What docs/precision.md prints is what the compiler does. */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { bytes } from "../../src/cli/text.ts";
import { scaleShape } from "../../src/ir/storage.ts";
import { convert } from "../../src/quantize/convert.ts";
import { compareScores } from "../../src/quantize/scores.ts";
import { drawnWeights } from "../../src/runtime/drawn.ts";
import { drawnInputs } from "../../src/runtime/drawninputs.ts";
import { elaborateSpec } from "../../src/spec.ts";
import { graphOf } from "../model/harness.ts";

const folder = resolve(import.meta.dirname, "../../docs");
const page = readFileSync(join(folder, "precision.md"), "utf8");

describe("the table of channels", () => {
  const extents: Readonly<Record<string, number>> = { T: 3, D: 5, K: 7, H: 2 };
  const sizesOf = (list: string): number[] => list.split(", ").map((name) => extents[name] ?? Number(name));
  const rows = [...page.matchAll(/^\| `w: \[(.+?)\]` \| `(einsum\(.+?\))` \| (.+?) \| `\[(.+?)\]` \|$/gm)];

  it.each(rows.map(([, shape, einsum, shared, scales]) => ({ shape, einsum, shared, scales })))(
    "[$shape] read by $einsum",
    ({ shape, einsum, shared, scales }) => {
      const [param] = graphOf(`model m() {
  item { x: f32[3, 5] }
  param w: [${sizesOf(shape).join(", ")}]
  task score = sum(${einsum})
  precision { "w" = int8 per channel }
}`).params;
      expect(param.storage.scale?.shared.join(", ")).toBe(shared);
      expect(param.storage.scale && scaleShape(param.shape, param.storage.scale)).toEqual(sizesOf(scales));
    },
  );

  it("has three of them", () => expect(rows).toHaveLength(3));
});

describe("the table of types", () => {
  const rows = [...page.matchAll(/^\| `(.+?)` \| (\S+ MiB) \| (\S+) dB \| (\S+) \| (\S+) \| (\S+) % \|$/gm)];
  const spec = join(folder, "../examples/quickstart.rmx");
  const graphWith = (type: string) => elaborateSpec(spec, { precision: `"**.w*" = ${type}` }).graph;

  it.each(rows.map(([, type, size, sqnr]) => ({ type, size, sqnr })))("$type", ({ type, size, sqnr }) => {
    const graph = graphWith(type);
    const reports = convert(graph, drawnWeights(graph.params, { perturb: true }), { inputScales: new Map() });
    expect(bytes(reports.reduce((sum, report) => sum + report.bytes.after, 0))).toBe(size);
    const w1 = reports.find(({ param }) => param.path === "layers.0.block.ffn.w1");
    expect(w1?.error?.sqnr.toFixed(1)).toBe(sqnr);
  });

  it("scores in fp8", () => {
    const [, type, , , logits, tau, swapped] = rows.find(([, name]) => name === "fp8_e4m3") ?? [];
    const graph = graphWith(type);
    const inputs = drawnInputs(graph.features, { requests: 1, candidates: 64, shuffled: true });
    const weights = drawnWeights(graph.params, { perturb: true });
    const [finish] = compareScores(graph, weights, inputs, new Map());
    expect(finish.task).toBe("finish");
    expect(finish.relativeError.toExponential(1)).toBe(logits);
    expect(finish.tau.toFixed(4)).toBe(tau);
    expect((100 * finish.swapped).toPrecision(2)).toBe(swapped);
  });
});
