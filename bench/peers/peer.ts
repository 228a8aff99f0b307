/**
 * @file What a peer is: something that was given a job, holds its weights, and answers a call. A call begins with arrays on the
 * host and ends with arrays on the host.
 */
import type { Job } from "./job.ts";

export const peerIds = [
  "rmxc",
  "rmxc-reuse",
  "jax-js",
  "tfjs",
  "ort-node-webgpu",
  "ort-web-webgpu",
  "ort-web-wasm",
  "ort-node-cpu",
] as const;
export type PeerId = (typeof peerIds)[number];

export interface PeerInfo {
  /** As printed. */
  readonly label: string;
  readonly kind: "webgpu" | "cpu";
  /** Reads exported graphs; others are programmed, for workload R alone. */
  readonly reads: boolean;
}

export const peers: Readonly<Record<PeerId, PeerInfo>> = {
  rmxc: { label: "rmxc", kind: "webgpu", reads: true },
  "rmxc-reuse": { label: "rmxc, one request", kind: "webgpu", reads: true },
  "jax-js": { label: "jax-js, WebGPU", kind: "webgpu", reads: false },
  tfjs: { label: "tfjs, WebGPU", kind: "webgpu", reads: false },
  "ort-node-webgpu": { label: "onnxruntime-node, WebGPU", kind: "webgpu", reads: true },
  "ort-web-webgpu": { label: "onnxruntime-web, WebGPU", kind: "webgpu", reads: true },
  "ort-web-wasm": { label: "onnxruntime-web, wasm SIMD, 2 threads", kind: "cpu", reads: true },
  "ort-node-cpu": { label: "onnxruntime-node, CPU, 2 threads", kind: "cpu", reads: true },
};

export interface Peer {
  /** One call; each task's values by name. */
  call(): Promise<ReadonlyMap<string, Float32Array>>;
  /** The nodes of an exported graph that a device provider left to the CPU. */
  readonly sentBack?: readonly string[];
  /** Waits asleep by itself: see waiting.ts. */
  readonly sleeps: boolean;
  close(): Promise<void>;
}

export type Load = (job: Job) => Promise<Peer>;
