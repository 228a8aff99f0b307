/** The code of docs/engine.md, as it stands there: its pieces are put together, compiled and run. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { transform } from "esbuild";
import { expect, it, onTestFinished } from "vitest";

const root = join(import.meta.dirname, "../..");

it("docs/engine.md serves, copies and comes back after a loss", async () => {
  const text = readFileSync(join(root, "docs/engine.md"), "utf8");
  const [setUp = "", copy = "", recover = "", ...more] = [...text.matchAll(/```ts\n([\s\S]*?)```/g)].map(
    ([, code]) => code ?? "",
  );
  expect(more).toEqual([]);
  const script = `
    import { InputError, drawnInputs } from "rmxc";
    type FeatureValues = import("rmxc").FeatureValues;
    type Scores = import("rmxc").Scores;
    ${setUp}
    const { features } = program.graph;
    const { features: drawn } = drawnInputs(features, { requests: 1, candidates: 5, seed: 1 });
    const of = (stage: string): FeatureValues =>
      Object.fromEntries(features.filter((f) => f.stage === stage).map((f) => [f.name, drawn.get(f.name) ?? []]));
    let fetched = 0;
    function userFeatures(_: number): FeatureValues { fetched++; return of("user"); }
    async function safely(userId: number, lastEvent: number, candidates: FeatureValues): Promise<Scores> {
      ${recover}
    }
    export async function serve() {
      const first = await rank(1, 1, of("item"));
      const hit = await rank(1, 1, of("item"));
      const fetchedBefore = fetched;
      const user = await engine.user(of("user"));
      ${copy}
      const copied = await engine.score(copy, of("item"));
      device.destroy();
      const restored = await safely(1, 1, of("item"));
      engine.destroy();
      return { first, others: [hit, copied, restored], fetchedBefore, fetched };
    }`;
  const { code } = await transform(script.replaceAll('"rmxc"', '"../../src/index.ts"'), { loader: "ts" });
  const path = join(import.meta.dirname, `.serving.${process.pid}.mjs`);
  writeFileSync(path, code);
  onTestFinished(() => rmSync(path, { force: true }));
  const { first, others, fetchedBefore, fetched } = await (await import(path)).serve();
  const [values] = first.values();
  expect(values.length).toBe(5);
  expect([...values].every(Number.isFinite)).toBe(true);
  for (const scores of others) expect(scores).toEqual(first);
  expect([fetchedBefore, fetched]).toEqual([1, 2]);
});
