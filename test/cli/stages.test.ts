/** @file What the command line says of stages: with reuse and without, why, and as a picture. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { codesIn, folder, rmxc, root } from "../support/cli.ts";

const spec = join(root, "examples/ug_rankmixer.rmx");
const sets = ["T=4", "U=2", "D=16", "L=1", "rows=20"].flatMap((set) => ["--set", set]);
const small = [spec, ...sets];

describe("--no-reuse", () => {
  it("runs the same model and verifies", () => {
    const scores = [[], ["--no-reuse"]].map((more) => {
      const sizes = ["--requests", "2", "--candidates", "5"];
      const ran = rmxc(["run", ...small, ...sizes, ...more, "--verify", "--json"], { timeoutMs: 120_000 });
      expect(ran.status, ran.stderr).toBe(0);
      return (JSON.parse(ran.stdout) as { tasks: { first: number[] }[] }).tasks[0]?.first ?? [];
    });
    expect(scores[0]).toHaveLength(4);
    scores[0]?.forEach((score, i) => {
      expect(Math.abs(score - (scores[1]?.[i] ?? Number.NaN))).toBeLessThan(1e-6);
    });
  }, 240_000);

  it("compiles no kernel for the user stage", () => {
    const stages = (more: readonly string[]): string[] => {
      const ran = rmxc(["compile", ...small, ...more, "--json"]);
      const { variants } = JSON.parse(ran.stdout) as { variants: { kernels: { stage: string }[] }[] };
      return [...new Set(variants.flatMap(({ kernels }) => kernels.map(({ stage }) => stage)))].sort();
    };
    expect(stages([])).toEqual(["item", "user"]);
    expect(stages(["--no-reuse"])).toEqual(["item"]);
  });
});

describe("--explain stages", () => {
  it("shows where each part runs, what is kept, and the call in the spec that ties the rest", () => {
    const ran = rmxc(["compile", ...small, "--explain", "stages"]);
    expect(ran.status).toBe(0);
    expect(ran.stdout).toMatch(/^user {3}layers\.0\.block\.norm1 +\[0:2, :\] +normalize/m);
    expect(ran.stdout).toMatch(/^item {3}layers\.0\.block\.norm1 +\[2:4, :\] +normalize .*\(1\)$/m);
    expect(ran.stdout).toMatch(/^2 values, 256 B a request$/m);
    expect(ran.stdout).toMatch(/note\[RMX0491\]: \(1\) `layers\.0\.block\.s` \[2:4, :\]/);
    expect(ran.stdout).toMatch(/--> .*ug_rankmixer\.rmx:\d+:\d+/);
    expect(ran.stdout).toContain("`vid`, `stats`");
  });

  it("gives the same as JSON", () => {
    const ran = rmxc(["compile", ...small, "--explain", "stages", "--json"]);
    const { stages } = JSON.parse(ran.stdout) as {
      stages: { parts: { program: string }[]; ties: unknown[]; kept: { bytes: number }[] };
    };
    expect(stages.kept.map(({ bytes }) => bytes)).toEqual([128, 128]);
    expect(stages.ties).toHaveLength(1);
    expect(new Set(stages.parts.map(({ program }) => program))).toEqual(new Set(["user", "item"]));
  });

  it("says what a word other than `stages` could have been", () => {
    const ran = rmxc(["compile", ...small, "--explain", "stage"]);
    expect(ran.status).toBe(2);
    expect(ran.stderr).toContain('--explain is one of "stages", "fusion", not "stage"');
  });
});

describe("graph", () => {
  it("writes the picture to a file, or prints it", () => {
    const cwd = folder();
    const ran = rmxc(["graph", ...small, "-o", "model.svg"], { cwd });
    expect(ran).toMatchObject({ status: 0, stdout: "" });
    const svg = readFileSync(join(cwd, "model.svg"), "utf8");
    expect(svg).toMatch(/^<svg [\s\S]*<\/svg>\n$/);
    expect(rmxc(["graph", ...small]).stdout).toBe(svg);
  });

  it("says that it cannot write where there is no folder", () => {
    const cwd = folder();
    const ran = rmxc(["graph", ...small, "-o", "none/model.svg"], { cwd });
    expect(ran.status).toBe(1);
    expect(codesIn(ran)).toEqual(["RMX0510"]);
    expect(existsSync(join(cwd, "none"))).toBe(false);
  });
});
