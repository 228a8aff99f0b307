/** The command line on the fake driver, in a process of its own. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { compile } from "../../src/compile.ts";
import { folder } from "../support/cli.ts";
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

const SPEC = `model m {
  item { x: f32[6, 8] }
  param w: [6, 8, 5]
  task y = gelu(einsum("t d, t d k -> t k", x, w)) as y
}
`;

const small = ["--set", "T=6", "--set", "D=18", "--set", "L=1", "--set", "U=2", "--candidates", "5"];

describe("rmxc on CUDA", () => {
  it("is taken where the command may choose, and runs and verifies a model", () => {
    const args = ["run", "examples/quickstart.rmx", "--verify", "--json", ...small];
    const { status, out, said } = rmxc(args);
    expect(said).toBe("");
    expect(status).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ device: { kind: "cuda", name: "Fake GPU" } });
  }, 120_000);

  it("ends with status 3 and says what is missing where there is no device", () => {
    const args = ["run", "examples/quickstart.rmx", "--device", "cuda", ...small];
    const { status, said } = rmxc(args, { FAKE_CUDA_DEVICES: "0" });
    expect(status).toBe(3);
    expect(said).toContain("RMX0824");
    expect(said).toContain("the CUDA driver sees no device");
  }, 120_000);

  it("traces a kernel that does not compile back to the spec", async () => {
    const path = join(folder({ "m.rmx": SPEC }), "m.rmx");
    const [variant] = (await compile(path, { profiles: ["sm_90a"] })).variants;
    const [kernel] = variant?.kernels ?? [];
    if (kernel === undefined) throw new Error("no kernel");
    const line = kernel.text.split("\n").findIndex((text) => / \+= .*\*/.test(text)) + 1;
    const env = { FAKE_NVCC_FAIL: `${kernel.name}:${line}`, RMXC_CACHE: folder() };
    const { status, said } = rmxc(["run", path, "--device", "cuda"], env);
    expect(status).toBe(3);
    expect(said).toContain(`error[RMX0803]: nvcc does not accept the kernel \`${kernel.name}\``);
    expect(said).toContain(`--> ${path}:4:`);
    expect(said).toMatch(/4 \| +task y = gelu\(einsum/);
    expect(said).toContain(`${kernel.name}.cu(${line}): error: identifier "nonsense" is undefined`);
    expect(said).toMatch(new RegExp(`line ${line}: .* \\+= `));
    expect(said).toMatch(/it is part of .*= dot over/);
  }, 120_000);

  /** A device so small that a CPU probes it in no time. */
  const tiny = { FAKE_CUDA_MULTIPROCESSORS: "1", FAKE_CUDA_L2: String(64 * 1024) };

  it("times calls and kernels beside what the device can do, in the model's own precision", () => {
    const precision = 'compute = bf16; "**.ffn.w*" = int8 per channel';
    const asked = ["bench", "examples/quickstart.rmx", "--device", "cuda", "--precision", precision];
    const { status, out, said } = rmxc([...asked, "--runs", "3", "--no-tuned", ...small], tiny);
    expect(status, said).toBe(0);
    expect(out).toMatch(/^device +Fake GPU$/m);
    expect(out).toMatch(/^measured +.*FLOP\/s in a product, .*FLOP\/s on tensor cores, .*B\/s in memory/m);
    expect(out).toMatch(/^call +4 requests, 5 candidates, bf16$/m);
    expect(out).toMatch(/^model +quickstart, .* stored: (.*, )?int8 per channel \d/m);
    for (const row of ["call", "user stage", "item stage", "read-back"])
      expect(out).toMatch(new RegExp(`^ *${row}( +\\d+\\.\\d+){5}$`, "m"));
    expect(out).toMatch(/^kernel +stage +form +time +share/m);
    expect(out).toMatch(/^\S+ +item +mma /m);
  }, 120_000);

  it("tunes, and keeps what it found for bench", () => {
    const cache = folder();
    const file = join(cache, "tuned.json");
    const ran = rmxc(
      [
        "tune",
        "examples/quickstart.rmx",
        "--device",
        "cuda",
        "--precision",
        "compute = bf16",
        "--budget",
        "1s",
        "-o",
        file,
        "--json",
        ...small,
      ],
      tiny,
    );
    expect(ran.status, ran.said).toBe(0);
    const { tuned } = JSON.parse(ran.out) as { tuned: { refused: string[]; tried: number }[] };
    expect(tuned.flatMap(({ refused }) => refused)).toEqual([]);
    expect(tuned.some(({ tried }) => tried > 1)).toBe(true);
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
