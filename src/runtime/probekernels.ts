/**
 * @file The probe's kernels for WebGPU, written by hand for nothing else. (For CUDA: cuda/probekernels.ts.)
 *
 * The product takes the form that serves the device best: where it is software, one subgroup a workgroup whose lanes hand rows
 * round (a load is what costs there); elsewhere tiles of 64 × 64 in workgroup memory, 4 × 4 accumulators a thread.
 */
import type { KernelText } from "../ir/plan.ts";
import type { Profile } from "../ir/profile.ts";

export interface ProbeKernel {
  readonly text: KernelText;
  readonly workgroups: readonly [number, number];
  /** Bytes of each storage buffer. */
  readonly buffers: readonly number[];
  /** FLOPs of a product, bytes read and written of a copy. */
  readonly work: number;
  /** The kernel does its work `call.rows` times over: one dispatch is as long as need be. */
  readonly repeats?: true;
}

const M = 256;
const K = 512;
const N = 512;

type Access = KernelText["bindings"][number]["access"];

const PRODUCT: readonly Access[] = ["read", "read", "read_write"];

/** Binding 0 is the call's uniform, which a probe has no use for. */
function wgsl(name: string, text: string, access: readonly Access[]): KernelText {
  const bindings = access.map((each, value) => ({ value, access: each }));
  // The threads stand in the text, and WebGPU takes them from there.
  return { name, stage: "item", language: "wgsl", text, workgroup: 1, bindings };
}

export function matrixProduct({ subgroup, features }: Profile): ProbeKernel {
  const lanes = subgroup !== undefined && subgroup.min === subgroup.max ? subgroup.max : 0;
  const fits = lanes > 0 && N % (4 * lanes) === 0;
  return {
    ...(features.software && fits ? bySubgroup(lanes) : byTiles()),
    buffers: [4 * M * K, 4 * K * N, 4 * M * N],
    work: 2 * M * K * N,
  };
}

/** 16 rows × 4 · lanes columns a workgroup. */
function bySubgroup(lanes: number): Pick<ProbeKernel, "text" | "workgroups"> {
  const rows = 16;
  const blocks = Math.ceil(rows / lanes);
  const each = (count: number, line: (i: number) => string): string =>
    Array.from({ length: count }, (_, i) => line(i)).join("\n");
  const code = `
enable subgroups;
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> c: array<vec4<f32>>;
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
  return { text: wgsl("product", code, PRODUCT), workgroups: [N / (4 * lanes), M / rows] };
}

function byTiles(): Pick<ProbeKernel, "text" | "workgroups"> {
  const code = `
const S = 64u;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> c: array<vec4<f32>>;
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
  return { text: wgsl("product", code, PRODUCT), workgroups: [N / 64, M / 64] };
}

const MiB = 2 ** 20;

/** Larger than the caches of most devices. */
export function memoryCopy(profile: Profile): ProbeKernel {
  return copyOf(64 * MiB, profile);
}

/** What neighbouring kernels hand one another is often no larger. */
export function cachedCopy(profile: Profile): ProbeKernel {
  return copyOf(MiB / 2, profile);
}

/**
 * Reads as much, and writes a sum a thread: what a product of few rows does with its weights. Few workgroups go through it in a loop
 * whose end no driver knows, for what a workgroup costs is not what is asked here.
 */
export function memoryRead({ features, subgroup }: Profile): ProbeKernel {
  const bytes = 64 * MiB;
  const threads = features.software ? (subgroup?.max ?? 64) : 256;
  const groups = 512;
  const code = `
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> c: array<vec4<f32>>;
@compute @workgroup_size(${threads})
fn main(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) id: vec3<u32>) {
  let own = arrayLength(&a) / ${groups}u;
  let end = (id.x + 1u) * own;
  var sum = vec4<f32>(0.0);
  for (var i = id.x * own + thread; i < end; i += ${4 * threads}u) {
    sum += a[i] + a[i + ${threads}u] + (a[i + ${2 * threads}u] + a[i + ${3 * threads}u]);
  }
  c[id.x * ${threads}u + thread] = sum;
}`;
  return {
    text: wgsl("read", code, ["read", "read_write"]),
    workgroups: [groups, 1],
    buffers: [bytes, 16 * groups * threads],
    work: bytes,
  };
}

/** Sixteen vec4 a thread. */
function copyOf(bytes: number, { features, subgroup }: Profile): ProbeKernel {
  const threads = features.software ? (subgroup?.max ?? 64) : 256;
  const groups = bytes / 16 / threads / 16;
  const x = Math.min(groups, 32768);
  const code = `
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> c: array<vec4<f32>>;
@compute @workgroup_size(${threads})
fn main(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) id: vec3<u32>) {
  let first = (id.y * ${x}u + id.x) * ${threads * 16}u + thread;
${Array.from({ length: 16 }, (_, i) => `  c[first + ${i * threads}u] = a[first + ${i * threads}u];`).join("\n")}
}`;
  return {
    text: wgsl("copy", code, ["read", "read_write"]),
    workgroups: [x, groups / x],
    buffers: [bytes, bytes],
    work: 2 * bytes,
  };
}

export function nothing(): ProbeKernel {
  return {
    text: wgsl("nothing", "@compute @workgroup_size(1) fn main() {}", []),
    workgroups: [1, 1],
    buffers: [],
    work: 0,
  };
}
