/**
 * @file The rate of the emitted product kernels beside that of the anchor (`anchor.wgsl`), a product written by hand for one shape
 * and frozen, in one run on one device.
 *
 *     npm run bench:anchor [-- --runs 15 --set D=256 --candidates 128]
 *
 * The kernels are those of workload R (bench/workloads/rankmixer_blocks.rmx), each alone on buffers of zeros and dispatched as the
 * engine would. Rounds go through all of them in turn, so that what else the machine does meets them alike; figures are medians.
 * Next to the rate by the clock stands the one by the time that this process had on a core, which other load disturbs less.
 */
import { readFileSync } from "node:fs";
import { table } from "../src/cli/text.ts";
import { compileFor } from "../src/compile.ts";
import { openDevice } from "../src/index.ts";
import type { KernelText, Plan } from "../src/ir/plan.ts";
import { partsOf, type TileKernel, workgroupsOf } from "../src/ir/tile.ts";
import type { WebGpuDevice } from "../src/runtime/device.ts";
import { Waiter } from "../src/runtime/wait.ts";
import { elaborateSpec } from "../src/spec.ts";
import { median } from "../src/statistics.ts";
import { allKernels } from "../src/variant.ts";

const SPEC = "bench/workloads/rankmixer_blocks.rmx";
const ANCHOR = { P: 16, M: 128, K: 1024, N: 256 };
/** A submission lasts at least so long: starting it does not count. */
const LEAST_MS = 30;

interface Job {
  readonly name: string;
  readonly flops: number;
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
  readonly workgroups: readonly [number, number, number];
  /** Of the pipeline's creation and its first dispatch. */
  readonly compileMs: number;
  dispatches: number;
  readonly wall: number[];
  readonly cpu: number[];
}

function option(name: string, fallback: string): string {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : (process.argv[at + 1] ?? fallback);
}

const runs = Number(option("runs", "15"));
const candidates = Number(option("candidates", "128"));
const sets: Record<string, string> = { D: "256" };
process.argv.forEach((word, i) => {
  const [name, value] = (process.argv[i + 1] ?? "").split("=");
  if (word === "--set" && name !== undefined && value !== undefined) sets[name] = value;
});

async function prepare(
  { gpu }: WebGpuDevice,
  code: string,
  bytes: readonly number[],
  call: readonly number[],
  rest: Pick<Job, "name" | "flops" | "workgroups">,
): Promise<Job> {
  const started = performance.now();
  const module = gpu.createShaderModule({ code });
  const pipeline = await gpu.createComputePipelineAsync({ layout: "auto", compute: { module } });
  const uniform = gpu.createBuffer({ size: 16, usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST });
  gpu.queue.writeBuffer(uniform, 0, new Int32Array(call));
  const storage = bytes.map((size) => gpu.createBuffer({ size, usage: GPUBufferUsage.STORAGE }));
  const entries = [uniform, ...storage].map((buffer, binding) => ({ binding, resource: { buffer } }));
  const group = gpu.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
  const job: Job = { ...rest, pipeline, group, compileMs: 0, dispatches: 1, wall: [], cpu: [] };
  await once(gpu, waiter, job);
  return { ...job, compileMs: performance.now() - started };
}

/** Milliseconds of `job.dispatches` dispatches by the clock, and on a core. */
async function once(gpu: GPUDevice, wait: Waiter, job: Job): Promise<{ wall: number; cpu: number }> {
  const encoder = gpu.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(job.pipeline);
  pass.setBindGroup(0, job.group);
  for (let i = 0; i < job.dispatches; i++) pass.dispatchWorkgroups(...job.workgroups);
  pass.end();
  const before = process.cpuUsage();
  const started = performance.now();
  gpu.queue.submit([encoder.finish()]);
  await wait.wait(`${job.name} ${job.dispatches}`, gpu.queue.onSubmittedWorkDone());
  const wall = performance.now() - started;
  const { user, system } = process.cpuUsage(before);
  return { wall, cpu: (user + system) / 1000 };
}

/** The bytes of each storage binding for `rows` rows of the batch axis. */
function bindingBytes(text: KernelText, plan: Plan, rows: number): number[] {
  return text.bindings.map(({ value }) => {
    const { unit, shape } = plan.values[value] as Plan["values"][number];
    return 4 * unit * (typeof shape[0] === "number" || shape.length === 0 ? 1 : rows);
  });
}

function isProduct(kernel: TileKernel): boolean {
  return partsOf(kernel).some((part) => part.body.some((s) => s.kind === "dot"));
}

const device = await openDevice("webgpu", { quiet: true });
if (device.kind !== "webgpu") throw new Error("internal: no WebGPU device");
const waiter = new Waiter(device.profile.features.software);
const { graph } = elaborateSpec(SPEC, { set: sets });
const { plan, kernels } = compileFor(graph, device.profile);
const { P, M, K, N } = ANCHOR;
const jobs = [
  await prepare(
    device,
    readFileSync("bench/anchor.wgsl", "utf8"),
    [4 * P * M * K, 4 * P * K * N, 4 * P * M * N],
    [K / 4, 0, 0, 0],
    { name: "anchor", flops: 2 * P * M * K * N, workgroups: [N / 32, M / 32, P] },
  ),
];
for (const [i, kernel] of allKernels(plan).entries()) {
  const text = kernels[i];
  if (text === undefined || !isProduct(kernel)) continue;
  const { limits } = device.profile;
  const total = workgroupsOf(kernel, candidates);
  const x = Math.min(total, limits.workgroups);
  const workgroups = [x, Math.ceil(total / x), 1] as const;
  const flops = kernel.about.flops * (kernel.stage === "item" ? candidates : 1);
  const call = [candidates, 0, 0, 1];
  const bytes = bindingBytes(text, plan, candidates);
  jobs.push(await prepare(device, text.text, bytes, call, { name: kernel.name, flops, workgroups }));
}
for (const job of jobs) {
  const { wall } = await once(device.gpu, waiter, job);
  job.dispatches = Math.max(1, Math.ceil(LEAST_MS / wall));
}
for (let run = 0; run < runs; run++) {
  for (const job of jobs) {
    const { wall, cpu } = await once(device.gpu, waiter, job);
    job.wall.push(wall / job.dispatches);
    job.cpu.push(cpu / job.dispatches);
  }
}
const rate = (job: Job, times: readonly number[]): number => job.flops / median(times) / 1e6;
const [anchor] = jobs as [Job];
console.log(
  table(
    ["kernel", "ms", "GFLOP/s", "of the anchor", "GFLOP/s a core", "of the anchor", "first dispatch, ms"],
    jobs.map((job) => [
      job.name,
      median(job.wall).toFixed(2),
      rate(job, job.wall).toFixed(1),
      `${((100 * rate(job, job.wall)) / rate(anchor, anchor.wall)).toFixed(0)} %`,
      rate(job, job.cpu).toFixed(1),
      `${((100 * rate(job, job.cpu)) / rate(anchor, anchor.cpu)).toFixed(0)} %`,
      job.compileMs.toFixed(0),
    ]),
    ["left", "right", "right", "right", "right", "right", "right"],
  ),
);
device.destroy();
