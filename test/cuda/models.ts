/** @file The zoo at sizes that a test can afford: every example, with extents that are no multiples of a tile and short tables. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Graph } from "../../src/ir/graph.ts";
import { graphOfSpec } from "../support/zoo.ts";

type Settings = Readonly<Record<string, string | number | boolean>>;

export interface Model {
  readonly name: string;
  readonly set: Settings;
}

const model = (name: string, set: Settings): Model => ({ name, set });

export const models: readonly Model[] = [
  model("autoint", { fields: 7, D: 5, L: 1, heads: 2, dim: 6, deep: "[9, 5]" }),
  model("dcnv2", { D: 6, fields: 5, layers: 2, rank: 7, bottom: "[9, 6]", over: "[11, 5]" }),
  model("dhen", { T: 6, U: 3, D: 8, L: 1, l: 3, heads: 2, width: 12 }),
  model("dlrm", { D: 6, fields: 5, bottom: "[9, 6]", top: "[7]" }),
  model("hiformer", { D: 8, fields: 7, dense_tokens: 3, heads: 2, dk: 5, dv: 6, rank_k: 4, rank_v: 7 }),
  model("hstu", { L: 11, D: 12, layers: 1, heads: 3, buckets: 9, hidden: 10 }),
  model("large_memory", { D: 6, side: 5, k: 3, heads: 2, key_dim: 8, deep: "[9]" }),
  model("longer", { L: 22, D: 8, K: 2, recent: 5, layers: 1, heads: 2, hidden: 10 }),
  model("mixformer", { N: 4, D: 12, U: 2, L: 9, layers: 1, ratio: 1.5 }),
  model("mmoe", { D: 6, experts: 3, hidden: "[9, 7]", tower: "[5]" }),
  model("onetrans", { L: 17, D: 12, M: 3, layers: 2, heads: 2, least: 4, ratio: 1.5 }),
  model("pangu", { T: 9, D: 12, layers: 1, heads: 2 }),
  model("quickstart", { T: 6, D: 18, L: 1, U: 2 }),
  model("rankmixer", { T: 4, D: 36, L: 1, U: 2 }),
  model("rankmixer_1b", { T: 6, D: 18, L: 1, U: 3, ratio: 1.5 }),
  model("rankmixer_moe", { T: 4, D: 20, L: 1, U: 2, experts: 3, ratio: 1.5 }),
  model("tokenmixer_large", { D: 24, heads: 4, L: 2, ratio: 1.5, every: 1 }),
  model("tokenmixer_large", { D: 24, heads: 4, L: 1, ratio: 2, experts: 4, active: 2 }),
  model("ug_rankmixer", { T: 6, U: 2, D: 18, L: 1, ratio: 1.5, compensate: true }),
  model("ug_tokenmixer", { T: 6, U: 3, D: 12, heads: 6, L: 1, ratio: 1.5, top: 2 }),
  model("unimixer", { T: 4, U: 2, D: 16, L: 1, size: 8, ratio: 1.5 }),
  model("unimixing_lite", { T: 4, U: 2, D: 16, L: 1, size: 8, basis: 3, rank: 5, ratio: 1.5 }),
  model("wukong", { features: 10, user_features: 6, D: 9, L: 1, nL: 2, nF: 3, k: 4, width: 13 }),
  model("xdeepfm", { fields: 6, D: 5, maps: "[8, 5]", deep: "[9]" }),
];

export function title({ name, set }: Model): string {
  return `${name} ${Object.entries(set)
    .map(([key, value]) => `${key}=${value}`)
    .join(" ")}`;
}

export function graphOf(model: Model): Graph {
  return graphOfSpec(specOf(model), model.set);
}

export function specOf({ name }: Model): string {
  const text = readFileSync(join(import.meta.dirname, `../../examples/${name}.rmx`), "utf8");
  // A table's rows are neither computed with nor contracted over: a short one serves as well.
  return text.replace(/(\btable \w+\(rows = )[^,]+/g, (_, head: string) => `${head}23`);
}
