/** What goes wrong with a driver, a compiler or a device, and what is said about it. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { InputError } from "../../src/ir/error.ts";
import type { KernelText } from "../../src/ir/plan.ts";
import { type CudaDevice, openDevice } from "../../src/runtime/device.ts";
import { BufferUsage, MapMode } from "../../src/runtime/engine/compute.ts";
import { type Fake, fakeCuda } from "./fake.ts";

let fake: Fake;
const before = { ...process.env };
let device: CudaDevice | undefined;

beforeAll(async () => {
  await fakeCuda();
}, 120_000);
beforeEach(async () => {
  fake = await fakeCuda({ fresh: true });
  Object.assign(process.env, fake.env);
});
afterEach(() => {
  device?.destroy();
  device = undefined;
  for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
  rmSync(fake.cache, { recursive: true, force: true });
});

async function open(): Promise<CudaDevice> {
  const opened = await openDevice("cuda");
  if (opened.kind !== "cuda") throw new Error("another device");
  device = opened;
  return opened;
}

async function failureOf(work: () => Promise<unknown>): Promise<InputError> {
  try {
    await work();
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
  throw new Error("nothing failed");
}

/** twice[i] = 2 · x[i] */
const twice: KernelText = {
  name: "twice",
  stage: "item",
  language: "cuda",
  workgroup: 32,
  bindings: [
    { value: 0, access: "read" },
    { value: 1, access: "read_write" },
  ],
  text: `struct rmxc_call { int rows, from, to, one; };
extern "C" __global__ void __launch_bounds__(32)
twice(
    const float* __restrict__ x,
    float* y,
    rmxc_call call) {
  const int i = int(blockIdx.x) * 32 + int(threadIdx.x);
  if (i >= call.rows) return;
  y[i] = 2.0f * x[i];
}
`,
};

const STORAGE = BufferUsage.STORAGE | BufferUsage.COPY_DST | BufferUsage.COPY_SRC;

/** Launches `twice` on some numbers. */
async function run({ gpu }: CudaDevice, rows: number): Promise<number[]> {
  const size = 4 * rows;
  const pipeline = (await gpu.createPipelines([twice], { pipelinesCreated: 0 }, () => {})).get("twice");
  if (pipeline === undefined) throw new Error("no pipeline");
  const call = gpu.createBuffer({
    label: "call",
    size: 16,
    usage: BufferUsage.UNIFORM | BufferUsage.COPY_DST,
  });
  const [x, y] = ["x", "y"].map((label) => gpu.createBuffer({ label, size, usage: STORAGE }));
  const read = gpu.createBuffer({ label: "read", size, usage: BufferUsage.MAP_READ | BufferUsage.COPY_DST });
  if (x === undefined || y === undefined) throw new Error("no buffers");
  gpu.queue.writeBuffer(call, 0, Int32Array.of(rows, 0, 0, 1).buffer, 0, 16);
  gpu.queue.writeBuffer(x, 0, Float32Array.from({ length: rows }, (_, i) => i).buffer, 0, size);
  const encoder = gpu.createCommandEncoder({ label: "test" });
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline.pipeline);
  pass.setBindGroup(
    0,
    pipeline.bind("twice", [{ buffer: call }, { buffer: x }, { buffer: y, written: true }]),
  );
  pass.dispatchWorkgroups(Math.ceil(rows / 32), 1);
  pass.end();
  encoder.copyBufferToBuffer(y, 0, read, 0, size);
  gpu.queue.submit([encoder.finish()]);
  await read.mapAsync(MapMode.READ);
  return [...new Float32Array(read.getMappedRange())];
}

describe("opening a device", () => {
  it("says where a driver was looked for", async () => {
    process.env.RMXC_LIBCUDA = "/nowhere/libcuda.so.1";
    const error = await failureOf(open);
    expect(error).toMatchObject({ code: "RMX0824", message: "there is no CUDA driver", exit: 3 });
    expect(error.notes.join()).toContain("/nowhere/libcuda.so.1");
    expect(error.help).toContain("RMXC_LIBCUDA");
  });

  it("says that the driver sees no device", async () => {
    process.env.FAKE_CUDA_DEVICES = "0";
    const error = await failureOf(open);
    expect(error).toMatchObject({ code: "RMX0824", message: "the CUDA driver sees no device" });
    expect(error.notes[0]).toContain("CUDA_ERROR_NO_DEVICE (100)");
    expect(error.help).toContain("CUDA_VISIBLE_DEVICES");
  });

  it("refuses a driver that is too old", async () => {
    process.env.FAKE_CUDA_VERSION = "11020";
    const error = await failureOf(open);
    expect(error).toMatchObject({ code: "RMX0824", message: expect.stringContaining("CUDA 11.2") });
  });

  it("refuses a GPU that is too old, and names it", async () => {
    process.env.FAKE_CUDA_CAPABILITY = "75";
    const error = await failureOf(open);
    expect(error).toMatchObject({ code: "RMX0824", notes: ["Fake GPU: 7.5"] });
  });

  it("says that there is no compiler, and how to get one", async () => {
    process.env.RMXC_NVCC = "/nowhere/nvcc";
    const error = await failureOf(open);
    expect(error.code).toBe("RMX0825");
    expect(error.notes.join()).toContain("no-nvrtc");
    expect(error.notes.join()).toContain("/nowhere/nvcc");
    expect(error.help).toContain("pip install");
  });

  it("makes a profile of the device's attributes", async () => {
    process.env.FAKE_CUDA_CAPABILITY = "89";
    process.env.FAKE_CUDA_MEMORY = String(2 ** 31);
    const { profile, name, description } = await open();
    expect(name).toBe("Fake GPU");
    expect(description).toBe("Fake GPU · sm_89 · 2.0 GiB · driver of CUDA 12.4 · nvcc 12.4.131");
    expect(profile).toMatchObject({ cuda: { arch: "sm_89" }, subgroup: { min: 32, max: 32 } });
    expect(profile.limits.bufferSize).toBe(2 ** 31);
  });

  it("does without a device where `auto` may choose", async () => {
    process.env.FAKE_CUDA_DEVICES = "0";
    const opened = await openDevice("auto", { quiet: true });
    expect(opened.kind).not.toBe("cuda");
    expect(opened.notice ?? "").not.toContain("CUDA");
    opened.destroy();
  });

  it("says under `auto` that a GPU lies idle for want of a compiler", async () => {
    process.env.RMXC_NVCC = "/nowhere/nvcc";
    const opened = await openDevice("auto", { quiet: true });
    expect(opened.kind).toBe("webgpu");
    expect(opened.notice).toContain("CUDA is not used: there is no CUDA compiler");
    opened.destroy();
  });
});

describe("kernels", () => {
  it("run, and are compiled once for a text", async () => {
    const opened = await open();
    expect(await run(opened, 40)).toEqual(Array.from({ length: 40 }, (_, i) => 2 * i));
    expect(await run(opened, 1)).toEqual([0]);
    expect(readdirSync(join(fake.cache, "cubins"))).toHaveLength(1);
  });

  it("come from the cache in another process, and are compiled again if the file is damaged", async () => {
    await run(await open(), 3);
    device?.destroy();
    const folder = join(fake.cache, "cubins");
    const [file = ""] = readdirSync(folder);
    process.env.FAKE_NVCC_FAIL = "twice";
    expect(await run(await open(), 3)).toEqual([0, 2, 4]);
    device?.destroy();
    delete process.env.FAKE_NVCC_FAIL;
    writeFileSync(join(folder, file), "this is no machine code at all");
    expect(await run(await open(), 3)).toEqual([0, 2, 4]);
  });

  it("run where the cache cannot be written", async () => {
    mkdirSync(fake.cache, { recursive: true });
    writeFileSync(join(fake.cache, "file"), "");
    process.env.RMXC_CACHE = join(fake.cache, "file");
    expect(await run(await open(), 3)).toEqual([0, 2, 4]);
  });

  it("that do not compile give the compiler's message", async () => {
    process.env.FAKE_NVCC_FAIL = "twice";
    const opened = await open();
    const error = await failureOf(() => run(opened, 3));
    expect(error).toMatchObject({ code: "RMX0803", message: "nvcc does not accept the kernel `twice`" });
    expect(error.notes[0]).toBe('twice.cu(3): error: identifier "nonsense" is undefined');
  });

  it("that the device does not take are named, with who compiled them", async () => {
    process.env.FAKE_NVCC_JUNK = "1";
    const opened = await open();
    const error = await failureOf(() => run(opened, 3));
    expect(error).toMatchObject({ code: "RMX0826", message: expect.stringContaining("`twice`") });
    expect(error.notes.join()).toContain("CUDA_ERROR_INVALID_IMAGE");
    expect(error.notes.join()).toContain("nvcc 12.4.131 compiled it for sm_90a");
  });

  it("with more threads than their registers leave room for are refused", async () => {
    process.env.FAKE_CUDA_THREADS = "16";
    const opened = await open();
    expect((await failureOf(() => run(opened, 3))).notes[0]).toContain("32");
  });
});

describe("NVRTC", () => {
  it("goes before nvcc, and has a cache of its own", async () => {
    await run(await open(), 3);
    device?.destroy();
    process.env.RMXC_NVRTC = fake.nvrtc;
    const opened = await open();
    expect(opened.description).toContain("NVRTC 12.4");
    expect(await run(opened, 3)).toEqual([0, 2, 4]);
    expect(readdirSync(join(fake.cache, "cubins"))).toHaveLength(2);
  });

  it("gives its messages", async () => {
    process.env.RMXC_NVRTC = fake.nvrtc;
    process.env.FAKE_NVCC_FAIL = "twice";
    const opened = await open();
    const error = await failureOf(() => run(opened, 3));
    expect(error).toMatchObject({ code: "RMX0803", message: "NVRTC does not accept the kernel `twice`" });
    expect(error.notes[0]).toContain('error: identifier "nonsense" is undefined');
  });

  it("of a later version than the driver serves is left aside", async () => {
    process.env.RMXC_NVRTC = fake.nvrtc;
    process.env.FAKE_NVRTC_VERSION = "13000";
    expect((await open()).description).toContain("nvcc 12.4");
    process.env.RMXC_NVCC = "/nowhere/nvcc";
    const error = await failureOf(() => openDevice("cuda"));
    expect(error.notes.join()).toContain("NVRTC 13.0 is newer than the driver");
  });
});

describe("the device", () => {
  it("that is out of memory says what was asked for and what is left", async () => {
    process.env.FAKE_CUDA_MEMORY = String(3 * 2 ** 20);
    const { gpu } = await open();
    const error = await failureOf(async () => {
      gpu.createBuffer({ label: "embedding", size: 2 ** 21, usage: STORAGE });
      gpu.createBuffer({ label: "experts", size: 2 ** 21, usage: STORAGE });
    });
    expect(error).toMatchObject({ code: "RMX0805", message: "`experts` does not fit the device's memory" });
    expect(error.notes).toEqual(["it takes 2.0 MiB", "1.0 MiB of the device's 3.0 MiB are free"]);
  });

  it("that is lost says so, to the call that is under way and to all later ones", async () => {
    const opened = await open();
    await run(opened, 3);
    process.env.FAKE_CUDA_FAIL = "cuEventSynchronize:700";
    const error = await failureOf(() => run(opened, 3));
    expect(error).toMatchObject({ code: "RMX0804", message: "the CUDA device was lost" });
    expect(error.notes[0]).toContain("CUDA_ERROR_ILLEGAL_ADDRESS (700): an illegal memory access");
    expect(await opened.lost).toContain("CUDA_ERROR_ILLEGAL_ADDRESS");
    delete process.env.FAKE_CUDA_FAIL;
    opened.destroy();
    expect(await run(await open(), 3)).toEqual([0, 2, 4]);
  });

  it("whose driver refuses a call names the call", async () => {
    const opened = await open();
    process.env.FAKE_CUDA_FAIL = "cuLaunchKernel:1";
    const error = await failureOf(() => run(opened, 3));
    expect(error.code).toBe("RMX0807");
    expect(error.notes[0]).toMatch(/^cuLaunchKernel: .* \(1\)/);
  });

  it("is waited for by looking where its driver wants a context on every thread", async () => {
    process.env.FAKE_CUDA_STRICT = "1";
    expect(await run(await open(), 3)).toEqual([0, 2, 4]);
  });
});
