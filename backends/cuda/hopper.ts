/**
 * @file Hopper's own instructions (sm_90a) as small device functions, a PTX instruction each: barriers in shared memory, copies of tiles
 * by the bulk copy engine, products of a warpgroup (PTX ISA 8.x, "mbarrier", "cp.async.bulk.tensor", "wgmma.mma_async").
 *
 * Counters in memory are read and raised at the scope of the whole device. The copy engine reads memory by a proxy of its own: a fence
 * between the proxies stands behind the stores and before the copies (PTX ISA, "proxies", "fence.proxy").
 *
 * A product finds its operands by descriptors of 64 bits: the address (bits 0 … 13), the distance of tiles of 64 along the own axis
 * (16 … 29, of operands along their own axis alone), that of eight rows of 128 bytes (32 … 45), all in units of 16 bytes, and
 * the permutation over 128 bytes (62).
 */
import type { BulkAction, SharedPlace, ThreadMap } from "../../src/ir/bulk.ts";
import type { ThreadBinding, ThreadExpr } from "../../src/ir/thread.ts";
import type { Functions } from "./functions.ts";

const HEAD = "static __device__ __forceinline__";
const BARRIER = "const unsigned at = unsigned(__cvta_generic_to_shared(barrier));";

const FIXED = {
  mbarrier_init: [
    `${HEAD} void mbarrier_init(unsigned long long* barrier, unsigned arrivals) {`,
    `  ${BARRIER}`,
    '  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" : : "r"(at), "r"(arrivals) : "memory");',
    "}",
  ],
  fence_mbarrier_init: [
    `${HEAD} void fence_mbarrier_init() {`,
    '  asm volatile("fence.mbarrier_init.release.cluster;" : : : "memory");',
    "}",
  ],
  fence_proxy_async_global: [
    `${HEAD} void fence_proxy_async_global() {`,
    '  asm volatile("fence.proxy.async.global;" : : : "memory");',
    "}",
  ],
  counter_arrive: [
    `${HEAD} void counter_arrive(unsigned* counter) {`,
    '  asm volatile("red.release.gpu.global.add.u32 [%0], 1;" : : "l"(counter) : "memory");',
    "}",
  ],
  counter_await: [
    `${HEAD} void counter_await(const unsigned* counter, unsigned count) {`,
    "  unsigned seen;",
    "  do {",
    '    asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(seen) : "l"(counter) : "memory");',
    "  } while (seen < count);",
    "}",
  ],
  fence_proxy_async: [
    `${HEAD} void fence_proxy_async() {`,
    '  asm volatile("fence.proxy.async.shared::cta;" : : : "memory");',
    "}",
  ],
  mbarrier_arrive: [
    `${HEAD} void mbarrier_arrive(unsigned long long* barrier) {`,
    `  ${BARRIER}`,
    '  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" : : "r"(at) : "memory");',
    "}",
  ],
  mbarrier_arrive_at: [
    `${HEAD} void mbarrier_arrive_at(unsigned long long* barrier, unsigned block) {`,
    `  ${BARRIER}`,
    "  unsigned there;",
    '  asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(there) : "r"(at), "r"(block));',
    '  asm volatile("mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%0];" : : "r"(there) : "memory");',
    "}",
  ],
  cluster_sync: [
    `${HEAD} void cluster_sync() {`,
    '  asm volatile("barrier.cluster.arrive.release;" : : : "memory");',
    '  asm volatile("barrier.cluster.wait.acquire;" : : : "memory");',
    "}",
  ],
  mbarrier_arrive_copied: [
    `${HEAD} void mbarrier_arrive_copied(unsigned long long* barrier) {`,
    `  ${BARRIER}`,
    '  asm volatile("cp.async.mbarrier.arrive.noinc.shared::cta.b64 [%0];" : : "r"(at) : "memory");',
    "}",
  ],
  mbarrier_expect: [
    `${HEAD} void mbarrier_expect(unsigned long long* barrier, unsigned bytes) {`,
    `  ${BARRIER}`,
    '  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;"',
    '               : : "r"(at), "r"(bytes) : "memory");',
    "}",
  ],
  mbarrier_wait: [
    `${HEAD} void mbarrier_wait(unsigned long long* barrier, unsigned parity) {`,
    `  ${BARRIER}`,
    "  unsigned over;",
    "  do {",
    '    asm volatile("{.reg .pred p; mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2; selp.u32 %0, 1, 0, p;}"',
    '                 : "=r"(over) : "r"(at), "r"(parity) : "memory");',
    "  } while (over == 0);",
    "}",
  ],
  wgmma_fence: [
    `${HEAD} void wgmma_fence() {`,
    '  asm volatile("wgmma.fence.sync.aligned;" : : : "memory");',
    "}",
  ],
  wgmma_commit: [
    `${HEAD} void wgmma_commit() {`,
    '  asm volatile("wgmma.commit_group.sync.aligned;" : : : "memory");',
    "}",
  ],
  along_k: [
    `${HEAD} unsigned long long along_k(const uint4* tile) {`,
    "  const unsigned long long at = (__cvta_generic_to_shared(tile) & 0x3ffff) >> 4;",
    "  return at | 1ull << 16 | 64ull << 32 | 1ull << 62;",
    "}",
  ],
  along_own: [
    `${HEAD} unsigned long long along_own(const uint4* tile, unsigned long long block) {`,
    "  const unsigned long long at = (__cvta_generic_to_shared(tile) & 0x3ffff) >> 4;",
    "  return at | (block >> 4) << 16 | 64ull << 32 | 1ull << 62;",
    "}",
  ],
  at_1024: [
    `${HEAD} uint4* at_1024(uint4* memory) {`,
    "  const unsigned beyond = unsigned(__cvta_generic_to_shared(memory)) & 1023;",
    "  return memory + ((1024 - beyond) & 1023) / 16;",
    "}",
  ],
  bar_sync: [
    `${HEAD} void bar_sync(unsigned threads) {`,
    '  asm volatile("bar.sync 1, %0;" : : "r"(threads) : "memory");',
    "}",
  ],
  rmxc_tensor_map: ["struct __align__(64) rmxc_tensor_map { unsigned long long words[16]; };"],
} as const satisfies Readonly<Record<string, readonly string[]>>;

/** A function that is the same for all kernels. */
export function fixed(functions: Functions, name: keyof typeof FIXED): string {
  return functions.use(name, FIXED[name]);
}

/** Copies a box of a tensor of `rank` axes. */
function bulkLoad(functions: Functions, rank: number, cluster: number, once: boolean): string {
  fixed(functions, "rmxc_tensor_map");
  const shared = cluster > 1;
  const name = `bulk_load_${rank}d${shared ? "_to_all" : ""}${once ? "_once" : ""}`;
  const more = `${shared ? ".multicast::cluster" : ""}${once ? ".L2::cache_hint" : ""}`;
  const given = [...(shared ? ['"h"(blocks)'] : []), ...(once ? ['"l"(policy)'] : [])];
  const named = given.map((_, i) => `, %${rank + 3 + i}`).join("");
  const axes = Array.from({ length: rank }, (_, i) => i);
  const coordinates = axes.map((i) => `%${i + 3}`).join(", ");
  return functions.use(
    name,
    [
      `${HEAD} void ${name}(uint4* tile, const rmxc_tensor_map& map, unsigned long long* barrier,`,
      `    ${axes.map((i) => `int c${i}`).join(", ")}) {`,
      "  const unsigned to = unsigned(__cvta_generic_to_shared(tile));",
      `  ${BARRIER}`,
      ...(shared ? [`  const unsigned short blocks = ${2 ** cluster - 1};`] : []),
      ...(once
        ? [
            "  unsigned long long policy;",
            '  asm("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(policy));',
          ]
        : []),
      `  asm volatile("cp.async.bulk.tensor.${rank}d.shared::cluster.global.mbarrier::complete_tx::bytes${more} "`,
      `               "[%0], [%1, {${coordinates}}], [%2]${named};"`,
      `               : : "r"(to), "l"(&map), "r"(at), ${axes.map((i) => `"r"(c${i})`).join(", ")}${given.map((each) => `, ${each}`).join("")}`,
      '               : "memory");',
      "}",
    ],
    ["rmxc_tensor_map"],
  );
}

type Multiply = Extract<BulkAction, { kind: "wgmma"; action: "multiply" }>;

/** The product of a warpgroup: 64 × 16 by 16 × n. */
function multiply(functions: Functions, { half, sums, a, b }: Multiply): string {
  const n = 8 * sums.length;
  const orders = `${a.along === "k" ? "k" : "m"}${b.along === "k" ? "k" : "n"}`;
  const name = `wgmma_m64n${n}k16_${half}_${orders}`;
  const registers = 4 * sums.length;
  const transposed = [a, b].map(({ along }) => (along === "k" ? 0 : 1)).join(", ");
  return functions.use(name, [
    `${HEAD} void ${name}(`,
    ...wrapped(sums.map((_, i) => `float4& c${i},`)),
    "    unsigned long long a, unsigned long long b) {",
    `  asm volatile("wgmma.mma_async.sync.aligned.m64n${n}k16.f32.${half}.${half} {"`,
    ...wrapped(Array.from({ length: registers }, (_, i) => `%${i}${i === registers - 1 ? "}," : ","}`)).map(
      (line) => `               "${line.trim()} "`,
    ),
    `               "%${registers}, %${registers + 1}, 1, 1, 1, ${transposed};"`,
    "               :",
    ...wrapped(inAndOut(sums.length)),
    '               : "l"(a), "l"(b));',
    "}",
  ]);
}

/** Waits until `pending` groups at most are under way; what `count` groups of sums hold may be read from there on. */
function wait(functions: Functions, pending: number, count: number): string {
  const name = count === 0 ? `wgmma_wait_${pending}` : `wgmma_wait_${pending}_sums_${count}`;
  if (count === 0) {
    return functions.use(name, [
      `${HEAD} void ${name}() {`,
      `  asm volatile("wgmma.wait_group.sync.aligned ${pending};" : : : "memory");`,
      "}",
    ]);
  }
  const sums = Array.from({ length: count }, (_, i) => `float4& c${i}${i === count - 1 ? ") {" : ","}`);
  return functions.use(name, [
    `${HEAD} void ${name}(`,
    ...wrapped(sums),
    `  asm volatile("wgmma.wait_group.sync.aligned ${pending};"`,
    "               :",
    ...wrapped(inAndOut(count)),
    '               : : "memory");',
    "}",
  ]);
}

/** Operands that an instruction reads and writes. */
function inAndOut(count: number): string[] {
  return Array.from({ length: count }, (_, i) =>
    ["x", "y", "z", "w"].map((part) => `"+f"(c${i}.${part})`).join(", "),
  ).map((text, i) => (i === count - 1 ? text : `${text},`));
}

/** Words in lines of some length. */
function wrapped(words: readonly string[]): string[] {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last === undefined || last.length + word.length > 100) lines.push(`    ${word}`);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}

function registers(functions: Functions, change: "more" | "fewer", count: number): string {
  const name = `${change}_registers_${count}`;
  return functions.use(name, [
    `${HEAD} void ${name}() {`,
    `  asm volatile("setmaxnreg.${change === "more" ? "inc" : "dec"}.sync.aligned.u32 ${count};");`,
    "}",
  ]);
}

export function mapParameter({ name }: ThreadMap): string {
  return `const __grid_constant__ rmxc_tensor_map ${name}`;
}

/** A line about a map, innermost axis first. */
export function mapText({ name, element, axes }: ThreadMap): string {
  const each = axes.map(({ extent, stride, box }) => `${extent} by ${stride}, ${box} at once`);
  return `map    ${name}: ${element}, ${each.join("; ")}`;
}

/** An action as statements; `text` spells an expression that stands behind a `+`, `binding` gives one by its number. */
export function bulkLines(
  s: BulkAction,
  functions: Functions,
  text: (e: ThreadExpr) => string,
  binding: (at: number) => ThreadBinding,
): readonly string[] {
  const place = ({ array, index }: SharedPlace): string =>
    index.kind === "const" && index.value === 0 ? array : `${array} + ${text(index)}`;
  switch (s.kind) {
    case "counter": {
      if (s.action === "publish") return [`${fixed(functions, "fence_proxy_async_global")}();`];
      const at = place({ array: binding(s.binding).name, index: s.index });
      return s.action === "arrive"
        ? [`${fixed(functions, "counter_arrive")}(${at});`]
        : [`${fixed(functions, "counter_await")}(${at}, ${s.count});`];
    }
    case "mbarrier":
      switch (s.action) {
        case "init":
          return [`${fixed(functions, "mbarrier_init")}(${place(s.at)}, ${s.arrivals});`];
        case "publish":
          return [
            `${fixed(functions, "fence_mbarrier_init")}();`,
            `${fixed(functions, "fence_proxy_async")}();`,
          ];
        case "arrive":
          return [`${fixed(functions, "mbarrier_arrive")}(${place(s.at)});`];
        case "arrive_at":
          return [`${fixed(functions, "mbarrier_arrive_at")}(${place(s.at)}, ${text(s.rank)});`];
        case "arrive_copied":
          return [`${fixed(functions, "mbarrier_arrive_copied")}(${place(s.at)});`];
        case "expect":
          return [`${fixed(functions, "mbarrier_expect")}(${place(s.at)}, ${s.bytes});`];
        case "wait":
          return [`${fixed(functions, "mbarrier_wait")}(${place(s.at)}, ${text(s.parity)});`];
        default:
          return s satisfies never;
      }
    case "bulk_load": {
      const load = bulkLoad(functions, s.from.length, s.cluster ?? 1, s.once === true);
      const from = s.from.map((e) => text(e)).join(", ");
      return [`${load}(${place(s.to)}, ${s.map}, ${place(s.barrier)}, ${from});`];
    }
    case "wgmma":
      switch (s.action) {
        case "multiply": {
          const operand = ({ at, along, block }: Multiply["a"]): string =>
            along === "k"
              ? `${fixed(functions, "along_k")}(${place(at)})`
              : `${fixed(functions, "along_own")}(${place(at)}, ${block})`;
          const name = multiply(functions, s);
          return [
            `${name}(`,
            ...wrapped(s.sums.map((sum) => `${sum},`)),
            `    ${operand(s.a)}, ${operand(s.b)});`,
          ];
        }
        case "fence":
          return [`${fixed(functions, "wgmma_fence")}();`];
        case "fence_memory":
          return [`${fixed(functions, "fence_proxy_async")}();`];
        case "commit":
          return [`${fixed(functions, "wgmma_commit")}();`];
        case "wait": {
          const name = wait(functions, s.pending, s.sums.length);
          if (s.sums.length === 0) return [`${name}();`];
          const last = s.sums.length - 1;
          return [`${name}(`, ...wrapped(s.sums.map((sum, i) => `${sum}${i === last ? ");" : ","}`))];
        }
        default:
          return s satisfies never;
      }
    case "cluster_barrier":
      return [`${fixed(functions, "cluster_sync")}();`];
    case "registers":
      return [`${registers(functions, s.change, s.count)}();`];
    default:
      return s satisfies never;
  }
}
