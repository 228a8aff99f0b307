/**
 * @file Kernels' pipelines, created all at once with the asynchronous calls, one for all kernels that differ in names alone
 * (alike.ts). A text that does not compile is a fault of
 * this compiler or of a driver; the error names the kernel and the lines.
 */
import type { KernelText } from "../../ir/plan.ts";
import { KernelRefused } from "../refusal.ts";
import { alikeKey } from "./alike.ts";
import type { Pipeline } from "./compute.ts";
import type { Counters } from "./memory.ts";

export interface WebGpuPipeline extends Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** By kernel name. Throws RMX0803. */
export async function createPipelines(
  gpu: GPUDevice,
  kernels: readonly KernelText[],
  counters: Pick<Counters, "pipelinesCreated">,
): Promise<Map<string, WebGpuPipeline>> {
  const layouts = new Map<string, GPUBindGroupLayout>();
  const known = knownPipelines(gpu);
  const created = await Promise.all(
    kernels.map(async (text) => {
      const layout = bindGroupLayout(gpu, text, layouts);
      const key = `${accessKey(text)}\n${alikeKey(text.text)}`;
      let pipeline = known.get(key);
      if (pipeline === undefined) {
        counters.pipelinesCreated++;
        pipeline = createPipeline(gpu, text, layout);
        pipeline.catch(() => known.delete(key));
        known.set(key, pipeline);
      }
      const bind: Pipeline["bind"] = (label, bindings) =>
        gpu.createBindGroup({
          label,
          layout,
          // What one device makes never meets another's.
          entries: bindings.map(({ buffer, offset, size }, i) => ({
            binding: i,
            resource: { buffer: buffer as GPUBuffer, offset, size },
          })),
        });
      return [text.name, { text, pipeline: await pipeline, layout, bind }] as const;
    }),
  );
  return new Map(created);
}

/** Pipelines by what they compute, as long as the device lives: engines and layers of one form share them. */
const pipelinesOf = new WeakMap<GPUDevice, Map<string, Promise<GPUComputePipeline>>>();

function knownPipelines(gpu: GPUDevice): Map<string, Promise<GPUComputePipeline>> {
  let known = pipelinesOf.get(gpu);
  if (known === undefined) {
    known = new Map();
    pipelinesOf.set(gpu, known);
  }
  return known;
}

function accessKey(text: KernelText): string {
  return text.bindings.map((binding) => binding.access).join();
}

/** Layouts are explicit: an automatic one leaves out what a kernel declares but does not use. */
function bindGroupLayout(
  gpu: GPUDevice,
  text: KernelText,
  known: Map<string, GPUBindGroupLayout>,
): GPUBindGroupLayout {
  const key = accessKey(text);
  const found = known.get(key);
  if (found !== undefined) return found;
  const visibility = GPUShaderStage.COMPUTE;
  const layout = gpu.createBindGroupLayout({
    label: key,
    entries: [
      { binding: 0, visibility, buffer: { type: "uniform" } },
      ...text.bindings.map(({ access }, i) => ({
        binding: i + 1,
        visibility,
        buffer: { type: access === "read" ? ("read-only-storage" as const) : ("storage" as const) },
      })),
    ],
  });
  known.set(key, layout);
  return layout;
}

async function createPipeline(
  gpu: GPUDevice,
  text: KernelText,
  layout: GPUBindGroupLayout,
): Promise<GPUComputePipeline> {
  if (text.language !== "wgsl") throw new Error(`internal: ${text.name} is ${text.language}, not wgsl`);
  gpu.pushErrorScope("validation");
  const module = gpu.createShaderModule({ label: text.name, code: text.text });
  const pipeline = gpu.createComputePipelineAsync({
    label: text.name,
    layout: gpu.createPipelineLayout({ bindGroupLayouts: [layout] }),
    compute: { module, entryPoint: "main" },
  });
  const moduleError = gpu.popErrorScope();
  const [result, error] = await Promise.allSettled([pipeline, moduleError]);
  if (result.status === "fulfilled") return result.value;
  const messages = await compilationErrors(module);
  const notes = messages.map(
    ({ lineNum, linePos, message }) => `${text.name}.wgsl:${lineNum}:${linePos}: ${message}`,
  );
  if (notes.length === 0) {
    const reason: unknown = error.status === "fulfilled" && error.value ? error.value : result.reason;
    notes.push(
      reason instanceof Error ? reason.message : String((reason as { message?: string }).message ?? reason),
    );
  }
  const lines = messages.map(({ lineNum }) => lineNum);
  throw new KernelRefused(text.name, lines, `the device does not accept the kernel \`${text.name}\``, {
    notes,
    help: "this is a fault of rmxc or of the driver; `--device reference` runs without kernels",
  });
}

async function compilationErrors(module: GPUShaderModule): Promise<GPUCompilationMessage[]> {
  const { messages } = await module.getCompilationInfo();
  return messages.filter(({ type }) => type === "error");
}
