/** @file `rmxc run` on a real device: what it prints, what it writes, and that independent numbers come out. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { folder, rmxc, root } from "../support/cli.ts";
import { readFloats } from "../support/safetensors.ts";

const quickstart = join(root, "examples/quickstart.rmx");

interface Report {
  readonly ok: boolean;
  readonly device: { readonly kind: string };
  readonly requests: number;
  readonly candidates: number;
  readonly tasks: readonly {
    readonly task: string;
    readonly first: number[];
    readonly min: number;
    readonly max: number;
  }[];
  readonly seconds: { readonly load: number; readonly user: number; readonly item: number };
  readonly verification?: { readonly kernels: Row[]; readonly tasks: Row[] };
}
interface Row {
  readonly name: string;
  readonly what: string;
  readonly error: number;
}

function report(args: readonly string[]): Report {
  const ran = rmxc(["run", ...args, "--json"]);
  expect(ran.status, ran.stderr).toBe(0);
  return JSON.parse(ran.stdout) as Report;
}

/** ‖got − want‖ / ‖want‖. */
function relativeError(got: readonly number[], want: readonly number[]): number {
  const square = (values: readonly number[]) => values.reduce((sum, value) => sum + value * value, 0);
  return Math.sqrt(square(want.map((value, i) => (got[i] ?? Number.NaN) - value)) / square(want));
}

describe("run", () => {
  it.each([
    [[], 64, 1],
    [["--candidates", "7", "--requests", "3", "--seed", "5"], 7, 3],
    [["--candidates", "1", "--set", "D=24", "--set", "T=3", "--set", "U=1"], 1, 1],
  ])("verifies the quickstart on a WebGPU device: %j", (args, candidates, requests) => {
    const said = report([quickstart, ...args, "--device", "webgpu", "--verify"]);
    expect(said).toMatchObject({ ok: true, device: { kind: "webgpu" }, candidates, requests });
    expect(said.tasks).toHaveLength(2);
    for (const { min, max, first } of said.tasks) {
      // Scores are sigmoids.
      expect(min).toBeGreaterThan(0);
      expect(max).toBeLessThan(1);
      expect(first[0]).toBeGreaterThanOrEqual(min);
    }
    const { kernels = [], tasks = [] } = said.verification ?? {};
    expect(kernels.length).toBeGreaterThan(4);
    expect(tasks.map((task) => task.what)).toEqual(["logits", "logits"]);
    for (const { name, error } of [...kernels, ...tasks]) expect(error, name).toBeLessThanOrEqual(1e-5);
    expect(said.seconds.item).toBeGreaterThan(0);
  });

  it("gives the reference's scores on the device, and says on the reference that there is nothing to compare", () => {
    const args = [quickstart, "--set", "D=16", "--candidates", "5"];
    const device = report([...args, "--device", "webgpu"]);
    const reference = report([...args, "--device", "reference", "--verify"]);
    device.tasks.forEach((task, i) => {
      expect(relativeError(task.first, reference.tasks[i]?.first ?? [])).toBeLessThan(1e-5);
    });
    expect(reference.verification).toBeUndefined();
    const ran = rmxc(["run", ...args, "--device", "reference", "--verify"]);
    expect(ran.stderr).toContain("is the reference");
  });

  it("prints the device, each task's scores and range, each stage's time and the errors", () => {
    const ran = rmxc(["run", quickstart, "--set", "D=16", "--device", "webgpu", "--verify"]);
    expect(ran).toMatchObject({ status: 0, stderr: "" });
    expect(ran.stdout).toMatch(/^device +\S/m);
    for (const stage of ["load", "user", "item"])
      expect(ran.stdout).toMatch(new RegExp(`^${stage} +[\\d.]+ (s|ms|µs)`, "m"));
    expect(ran.stdout).toMatch(/\d(\.\d+)?e-\d/);
  });

  it("draws the same weights and inputs for a seed, others for another", () => {
    const scores = (seed: string) =>
      report([quickstart, "--set", "D=16", "--device", "reference", "--seed", seed]).tasks.map(
        (task) => task.first,
      );
    expect(scores("1")).toEqual(scores("1"));
    expect(scores("1")).not.toEqual(scores("2"));
  });

  it("falls back to the reference without a driver, in one line, and exits 3 where a device was asked for", () => {
    const env = { VK_ICD_FILENAMES: "/nonexistent.json", VK_DRIVER_FILES: "/nonexistent.json" };
    const args = [quickstart, "--set", "D=16", "--candidates", "3"];
    const fallen = rmxc(["run", ...args], { env });
    expect(fallen.status).toBe(0);
    expect(fallen.stdout).toMatch(/^device +reference/m);
    expect(fallen.stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(fallen.stderr).toContain("driver.sh");
    const failed = rmxc(["run", ...args, "--device", "webgpu"], { env });
    expect(failed).toMatchObject({ status: 3, stdout: "" });
    expect(failed.stderr).toMatch(/^error\[RMX0801\]/m);
    const doctor = rmxc(["doctor"], { env });
    expect(doctor.status).toBe(0);
    expect(doctor.stdout).toContain("to get better");
  });

  it("scores no candidate", () => {
    for (const device of ["webgpu", "reference"]) {
      const cwd = folder();
      const args = [quickstart, "--set", "D=16", "--candidates", "0", "--device", device];
      const ran = rmxc(["run", ...args, "--output", "out.safetensors"], { cwd });
      expect(ran.status, ran.stderr).toBe(0);
      const out = readFloats(readFileSync(join(cwd, "out.safetensors")));
      expect([...out.values()].map((tensor) => tensor.shape)).toEqual([[0], [0]]);
    }
  });

  it.each(["webgpu", "reference"])("reproduces a RankMixer block computed elsewhere, on %s", (device) => {
    const cwd = folder();
    const at = join(root, "test/fixtures/rankmixer_block");
    const files = ["--weights", join(at, "weights.safetensors"), "--input", join(at, "inputs.safetensors")];
    const ran = rmxc(
      ["run", join(at, "model.rmx"), ...files, "--output", "y.safetensors", "--device", device],
      { cwd },
    );
    expect(ran.status, ran.stderr).toBe(0);
    const got = readFloats(readFileSync(join(cwd, "y.safetensors"))).get("y");
    const want = readFloats(readFileSync(join(at, "outputs.safetensors"))).get("y");
    expect(got?.shape).toEqual(want?.shape);
    expect(relativeError(got?.values ?? [], want?.values ?? [])).toBeLessThan(1e-5);
  });

  it("writes outputs whole or not at all", () => {
    const cwd = folder();
    const ran = rmxc(
      ["run", quickstart, "--set", "D=16", "--device", "reference", "--output", "no/such/folder/y"],
      { cwd },
    );
    expect(ran.status).toBe(1);
    expect(ran.stderr).toMatch(/^error\[RMX0702\]/m);
  });
});
