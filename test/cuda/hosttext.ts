/**
 * @file CUDA-C → C++ for the host: wraps the texts of a model's kernels so that `prelude.hpp` makes sense of them. All that changes
 * in a text are its PTX statements, each of which becomes a call of the function of its instruction's name in `namespace ptx`, and the
 * size of the memory that a launch asks for.
 *
 *     asm volatile("max.NaN.f32 %0, %1, %2;" : "=f"(y) : "f"(a), "f"(b));   →   ptx::max_NaN_f32(y, a, b);
 */
import type { KernelText } from "../../src/ir/plan.ts";

/** One file with all kernels and the table of them. */
export function hostText(kernels: readonly KernelText[]): string {
  const parts = kernels.map((kernel, i) =>
    [
      "#undef __shared__",
      `#define __shared__ __attribute__((section("shared_${i}"), aligned(16)))`,
      `namespace kernel_${i} {`,
      translated(withMemory(kernel)),
      "}",
      ...(usesShared(kernel) ? [`extern "C" char __start_shared_${i}[], __stop_shared_${i}[];`] : []),
    ].join("\n"),
  );
  const table = kernels.map((kernel, i) => {
    const shared = usesShared(kernel) ? `__start_shared_${i}, __stop_shared_${i}` : "nullptr, nullptr";
    const run = `[](host::Arguments& given) { host::call(kernel_${i}::${kernel.name}, given); }`;
    const flags = `${meets(kernel)}, ${together(kernel)}`;
    return `  {${kernel.workgroup}, ${clusterOf(kernel)}, ${flags}, ${shared}, ${run}},`;
  });
  return [
    '#include "prelude.hpp"',
    "extern const host::Kernel kernels[];",
    ...parts,
    "const host::Kernel kernels[] = {",
    ...table,
    "};",
    "",
  ].join("\n");
}

/** The memory that a launch asks for is declared where the text speaks of it. */
function withMemory({ text, sharedBytes = 0 }: KernelText): string {
  const declared = `static __shared__ uint4 launch_memory[${sharedBytes / 16}];`;
  return text.replace("extern __shared__ uint4 launch_memory[];", declared);
}

function usesShared({ text }: KernelText): boolean {
  return /\b__shared__\b/.test(text);
}

/** Blocks that run together and reach each other's shared memory. */
function clusterOf({ text }: KernelText): string {
  return /__cluster_dims__\((\d+)/.exec(text)?.[1] ?? "1";
}

/** Whether threads wait for each other. */
function meets({ text }: KernelText): boolean {
  return /__syncthreads|__shfl|__syncwarp|\basm volatile\b/.test(text);
}

/** Whether blocks do. */
function together({ text }: KernelText): boolean {
  return /\bld\.acquire\.gpu\b/.test(text);
}

const PTX = /\basm(?: volatile)?\(((?:\s*"[^"]*")+)((?:[^;"]|"[^"]*")*)\);/g;

/** The text with its PTX statements as calls. */
export function translated(text: string): string {
  return text.replace(PTX, (_, template: string, operands: string) => {
    const written = [...template.matchAll(/"([^"]*)"/g)].map((m) => m[1]).join("");
    // An instruction that answers with a predicate stands between its declaration and its use as a number.
    const instruction = written.replace(
      /^\{\.reg \.pred p; ([\w.:]+) p, (.*;) selp\.u32 (%\d+), 1, 0, p;\}$/,
      "$1 $3, $2",
    );
    const values = [...operands.matchAll(/"[^"]*"\s*\(((?:[^()]|\((?:[^()]|\([^()]*\))*\))*)\)/g)].map(
      (m) => m[1],
    );
    const match = /^\s*([\w.:]+)\s*([^;]*);\s*$/.exec(instruction);
    if (match === null) throw new Error(`not one PTX instruction: ${instruction}`);
    const [, name = "", rest = ""] = match;
    const args = rest
      .replace(/[{}[\]]/g, "")
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== "" && part !== "_")
      .map((part) =>
        part.replace(/%(\d+)/g, (_whole, i: string) => values[Number(i)] ?? `/* no operand ${i} */`),
      );
    return `ptx::${name.replace(/[.:]+/g, "_")}(${args.join(", ")});`;
  });
}
