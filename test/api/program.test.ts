/** @file The package's API as a program uses it: compile, load, score; and the artifact that carries a model elsewhere. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  compile,
  type Device,
  DiagnosticError,
  drawnInputs,
  drawnWeights,
  type Engine,
  InputError,
  loadArtifact,
  openDevice,
  type Program,
  type Scores,
} from "../../src/index.ts";
import { software } from "../../src/ir/profiles.ts";
import { chooseVariant } from "../../src/load.ts";
import { folder, root } from "../support/cli.ts";

const spec = join(root, "examples/quickstart.rmx");
const set = { T: 4, D: 16, U: 2 };

let device: Device;
beforeAll(async () => {
  device = await openDevice("webgpu");
});
afterAll(() => device.destroy());

/** Two requests of three candidates each, by one engine. */
async function scoresOf(engine: Engine, of?: Program): Promise<Scores> {
  const { features } = (of ?? (await compile(spec, { set }))).graph;
  const inputs = drawnInputs(features, { requests: 2, candidates: 6, seed: 3 });
  const values = (stage: "user" | "item") =>
    Object.fromEntries(
      features.filter((f) => f.stage === stage).map((f) => [f.name, inputs.features.get(f.name) ?? []]),
    );
  const user = await engine.user(values("user"));
  try {
    return await engine.score(user, values("item"), { request: inputs.request });
  } finally {
    user.free();
  }
}

describe("compile", () => {
  it("gives a plan and kernels for each profile, without a device", async () => {
    const program = await compile(spec, { set, profiles: ["gpu", "software"] });
    expect(program.name).toBe("quickstart");
    expect(program.warnings).toEqual([]);
    expect(program.plans.map((plan) => plan.profile.name)).toEqual(["gpu", "software"]);
    for (const plan of program.plans) {
      const { load, user, item } = plan.kernels;
      expect(program.kernels(plan).map((kernel) => kernel.name)).toEqual(
        [...load, ...user, ...item].map((kernel) => kernel.name),
      );
    }
  });

  it("shows what every pass made, in order", async () => {
    const seen: string[] = [];
    await compile(spec, { set, onPass: (pass) => seen.push(pass) });
    const order = [
      "simplify",
      "demand",
      "fold-layout",
      "contract",
      "split-stages",
      "assign-layout",
      "fuse",
      "schedule",
    ];
    expect([...new Set(seen)].filter((pass) => order.includes(pass))).toEqual(order);
  });

  it("throws every error of the spec at once, as data", async () => {
    const path = join(
      folder({ "m.rmx": "model m {\n  a = nothing\n  b = nowhere\n  task t = a\n}\n" }),
      "m.rmx",
    );
    const error = await compile(path).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(DiagnosticError);
    if (!(error instanceof DiagnosticError)) return;
    expect(error.diagnostics.map((d) => [d.code, d.span?.start])).toEqual([
      ["RMX0101", 16],
      ["RMX0101", 30],
    ]);
    expect([...error.sources.keys()][0]).toBe(path);
  });
});

describe("load", () => {
  it("scores as the reference does", async () => {
    const program = await compile(spec, { set, profiles: [device.profile] });
    const weights = drawnWeights(program.graph.params, { seed: 9, perturb: true });
    const engine = await program.load(weights, device);
    const reference = await program.load(weights, await openDevice("reference"));
    const [got, want] = [await scoresOf(engine), await scoresOf(reference)];
    engine.destroy();
    for (const task of ["finish", "like"]) {
      const [g, w] = [got.get(task) ?? [], want.get(task) ?? []];
      expect(g).toHaveLength(6);
      for (let i = 0; i < 6; i++) expect(Math.abs((g[i] ?? Number.NaN) / (w[i] ?? 0) - 1)).toBeLessThan(1e-5);
    }
  });

  it("takes the variant that the device satisfies, its own kind first", async () => {
    const huge = { ...software, name: "huge", limits: { ...software.limits, workgroupMemory: 2 ** 30 } };
    const program = await compile(spec, { set, profiles: [huge, "gpu", "software"] });
    expect(chooseVariant(program, { name: "cpu", profile: software }).plan.profile.name).toBe("software");
    const discrete = { ...software, features: { ...software.features, software: false } };
    expect(chooseVariant(program, { name: "gpu", profile: discrete }).plan.profile.name).toBe("gpu");
  });

  it("names the limit that no variant respects", async () => {
    const program = await compile(spec, { set, profiles: ["software"] });
    const small = { ...software, limits: { ...software.limits, storageBuffers: 4 } };
    expect(() => chooseVariant(program, { name: "toaster", profile: small })).toThrow(InputError);
    try {
      chooseVariant(program, { name: "toaster", profile: small });
    } catch (error) {
      expect(error).toMatchObject({ code: "RMX0820", exit: 3 });
      expect((error as InputError).notes.join("\n")).toMatch(/variant software: storageBuffers.*16.*4/);
    }
  });
});

describe("an artifact", () => {
  it.each([
    { name: "quickstart", precision: "f32" },
    { name: "quickstart", precision: '"**.w*" = int8 per channel' },
    { name: "rankmixer_moe", precision: "f32" },
  ])("scores bit for bit as the program that wrote it: $name, $precision", async ({ name, precision }) => {
    const out = join(folder(), "out");
    const options = {
      set: name === "quickstart" ? set : { ...set, L: 2, rows: 100 },
      ...(precision === "f32" ? {} : { precision }),
    };
    const path = join(root, `examples/${name}.rmx`);
    const program = await compile(path, { ...options, profiles: [device.profile, "gpu"] });
    await program.write(out);
    const weights = drawnWeights(program.graph.params, { seed: 9, perturb: true });
    const loaded = await loadArtifact(out);
    expect(loaded.name).toBe(name);
    const engines = [await program.load(weights, device), await loaded.load(weights, device)];
    const [a, b] = [
      await scoresOf(engines[0] as Engine, program),
      await scoresOf(engines[1] as Engine, program),
    ];
    for (const engine of engines) engine.destroy();
    expect([...b]).toEqual([...a]);
  });

  it("says that the reference device needs the spec", async () => {
    const out = join(folder(), "out");
    const program = await compile(spec, { set });
    await program.write(out);
    const loaded = await loadArtifact(out);
    const weights = drawnWeights(program.graph.params);
    await expect(loaded.load(weights, await openDevice("reference"))).rejects.toMatchObject({
      code: "RMX0821",
    });
  });

  it("is refused where it is missing or broken", async () => {
    const cwd = folder();
    const refused = { code: "RMX0520", exit: 1 };
    await expect(loadArtifact(join(cwd, "nowhere"))).rejects.toMatchObject(refused);
    const out = join(cwd, "out");
    await (await compile(spec, { set })).write(out);
    const [kernel = ""] = readdirSync(join(out, "kernels"));
    rmSync(join(out, "kernels", kernel));
    await expect(loadArtifact(out)).rejects.toMatchObject(refused);
    const plan = readFileSync(join(out, "plan.json"), "utf8");
    for (const broken of [
      plan.slice(0, plan.length / 2),
      "{}",
      "null",
      plan.replace('"format": 1', '"format": 2'),
    ]) {
      writeFileSync(join(out, "plan.json"), broken);
      await expect(loadArtifact(out)).rejects.toMatchObject(refused);
    }
  });
});
