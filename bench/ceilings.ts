/**
 * @file The two ceilings of the device at hand, measured: a matrix product and a copy, each a kernel written by hand for nothing
 * else. What a model's stage takes at least is the larger of its FLOPs over the one and its bytes over the other.
 *
 * The product takes the form that serves the device best: where it is software, one subgroup a workgroup whose lanes hand rows
 * round (a load is what costs there); elsewhere tiles of 64 × 64 in workgroup memory, 4 × 4 accumulators a thread.
 */
import type { Ceilings } from "../src/cost/ceilings.ts";
import type { WebGpuDevice } from "../src/runtime/device.ts";
import { Waiter } from "../src/runtime/wait.ts";

const M = 256;
const K = 512;
const N = 512;
const COPY_BYTES = 64 * 2 ** 20;
/** Dispatches of a submission: at least so many that starting them does not count. */
const LEAST_SECONDS = 0.05;
const MOST_DISPATCHES = 4096;
const RUNS = 5;

export async function measureCeilings(device: WebGpuDevice): Promise<Ceilings> {
  const { profile } = device;
  const waiter = new Waiter(profile.features.software);
  const product = await fastest(device, waiter, productKernel(device), [M * K * 4, K * N * 4, M * N * 4]);
  const copied = await fastest(device, waiter, copyKernel(device), [COPY_BYTES, COPY_BYTES]);
  return { name: device.name, flops: (2 * M * K * N) / product, bandwidth: (2 * COPY_BYTES) / copied };
}

interface Anchor {
  readonly code: string;
  readonly workgroups: readonly [number, number];
}

function productKernel({ profile }: WebGpuDevice): Anchor {
  const { subgroup, features } = profile;
  const lanes = subgroup !== undefined && subgroup.min === subgroup.max ? subgroup.max : 0;
  return features.software && lanes > 0 ? bySubgroup(lanes) : byTiles();
}

/** 16 rows × 4 · lanes columns a workgroup. */
function bySubgroup(lanes: number): Anchor {
  const rows = 16;
  const blocks = Math.ceil(rows / lanes);
  const each = (count: number, line: (i: number) => string): string =>
    Array.from({ length: count }, (_, i) => line(i)).join("\n");
  const code = `
enable subgroups;
@group(0) @binding(0) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> c: array<vec4<f32>>;
@compute @workgroup_size(${lanes})
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) id: vec3<u32>) {
  let row = id.y * ${rows}u;
  let column = id.x * ${lanes}u + lane;
${each(rows, (r) => `  var s${r} = vec4<f32>(0.0);`)}
  for (var k = 0u; k < ${K / 4}u; k++) {
${each(blocks, (j) => `    let a${j} = a[min(row + lane + ${j * lanes}u, ${M - 1}u) * ${K / 4}u + k];`)}
${each(4, (e) =>
  [
    `    let b${e} = b[(4u * k + ${e}u) * ${N / 4}u + column];`,
    each(
      rows,
      (r) => `    s${r} += subgroupBroadcast(a${Math.floor(r / lanes)}[${e}], ${r % lanes}u) * b${e};`,
    ),
  ].join("\n"),
)}
  }
${each(rows, (r) => `  c[(row + ${r}u) * ${N / 4}u + column] = s${r};`)}
}`;
  return { code, workgroups: [N / (4 * lanes), M / rows] };
}

function byTiles(): Anchor {
  const code = `
const S = 64u;
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> c: array<vec4<f32>>;
var<workgroup> ta: array<f32, 1024>;
var<workgroup> tb: array<vec4<f32>, 256>;
@compute @workgroup_size(16, 16)
fn main(@builtin(local_invocation_id) at: vec3<u32>, @builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) id: vec3<u32>) {
  var s: array<vec4<f32>, 4>;
  for (var k = 0u; k < ${K}u; k += 16u) {
    for (var i = thread; i < 1024u; i += 256u) { ta[(i % 16u) * S + i / 16u] = a[(id.y * S + i / 16u) * ${K}u + k + i % 16u]; }
    tb[thread] = b[(k + thread / 16u) * ${N / 4}u + id.x * 16u + thread % 16u];
    workgroupBarrier();
    for (var j = 0u; j < 16u; j++) {
      let y = tb[j * 16u + at.x];
      for (var r = 0u; r < 4u; r++) { s[r] += ta[j * S + at.y * 4u + r] * y; }
    }
    workgroupBarrier();
  }
  for (var r = 0u; r < 4u; r++) { c[(id.y * S + at.y * 4u + r) * ${N / 4}u + id.x * 16u + at.x] = s[r]; }
}`;
  return { code, workgroups: [N / 64, M / 64] };
}

function copyKernel({ profile }: WebGpuDevice): Anchor {
  const threads = profile.features.software ? (profile.subgroup?.max ?? 64) : 256;
  const groups = COPY_BYTES / 16 / threads / 16;
  const x = Math.min(groups, 32768);
  const code = `
@group(0) @binding(0) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> c: array<vec4<f32>>;
@compute @workgroup_size(${threads})
fn main(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) id: vec3<u32>) {
  let first = (id.y * ${x}u + id.x) * ${threads * 16}u + thread;
${Array.from({ length: 16 }, (_, i) => `  c[first + ${i * threads}u] = a[first + ${i * threads}u];`).join("\n")}
}`;
  return { code, workgroups: [x, groups / x] };
}

/** The least seconds of one dispatch. */
async function fastest(
  { gpu }: WebGpuDevice,
  waiter: Waiter,
  { code, workgroups }: Anchor,
  sizes: readonly number[],
): Promise<number> {
  const module = gpu.createShaderModule({ code });
  const pipeline = await gpu.createComputePipelineAsync({ layout: "auto", compute: { module } });
  const buffers = sizes.map((size) => gpu.createBuffer({ size, usage: GPUBufferUsage.STORAGE }));
  const entries = buffers.map((buffer, binding) => ({ binding, resource: { buffer } }));
  const group = gpu.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
  const once = async (dispatches: number): Promise<number> => {
    const encoder = gpu.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    for (let i = 0; i < dispatches; i++) pass.dispatchWorkgroups(...workgroups);
    pass.end();
    const started = performance.now();
    gpu.queue.submit([encoder.finish()]);
    await waiter.wait(`${sizes.length} ${dispatches}`, gpu.queue.onSubmittedWorkDone());
    return (performance.now() - started) / 1000;
  };
  let dispatches = 1;
  await once(dispatches);
  while (dispatches < MOST_DISPATCHES && (await once(dispatches)) < LEAST_SECONDS) dispatches *= 2;
  let least = Number.POSITIVE_INFINITY;
  for (let run = 0; run < RUNS; run++) least = Math.min(least, await once(dispatches));
  for (const buffer of buffers) buffer.destroy();
  return least / dispatches;
}
