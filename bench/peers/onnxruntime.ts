/** @file ONNX Runtime with each of its providers, reading what `rmxc export` wrote. Weights are resident, one session a job. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { FeatureArray } from "../../src/runtime/inputs.ts";
import { draw, type Job } from "./job.ts";
import { provideNavigator, provideSharedWrites } from "./navigator.ts";
import type { Peer, PeerId } from "./peer.ts";
import { nodesOnCpu } from "./placement.ts";

interface OrtTensor {
  readonly data: Float32Array;
}

interface OrtSession {
  readonly inputMetadata: readonly { readonly name: string; readonly type: string }[];
  readonly outputNames: readonly string[];
  run(feeds: Readonly<Record<string, OrtTensor>>): Promise<Readonly<Record<string, OrtTensor>>>;
  release(): Promise<void>;
  endProfiling(): void;
}

interface SessionOptions {
  readonly executionProviders: readonly string[];
  readonly intraOpNumThreads?: number;
  readonly graphOptimizationLevel: "all";
  readonly logSeverityLevel: number;
  readonly enableProfiling?: boolean;
  readonly profileFilePrefix?: string;
}

interface Ort {
  readonly InferenceSession: {
    create(model: string | Uint8Array, options: SessionOptions): Promise<OrtSession>;
  };
  readonly Tensor: new (
    type: string,
    data: Float32Array | Int32Array | BigInt64Array,
    shape: readonly number[],
  ) => OrtTensor;
  readonly env: { readonly wasm: { numThreads: number; wasmBinary?: Uint8Array } };
}

export type OrtPeer = Extract<PeerId, `ort-${string}`>;

const MODULES: Readonly<Record<OrtPeer, string>> = {
  "ort-node-webgpu": "onnxruntime-node",
  "ort-node-cpu": "onnxruntime-node",
  "ort-web-webgpu": "onnxruntime-web/webgpu",
  "ort-web-wasm": "onnxruntime-web",
};
const PROVIDERS: Readonly<Record<OrtPeer, string>> = {
  "ort-node-webgpu": "webgpu",
  "ort-node-cpu": "cpu",
  "ort-web-webgpu": "webgpu",
  "ort-web-wasm": "wasm",
};
const WEBGPU_BINARY = "onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm";
const THREADS = 2;
const ERRORS_ONLY = 3;

export async function loadOrt(id: OrtPeer, job: Job): Promise<Peer> {
  if (id === "ort-web-webgpu") {
    await provideNavigator();
    await provideSharedWrites();
  }
  const ort = (await import(MODULES[id])) as Ort;
  const native = id.startsWith("ort-node");
  if (id === "ort-web-wasm") ort.env.wasm.numThreads = THREADS;
  if (id === "ort-web-webgpu") {
    // The build for browsers would fetch its binary, and start threads as a page does; its kernels run on the device.
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmBinary = readFileSync(fileURLToPath(import.meta.resolve(WEBGPU_BINARY)));
  }
  const model = native ? job.onnx : new Uint8Array(readFileSync(job.onnx));
  const options: SessionOptions = {
    executionProviders: [PROVIDERS[id]],
    graphOptimizationLevel: "all",
    logSeverityLevel: ERRORS_ONLY,
    ...(native && { intraOpNumThreads: THREADS }),
  };
  const feedsOf = feedsFor(ort, job);
  const sentBack =
    id === "ort-node-webgpu"
      ? await nodesOnCpu(async (profileFilePrefix) => {
          const profiled = await ort.InferenceSession.create(model, {
            ...options,
            enableProfiling: true,
            profileFilePrefix,
          });
          await profiled.run(feedsOf(profiled));
          profiled.endProfiling();
          await profiled.release();
        })
      : undefined;
  const session = await ort.InferenceSession.create(model, options);
  return {
    // The native library waits in threads of its own.
    sleeps: native,
    ...(sentBack !== undefined && { sentBack }),
    async call() {
      const results = await session.run(feedsOf(session));
      return new Map(session.outputNames.map((name) => [name, results[name]?.data ?? new Float32Array()]));
    },
    close: () => session.release(),
  };
}

/** Inputs by the graph's own names and types. Made anew for each call, as ids and features come anew. */
function feedsFor(ort: Ort, job: Job): (session: OrtSession) => Record<string, OrtTensor> {
  const { graph, inputs } = draw(job);
  return (session) => {
    const feeds: Record<string, OrtTensor> = {};
    for (const { name, type } of session.inputMetadata) {
      const feature = graph.features.find((each) => each.name === name);
      const values: FeatureArray | undefined =
        name === "request" ? inputs.request : inputs.features.get(name);
      if (values === undefined) throw new Error(`the exported graph has an input ${name}, the model has not`);
      const rows = feature?.stage === "user" ? inputs.requests : inputs.candidates;
      feeds[name] = new ort.Tensor(type, typed(values, type), [rows, ...(feature?.shape ?? [])]);
    }
    return feeds;
  };
}

function typed(values: FeatureArray, type: string): Float32Array | Int32Array | BigInt64Array {
  return type === "int64" ? BigInt64Array.from(values, (value) => BigInt(value)) : values;
}
