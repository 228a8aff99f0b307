/**
 * @file An `nvcc` that compiles for the fake driver: the text becomes a shared library of the host (test/cuda's prelude), in a file
 * that calls itself machine code. Takes the arguments that src/runtime/cuda/nvcc.ts gives.
 *
 *     FAKE_NVCC_FAIL=NAME:LINE   the kernel of that name does not compile, for what stands in that line (default 3)
 *     FAKE_NVCC_JUNK=1           what comes out is no machine code
 */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { KernelText } from "../../src/ir/plan.ts";
import { hostText } from "../cuda/hosttext.ts";

const FLAGS = ["-std=c++17", "-O1", "-fPIC", "-fno-strict-aliasing", "-ffp-contract=off", "-w"];

/** What a launch of Hopper may ask for. */
const MOST_SHARED_BYTES = 227 * 1024;

main(process.argv.slice(2));

function main(args: readonly string[]): void {
  if (args.includes("--version")) console.log("Cuda compilation tools, release 12.4, V12.4.131");
  else if (args.includes("--list-gpu-code")) console.log(["sm_80", "sm_89", "sm_90"].join("\n"));
  else compile(args.at(-1) ?? "", args[args.indexOf("-o") + 1] ?? "");
}

function compile(source: string, image: string): void {
  const text = readFileSync(source, "utf8");
  const name = basename(source, ".cu");
  const [failing, line = 3] = process.env.FAKE_NVCC_FAIL?.split(":") ?? [];
  if (failing === name) {
    console.error(`${source}(${line}): error: identifier "nonsense" is undefined\n1 error detected`);
    process.exit(1);
  }
  const library = `${image}.so`;
  const cpp = `${image}.cpp`;
  const kernel = kernelOf(name, text);
  writeFileSync(
    cpp,
    [
      hostText([kernel]),
      `extern "C" { extern const int fake_arity = ${kernel.bindings.length + 1}; extern const int fake_maps = ${mapsOf(text)}; extern const char fake_name[] = "${name}"; }`,
    ].join("\n"),
  );
  const support = process.env.FAKE_NVCC_SUPPORT ?? "";
  execFileSync("g++", [
    ...FLAGS,
    "-shared",
    "-Wl,-Bsymbolic",
    "-I",
    support,
    cpp,
    join(support, "fakemodule.o"),
    join(support, "ptx.o"),
    join(support, "hopper.o"),
    "-o",
    library,
  ]);
  const code = process.env.FAKE_NVCC_JUNK ? Buffer.from("junk that is long enough") : readFileSync(library);
  const head = Buffer.alloc(16);
  head.write(process.env.FAKE_NVCC_JUNK ? "JUNKJUNK" : "RMXFAKE1", "latin1");
  head.writeBigUInt64LE(BigInt(code.length), 8);
  writeFileSync(image, Buffer.concat([head, code]));
}

/** Tensor maps among a kernel's parameters. */
function mapsOf(text: string): number {
  return text.match(/__grid_constant__/g)?.length ?? 0;
}

/** What `hostText` needs to know, read from the text: the block, and how many bindings there are. */
function kernelOf(name: string, text: string): KernelText {
  const head = /__launch_bounds__\((\d+)[^)]*\)\s*\w+\(([^)]*)\)/.exec(text);
  if (head === null) throw new Error(`no kernel in ${dirname(name)}`);
  const [, threads = "", parameters = ""] = head;
  const bindings = parameters.split(",").length - 1 - mapsOf(parameters);
  return {
    name,
    stage: "item",
    language: "cuda",
    text,
    workgroup: Number(threads),
    sharedBytes: MOST_SHARED_BYTES,
    bindings: Array.from({ length: bindings }, (_, value) => ({ value, access: "read" as const })),
  };
}
