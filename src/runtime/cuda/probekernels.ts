/**
 * @file The probe's kernels for CUDA, as thread programs that the same printer spells which spells a model's.
 *
 * The rates are those of instructions that wait for no memory: each thread (warp) keeps eight sums in registers and feeds the pipeline
 * with them in turn, on enough blocks for every multiprocessor. `mma.sync` is what all architectures have; on sm_90a warpgroups multiply
 * (`wgmma`) what stays in workgroup memory, half as fast again. The copies move 16 bytes a thread at a time, sixteen times.
 */
import { printCuda } from "../../../backends/cuda/print.ts";
import {
  addI,
  builtin,
  call,
  component,
  constant,
  divI,
  F32X4,
  i32,
  mulI,
  type SharedArray,
  type ThreadBinding,
  type ThreadExpr,
  type ThreadProgram,
  type ThreadStmt,
  U32X4,
  variable,
} from "../../ir/thread.ts";
import type { CudaDevice } from "../device.ts";
import type { ProbeKernels } from "../probe.ts";
import type { ProbeKernel } from "../probekernels.ts";

const THREADS = 256;
/** As many blocks as a multiprocessor holds at a time. */
const BLOCKS = 2048 / THREADS;
const SUMS = 8;
/** Groups of 16 bytes that a thread copies. */
const COPIED = 16;
const SMALL = 16;

const KiB = 1024;

export function cudaProbe({
  multiprocessors,
  l2Bytes,
  profile,
}: Pick<CudaDevice, "multiprocessors" | "l2Bytes" | "profile">): ProbeKernels {
  const blocks = BLOCKS * multiprocessors;
  return {
    product: products(blocks),
    tensor: profile.cuda?.arch === "sm_90a" ? warpgroupProducts(multiprocessors) : tensorProducts(blocks),
    copy: copyOf(4 * l2Bytes),
    cached: copyOf(l2Bytes / 8),
    empty: empty(),
  };
}

const thread = builtin("thread");
const group = builtin("workgroup");
const sums = Array.from({ length: SUMS }, (_, i) => `s${i}`);

/** s = s · x + y on the CUDA cores: eight chains of four sums each. */
function products(blocks: number): ProbeKernel {
  const x = variable("x", F32X4);
  const round = sums.map((name): ThreadStmt => {
    const sum = variable(name, F32X4);
    return { kind: "assign", name, value: call("add", F32X4, call("mul", F32X4, sum, x), x) };
  });
  return {
    ...kernel("probe_product", f32s, [
      { kind: "let", name: "x", value: { kind: "load", binding: 0, index: thread, type: F32X4 } },
      ...repeated(round),
    ]),
    workgroups: [blocks, 1],
    buffers: [SMALL * THREADS, SMALL * THREADS],
    work: 2 * 4 * SUMS * THREADS * blocks,
    repeats: true,
  };
}

const MMA_FLOPS = 2 * 16 * 8 * 16;

/** Eight accumulators a warp; what they multiply stays in registers. */
function tensorProducts(blocks: number): ProbeKernel {
  const words = variable("x", U32X4);
  const round = sums.map(
    (acc): ThreadStmt => ({
      kind: "mma",
      format: "bf16",
      acc,
      a: words,
      b: [component(words, 0), component(words, 1)],
    }),
  );
  return {
    ...kernel("probe_tensor", u32s, [
      { kind: "let", name: "x", value: { kind: "load", binding: 0, index: thread, type: U32X4 } },
      ...repeated(round),
    ]),
    workgroups: [blocks, 1],
    buffers: [SMALL * THREADS, SMALL * THREADS],
    work: (MMA_FLOPS * SUMS * THREADS * blocks) / 32,
    repeats: true,
  };
}

const WARPGROUP = 128;
const COLUMNS = 256;
/** k of a round, in products of 16. */
const DEPTHS = 4;
/** Groups of 16 bytes of 64 × 64 numbers of 16 bits, and of 16 rows of them. */
const TILE = 512;
const DEPTH = TILE / DEPTHS;
const WGMMA_FLOPS = 2 * 64 * COLUMNS * 16;

/** Two warpgroups of 64 × 256 sums a multiprocessor. What they multiply is the input, whatever that is, and stays where it is. */
function warpgroupProducts(multiprocessors: number): ProbeKernel {
  const groups = THREADS / WARPGROUP;
  const array = "tiles";
  const count = TILE * (groups + COLUMNS / 64);
  const named = Array.from({ length: COLUMNS / 8 }, (_, i) => `s${i}`);
  const own = mulI(divI(thread, i32(WARPGROUP)), i32(TILE));
  const multiply = (depth: number): ThreadStmt => ({
    kind: "wgmma",
    action: "multiply",
    half: "bf16",
    sums: named,
    a: { at: { array, index: addI(own, i32(2 * depth)) }, along: "k", block: 0 },
    b: { at: { array, index: i32(groups * TILE + depth * DEPTH) }, along: "own", block: 16 * TILE },
  });
  const input: ThreadExpr = { kind: "load", binding: 0, index: thread, type: U32X4 };
  const at = variable("at", thread.type);
  const fill: ThreadStmt = { kind: "store_shared", array, index: at, value: variable("x", U32X4) };
  const text = kernel(
    "probe_warpgroups",
    u32s,
    [
      { kind: "let", name: "x", value: input },
      { kind: "for", name: "at", from: thread, to: i32(count), step: i32(THREADS), body: [fill] },
      { kind: "wgmma", action: "fence_memory" },
      { kind: "barrier" },
      ...repeated(
        [
          { kind: "wgmma", action: "fence" },
          ...Array.from({ length: DEPTHS }, (_, depth) => multiply(depth)),
          { kind: "wgmma", action: "commit" },
          { kind: "wgmma", action: "wait", pending: 1, sums: [] },
        ],
        named,
        [{ kind: "wgmma", action: "wait", pending: 0, sums: named }],
      ),
    ],
    [{ name: array, type: U32X4, count, dynamic: true }],
  );
  return {
    ...text,
    workgroups: [multiprocessors, 1],
    buffers: [SMALL * THREADS, SMALL * THREADS],
    work: WGMMA_FLOPS * DEPTHS * groups * multiprocessors,
    repeats: true,
  };
}

/** The sums begin as zeros; all of them are stored in the end, so that none is left out. */
function repeated(
  round: readonly ThreadStmt[],
  named: readonly string[] = sums,
  after: readonly ThreadStmt[] = [],
): ThreadStmt[] {
  const all = named
    .map((name): ThreadExpr => variable(name, F32X4))
    .reduce((total, sum) => call("add", F32X4, total, sum));
  return [
    ...named.map((name): ThreadStmt => ({ kind: "var", name, type: F32X4, value: constant(0, F32X4) })),
    { kind: "for", name: "round", from: i32(0), to: builtin("call.rows"), step: i32(1), body: round },
    ...after,
    { kind: "store", binding: 1, index: thread, value: all },
  ];
}

/** From a buffer of at least `bytes` to another one. */
function copyOf(bytes: number): ProbeKernel {
  const block = SMALL * THREADS * COPIED;
  const blocks = Math.max(1, Math.ceil(bytes / block));
  const first = addI(mulI(group, i32(THREADS * COPIED)), thread);
  const at = (i: number): ThreadExpr => addI(variable("first", first.type), i32(i * THREADS));
  const numbers = Array.from({ length: COPIED }, (_, i) => i);
  return {
    ...kernel("probe_copy", f32s, [
      { kind: "let", name: "first", value: first },
      ...numbers.map(
        (i): ThreadStmt => ({
          kind: "let",
          name: `x${i}`,
          value: { kind: "load", binding: 0, index: at(i), type: F32X4 },
        }),
      ),
      ...numbers.map(
        (i): ThreadStmt => ({ kind: "store", binding: 1, index: at(i), value: variable(`x${i}`, F32X4) }),
      ),
    ]),
    workgroups: [blocks, 1],
    buffers: [blocks * block, blocks * block],
    work: 2 * blocks * block,
  };
}

function empty(): ProbeKernel {
  const nothing: ThreadStmt = { kind: "return" };
  return { ...kernel("probe_nothing", f32s, [nothing]), workgroups: [1, 1], buffers: [KiB, KiB], work: 0 };
}

const written: ThreadBinding = { name: "y", value: 1, access: "read_write", element: "f32", width: 4 };
const f32s: readonly ThreadBinding[] = [
  { name: "x_in", value: 0, access: "read", element: "f32", width: 4 },
  written,
];
const u32s: readonly ThreadBinding[] = [
  { name: "x_in", value: 0, access: "read", element: "u32", width: 4 },
  written,
];

function kernel(
  name: string,
  bindings: readonly ThreadBinding[],
  body: readonly ThreadStmt[],
  shared: readonly SharedArray[] = [],
): Pick<ProbeKernel, "text"> {
  const program: ThreadProgram = {
    name,
    stage: "item",
    workgroup: THREADS,
    header: [`${name}: a ceiling of the device, measured`],
    bindings,
    shared,
    body,
  };
  return { text: printCuda(program) };
}
