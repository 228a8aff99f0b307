import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { figure } from "../../src/cli/text.ts";
import { costOf } from "../../src/cost/cost.ts";
import { gpu } from "../../src/ir/profiles.ts";
import { elaborateSpec } from "../../src/spec.ts";

const folder = resolve(import.meta.dirname, "../../docs");
const page = readFileSync(join(folder, "cost.md"), "utf8");
const profile = { ...gpu, limits: { ...gpu.limits, storageBinding: 2 ** 50, bufferSize: 2 ** 50 } };

const rows = [...page.matchAll(/^\| \[(.+?)\]\((.+?)\) \| (.+?) \| .+? \| (.+?) \| .+? \|$/gm)].map(
  ([, name, path, parameters, flops]) => ({ name, path, parameters, flops }),
);

describe("the table beside the published figures", () => {
  it("has the systems of which a size is published", () => {
    expect(rows.map(({ name }) => name.split(/[ ,]/)[0])).toEqual([
      "RankMixer-100M",
      "RankMixer-1B",
      "TokenMixer-Large",
      "UniMixer",
      "UniMixing-Lite",
      "Wukong",
      "HiFormer",
      "PanGu-α",
    ]);
  });

  it.each(rows)("$name costs what it says", ({ path, parameters, flops }) => {
    const { root } = costOf(elaborateSpec(join(folder, path)).graph, profile, { reuse: false });
    const { products, other } = root.work.item;
    expect([figure(root.parameters), figure(products + other)]).toEqual([parameters, flops]);
  });
});
