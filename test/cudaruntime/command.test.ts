/** The command line on the fake driver, in a process of its own. */
import { spawnSync } from "node:child_process";
import { beforeAll, describe, expect, it } from "vitest";
import { type Fake, fakeCuda } from "./fake.ts";

let fake: Fake;
beforeAll(async () => {
  fake = await fakeCuda();
}, 120_000);

function rmxc(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const ran = spawnSync(process.execPath, ["scripts/run-ts.mjs", "src/cli/main.ts", ...args], {
    encoding: "utf8",
    env: { ...process.env, ...fake.env, ...env },
  });
  return { status: ran.status, out: ran.stdout, said: ran.stderr };
}

const small = ["--set", "T=6", "--set", "D=18", "--set", "L=1", "--set", "U=2", "--candidates", "5"];

describe("rmxc on CUDA", () => {
  it("runs and verifies a model", () => {
    const args = ["run", "examples/quickstart.rmx", "--device", "cuda", "--verify", "--json", ...small];
    const { status, out, said } = rmxc(args);
    expect(said).toBe("");
    expect(status).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ device: { kind: "cuda", name: "Fake GPU" } });
  }, 120_000);

  it("takes CUDA where it may choose", () => {
    const { out } = rmxc(["run", "examples/quickstart.rmx", "--json", ...small]);
    expect(JSON.parse(out)).toMatchObject({ device: { kind: "cuda" } });
  }, 120_000);

  it("ends with status 3 and says what is missing where there is no device", () => {
    const args = ["run", "examples/quickstart.rmx", "--device", "cuda", ...small];
    const { status, said } = rmxc(args, { FAKE_CUDA_DEVICES: "0" });
    expect(status).toBe(3);
    expect(said).toContain("RMX0824");
    expect(said).toContain("the CUDA driver sees no device");
  }, 120_000);

  it("shows driver, compiler and devices in the doctor's report, and what is missing", () => {
    const found = rmxc(["doctor"]).out;
    expect(found).toMatch(/CUDA driver +serves CUDA 12\.4/);
    expect(found).toMatch(/CUDA device +Fake GPU, sm_90a, 4\.00 GiB, 132 multiprocessors/);
    expect(found).toMatch(/CUDA compiler +nvcc 12\.4\.131/);
    const without = rmxc(["doctor"], { RMXC_NVCC: "/nowhere/nvcc" }).out;
    expect(without).toMatch(/CUDA compiler +none/);
    expect(without).toContain("/nowhere/nvcc");
    expect(without).toContain("pip install nvidia-cuda-nvrtc-cu12");
  }, 120_000);
});
