/**
 * @file A CUDA device that is none: compiles a model's kernels for the host with g++ and runs them in a process of their own, with
 * the buffers and launches that an engine would make. It is an engine as `verify` wants one.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Variant } from "../../src/compile.ts";
import type { TensorMap } from "../../src/ir/bulk.ts";
import { fromBf16Bits, fromF16Bits } from "../../src/ir/codecs/half.ts";
import type { Stage } from "../../src/ir/graph.ts";
import { type KernelText, type PlanValue, wordsOf } from "../../src/ir/plan.ts";
import type { TileKernel } from "../../src/ir/tile.ts";
import { workgroupsOf } from "../../src/ir/tile.ts";
import {
  isBatched,
  layoutOf,
  newValues,
  newWords,
  packRows,
  unpackRows,
  type Words,
} from "../../src/runtime/engine/layout.ts";
import type { ReadValue } from "../../src/runtime/engine/types.ts";
import type { ModelInputs } from "../../src/runtime/inputs.ts";
import type { WeightSource } from "../../src/runtime/weights.ts";
import { stages } from "../../src/variant.ts";
import { hostText } from "./hosttext.ts";
import { uploadedParams } from "./uploads.ts";

const FLAGS = [
  "-std=c++17",
  "-O0",
  "-fno-strict-aliasing",
  "-ffp-contract=off",
  "-Wall",
  "-Wno-unknown-pragmas",
];

/** What is the same for all models. */
const OBJECTS = ["scheduler", "ptx", "hopper"];

function compiler(args: readonly string[], folder: string): void {
  execFileSync("g++", [...FLAGS, ...args], {
    cwd: folder,
    stdio: ["ignore", "ignore", "pipe"],
    encoding: "utf8",
  });
}

/** The prelude, precompiled, and the scheduler: made once for every state of their sources. */
function hostFolder(): string {
  const sources = ["prelude.hpp", "hopper.hpp", ...OBJECTS.map((name) => `${name}.cpp`)].map((name) => ({
    name,
    text: readFileSync(join(import.meta.dirname, name), "utf8"),
  }));
  const key = createHash("sha256")
    .update(JSON.stringify([FLAGS, sources]))
    .digest("hex")
    .slice(0, 16);
  const folder = join(tmpdir(), `rmxc-cuda-host-${key}`);
  if (existsSync(folder)) return folder;
  const making = mkdtempSync(join(tmpdir(), "rmxc-cuda-making-"));
  for (const { name, text } of sources) writeFileSync(join(making, name), text);
  compiler(["-c", "prelude.hpp", "-o", "prelude.hpp.gch"], making);
  for (const name of OBJECTS) compiler(["-O2", "-c", `${name}.cpp`, "-o", `${name}.o`], making);
  try {
    renameSync(making, folder);
  } catch (error) {
    // Another test was faster.
    rmSync(making, { recursive: true, force: true });
    if (!existsSync(folder)) throw error;
  }
  return folder;
}

/** A variant's kernels as a program of the host. Remove its folder at the end. */
export class HostProgram {
  readonly variant: Pick<Variant, "plan" | "kernels">;
  readonly folder: string;
  readonly #index: ReadonlyMap<string, number>;

  constructor(variant: Pick<Variant, "plan" | "kernels">) {
    this.variant = variant;
    this.folder = mkdtempSync(join(tmpdir(), "rmxc-cuda-model-"));
    this.#index = new Map(variant.kernels.map((kernel, i) => [kernel.name, i]));
    const host = hostFolder();
    writeFileSync(join(this.folder, "model.cpp"), hostText(variant.kernels));
    compiler(
      ["-I", host, "model.cpp", ...OBJECTS.map((name) => join(host, `${name}.o`)), "-o", "model"],
      this.folder,
    );
  }

  /** Runs the load, user and item stage of one call; what kernels write is NaN before. */
  run(inputs: ModelInputs, weights: WeightSource): HostRun {
    const { plan } = this.variant;
    const params = uploadedParams(plan, weights);
    const buffers = plan.values.map((value) => params.get(value.id) ?? this.#buffer(value, inputs));
    const words: Int32Array[] = [Int32Array.of(buffers.length)];
    for (const buffer of buffers) {
      words.push(
        Int32Array.of(buffer.length),
        new Int32Array(buffer.buffer, buffer.byteOffset, buffer.length),
      );
    }
    const launches = stages.flatMap((stage) =>
      plan.kernels[stage].flatMap((kernel) => this.#launches(kernel, stage, inputs)),
    );
    words.push(Int32Array.of(launches.length), ...launches);
    writeFileSync(
      join(this.folder, "job"),
      Buffer.concat(words.map((w) => Buffer.from(w.buffer, w.byteOffset, w.byteLength))),
    );
    execFileSync(join(this.folder, "model"), ["job", "result"], {
      cwd: this.folder,
      stdio: ["ignore", "ignore", "pipe"],
      encoding: "utf8",
    });
    const result = readFileSync(join(this.folder, "result"));
    let at = 0;
    for (const buffer of buffers) {
      Buffer.from(buffer.buffer, buffer.byteOffset, buffer.byteLength).set(
        result.subarray(at, at + buffer.byteLength),
      );
      at += buffer.byteLength;
    }
    return new HostRun(plan.values, buffers, inputs);
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #buffer(value: PlanValue, inputs: ModelInputs): Words {
    const rows = rowsOf(value, inputs);
    const content = contentOf(value, inputs);
    if (content === undefined) {
      const buffer = newWords(value.element, wordsOf(value, rows * value.unit));
      new Uint32Array(buffer.buffer).fill(0x7fc00000);
      return buffer;
    }
    const layout = layoutOf(value);
    const lead = layout.rows ?? (value.home.kind === "rows" ? content.length / layout.compactUnit : rows);
    const buffer = newWords(value.element, Math.max(value.unit * rows, lead * layout.unit));
    packRows(layout, content, 0, lead, buffer);
    return buffer;
  }

  #launches(kernel: TileKernel, stage: Stage, inputs: ModelInputs): Int32Array[] {
    const { plan, kernels } = this.variant;
    const index = this.#index.get(kernel.name) ?? -1;
    const text = kernels[index];
    if (text === undefined) throw new Error(`no text for ${kernel.name}`);
    const rows = stage === "item" ? inputs.candidates : stage === "user" ? inputs.requests : 1;
    const ranges = kernel.slicing?.ranges ?? [undefined];
    return ranges.flatMap((range) => {
      const groups = workgroupsOf(kernel, rows, range);
      if (groups === 0 || rows === 0) return [];
      const x = Math.min(groups, plan.profile.limits.workgroups);
      const counted = kernel.indirect;
      const bindings = text.bindings.flatMap(({ value }) => {
        const sliced = range !== undefined && kernel.slicing?.values.includes(value);
        const stride = plan.values[value]?.strides[(kernel.slicing?.depth ?? 1) - 1] ?? 0;
        return [value, sliced ? range.from * stride : 0];
      });
      return [
        Int32Array.of(
          index,
          rows,
          range?.from ?? 0,
          range?.to ?? 0,
          x,
          Math.ceil(groups / x),
          counted?.value ?? -1,
          4 * (counted?.index ?? 0),
          text.bindings.length,
          ...bindings,
          ...countersOf(text),
          ...this.#maps(text, inputs),
        ),
      ];
    });
  }

  /** How many tensor maps a launch has, and for each: the binding, the axes' count, their extents, strides and boxes. */
  #maps({ maps = [], bindings }: KernelText, inputs: ModelInputs): number[] {
    const of = ({ binding, axes }: TensorMap): number[] => {
      const value = this.variant.plan.values[bindings[binding]?.value ?? -1];
      const elements = value === undefined ? 0 : rowsOf(value, inputs) * value.unit;
      const each = axes.flatMap(({ extent, stride, box }) => [
        extent === "rows" ? Math.floor(elements / stride) : extent,
        stride,
        box,
      ]);
      return [binding, axes.length, ...each];
    };
    return [maps.length, ...maps.flatMap(of)];
  }
}

/** How many buffers are zero before a launch, and which. */
function countersOf({ counters = [], bindings }: KernelText): number[] {
  return [counters.length, ...counters.map((at) => bindings[at]?.value ?? -1)];
}

/** What a call has left in the buffers. */
export class HostRun {
  readonly #values: readonly PlanValue[];
  readonly #buffers: readonly Words[];
  readonly #inputs: ModelInputs;

  constructor(values: readonly PlanValue[], buffers: readonly Words[], inputs: ModelInputs) {
    this.#values = values;
    this.#buffers = buffers;
    this.#inputs = inputs;
  }

  read(id: number): ReadValue {
    const value = this.#values[id];
    const words = this.#buffers[id];
    if (value === undefined || words === undefined) throw new Error(`no value ${id}`);
    const layout = layoutOf(value);
    const rows = isBatched(value) ? rowsOf(value, this.#inputs) : (layout.rows ?? 1);
    const data = newValues(value.element, rows * layout.compactUnit);
    unpackRows(layout, numbersOf(value, words), rows, data);
    const shape = value.shape.map((extent) =>
      typeof extent === "number" ? extent : extent === "N" ? this.#inputs.candidates : this.#inputs.requests,
    );
    return { shape, data };
  }
}

/** What words hold as numbers. */
function numbersOf({ packing }: PlanValue, words: Words): Words {
  if (packing?.native !== true) return words;
  const bits = new Uint16Array(words.buffer, words.byteOffset, 2 * words.length);
  return Float32Array.from(bits, packing.element === "bf16" ? fromBf16Bits : fromF16Bits);
}

function rowsOf(value: PlanValue, { requests, candidates }: ModelInputs): number {
  const [lead] = value.shape;
  return lead === "N" ? candidates : lead === "R" ? requests : 1;
}

/** What a value holds before the first kernel; undefined if kernels write it. */
function contentOf(
  { home }: PlanValue,
  { features, request, requests }: ModelInputs,
): ArrayLike<number> | undefined {
  switch (home.kind) {
    case "rows":
      throw new Error("a table of this size is not for a test");
    case "constant":
      return home.values;
    case "input":
      return features.get(home.feature) ?? [];
    case "slots":
      return Int32Array.from({ length: requests }, (_, r) => r);
    case "request":
      return request;
    case "kept":
      return home.feature === undefined ? undefined : features.get(home.feature);
    default:
      return undefined;
  }
}
