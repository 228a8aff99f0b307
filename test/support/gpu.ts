/**
 * @file One WebGPU device for the tests of a file: runs the text of a kernel on typed arrays and gives back the buffers. What a
 * kernel writes is filled with NaN first, so that an element that nobody stores shows.
 */
import type { KernelText } from "../../src/ir/plan.ts";

export interface Launch {
  /** Contents by value id; a value that is missing is an output of that many elements. */
  readonly buffers: ReadonlyMap<number, Float32Array | Int32Array | number>;
  readonly rows: number;
  readonly from?: number;
  readonly to?: number;
  readonly groups: number;
  /** Dispatch rows: groups are laid out as x · y. */
  readonly y?: number;
  /** Launches in one submission, for timing. */
  readonly repeat?: number;
}

export interface Gpu {
  readonly device: GPUDevice;
  readonly subgroup: number;
  run(
    kernel: KernelText,
    launch: Launch,
  ): Promise<{ outputs: Map<number, Float32Array>; milliseconds: number }>;
  close(): void;
}

export async function openGpu(): Promise<Gpu> {
  const { create, globals } = await import("webgpu");
  Object.assign(globalThis, globals);
  // The instance keeps Node alive as long as it is referenced.
  let instance: GPU | undefined = create([]);
  const adapter = await instance.requestAdapter();
  if (adapter === null) throw new Error("no WebGPU adapter: npm test installs a software driver");
  const features: GPUFeatureName[] = ["subgroups"].filter((f) => adapter.features.has(f)) as GPUFeatureName[];
  const device = await adapter.requestDevice({
    requiredFeatures: features,
    requiredLimits: { maxStorageBuffersPerShaderStage: adapter.limits.maxStorageBuffersPerShaderStage },
  });
  const pipelines = new Map<string, GPUComputePipeline>();
  const pipelineOf = async (kernel: KernelText): Promise<GPUComputePipeline> => {
    const known = pipelines.get(kernel.text);
    if (known !== undefined) return known;
    const module = device.createShaderModule({ code: kernel.text });
    const info = await module.getCompilationInfo();
    const errors = info.messages.filter((m) => m.type === "error");
    if (errors.length > 0) {
      throw new Error(
        `${errors.map((m) => `${m.lineNum}:${m.linePos} ${m.message}`).join("\n")}\n${kernel.text}`,
      );
    }
    const entries: GPUBindGroupLayoutEntry[] = [
      { binding: 0, visibility: GPUShaderStage.COMPUTE, buffer: { type: "uniform" } },
      ...kernel.bindings.map(
        ({ access }, i): GPUBindGroupLayoutEntry => ({
          binding: i + 1,
          visibility: GPUShaderStage.COMPUTE,
          buffer: { type: access === "read" ? "read-only-storage" : "storage" },
        }),
      ),
    ];
    const layout = device.createPipelineLayout({
      bindGroupLayouts: [device.createBindGroupLayout({ entries })],
    });
    const pipeline = await device.createComputePipelineAsync({
      layout,
      compute: { module, entryPoint: "main" },
    });
    pipelines.set(kernel.text, pipeline);
    return pipeline;
  };
  return {
    device,
    subgroup:
      adapter.info.subgroupMinSize === adapter.info.subgroupMaxSize ? (adapter.info.subgroupMinSize ?? 0) : 0,
    async run(kernel, launch) {
      const pipeline = await pipelineOf(kernel);
      device.pushErrorScope("validation");
      const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
      const made: GPUBuffer[] = [];
      const buffer = (bytes: number, flags: number): GPUBuffer => {
        const b = device.createBuffer({ size: Math.max(4, bytes), usage: flags });
        made.push(b);
        return b;
      };
      const call = buffer(16, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
      device.queue.writeBuffer(call, 0, new Int32Array([launch.rows, launch.from ?? 0, launch.to ?? 0, 1]));
      const held = new Map<number, GPUBuffer>();
      const outputs: { value: number; elements: number }[] = [];
      for (const [value, content] of launch.buffers) {
        const data = typeof content === "number" ? new Float32Array(content).fill(Number.NaN) : content;
        if (typeof content === "number") outputs.push({ value, elements: content });
        const b = buffer(data.byteLength, usage);
        if (data.byteLength > 0) device.queue.writeBuffer(b, 0, data as Float32Array<ArrayBuffer>);
        held.set(value, b);
      }
      const group = device.createBindGroup({
        layout: pipeline.getBindGroupLayout(0),
        entries: [
          { binding: 0, resource: { buffer: call } },
          ...kernel.bindings.map(({ value }, i) => {
            const b = held.get(value);
            if (b === undefined) throw new Error(`value ${value} has no buffer`);
            return { binding: i + 1, resource: { buffer: b } };
          }),
        ],
      });
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      const y = launch.y ?? 1;
      for (let i = 0; i < (launch.repeat ?? 1); i++) pass.dispatchWorkgroups(Math.ceil(launch.groups / y), y);
      pass.end();
      const reads = outputs.map(({ value, elements }) => {
        const to = buffer(elements * 4, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
        const from = held.get(value);
        if (from !== undefined && elements > 0) encoder.copyBufferToBuffer(from, 0, to, 0, elements * 4);
        return { value, to, elements };
      });
      const start = performance.now();
      device.queue.submit([encoder.finish()]);
      await device.queue.onSubmittedWorkDone();
      const milliseconds = performance.now() - start;
      const result = new Map<number, Float32Array>();
      for (const { value, to, elements } of reads) {
        await to.mapAsync(GPUMapMode.READ);
        result.set(value, new Float32Array(to.getMappedRange().slice(0, elements * 4)));
      }
      const error = await device.popErrorScope();
      for (const b of made) b.destroy();
      if (error !== null) throw new Error(error.message);
      return { outputs: result, milliseconds };
    },
    close() {
      device.destroy();
      instance = undefined;
    },
  };
}
