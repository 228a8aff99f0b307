/**
 * RankMixer at a small size, as text, at every step: the elaborated Graph, what each pass makes of it, the Plan and the WGSL,
 * for the two built-in profiles. `npm run test:update` writes the files anew; read what changed.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile.ts";
import { printPlan } from "../../src/ir/print-plan.ts";
import { printGraph } from "../../src/ir/print.ts";
import { partsOf } from "../../src/ir/tile.ts";

const spec = join(import.meta.dirname, "../../examples/rankmixer.rmx");
const set = { T: 4, D: 16, L: 1, U: 2 };

async function texts(profile: string): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  let step = 0;
  const program = await compile(spec, {
    set,
    profiles: [profile],
    onPass(pass, result) {
      step++;
      files.set(`${String(step).padStart(2, "0")}-${pass}.txt`, "nodes" in result ? printGraph(result) : printPlan(result));
    },
  });
  files.set("00-graph.txt", printGraph(program.graph));
  for (const { name, text } of program.variants[0].kernels) files.set(`${name}.wgsl`, text);
  return files;
}

describe.each(["software", "gpu"])("RankMixer for %s", (profile) => {
  it("is compiled as the golden files say", async () => {
    const folder = join(import.meta.dirname, "rankmixer", profile);
    const made = await texts(profile);
    for (const [name, text] of made) await expect(text).toMatchFileSnapshot(join(folder, name));
    expect(readdirSync(folder).sort(), "files of passes and kernels that are no more").toEqual([...made.keys()].sort());
  });

  it("is compiled to the same text every time, which names nothing of the machine", async () => {
    const [first, second] = [await texts(profile), await texts(profile)];
    expect([...second]).toEqual([...first]);
    for (const text of first.values()) {
      expect(text).not.toContain(process.cwd());
      expect(text).not.toMatch(/\b20\d\d-\d\d-\d\d\b/);
    }
  });
});

describe("token mixing", () => {
  it("is gone as an op after fold-layout, and no kernel only moves data", async () => {
    let views = 0;
    const program = await compile(spec, {
      set,
      profiles: ["software"],
      onPass(pass, result) {
        if (pass === "fold-layout" && "nodes" in result) views = result.nodes.filter((n) => n.op.kind === "view").length;
      },
    });
    expect(program.graph.nodes.some((n) => n.op.kind === "view" && n.path.includes("token_mixing"))).toBe(true);
    expect(views).toBe(0);
    const { load, user, item } = program.plans[0].kernels;
    for (const kernel of [...load, ...user, ...item].flatMap(partsOf)) {
      const works = kernel.body.some((s) => s.kind !== "store" && s.kind !== "let");
      expect(works, kernel.name).toBe(true);
    }
  });
});
