/**
 * @file What a fresh process with an empty driver cache says of the small workload: `first` loads it and makes one call, `kernels`
 * launches each pipeline by itself, one after another on one device, which is when a software driver compiles it.
 */
import { createPipelines } from "../../src/runtime/engine/pipelines.ts";
import { Launcher } from "../../src/runtime/engine/warm.ts";
import { Waiter } from "../../src/runtime/wait.ts";
import { callOf, compileFor, load, openGpu, small } from "./workload.ts";

export interface FirstCall {
  readonly loadMs: number;
  readonly callMs: number;
}
export interface KernelCompiles {
  readonly milliseconds: readonly number[];
}

async function first(): Promise<FirstCall> {
  const device = await openGpu();
  const program = await compileFor(device, small);
  const begin = performance.now();
  const engine = await load(program, device);
  const loadMs = performance.now() - begin;
  const callMs = await (await callOf(engine, program, small))();
  engine.destroy();
  device.destroy();
  return { loadMs, callMs };
}

async function kernels(): Promise<KernelCompiles> {
  const device = await openGpu();
  const program = await compileFor(device, small);
  const texts = program.variants[0]?.kernels ?? [];
  const made = await createPipelines(device.gpu, texts, { pipelinesCreated: 0 });
  const waiter = new Waiter(true);
  const launcher = new Launcher(device.gpu);
  const milliseconds: number[] = [];
  for (const pipeline of made.values()) {
    const begin = performance.now();
    await waiter.wait("launch", launcher.launch([pipeline]));
    milliseconds.push(performance.now() - begin);
  }
  device.destroy();
  return { milliseconds };
}

console.log(JSON.stringify(process.argv[2] === "first" ? await first() : await kernels()));
