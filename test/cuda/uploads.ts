/** @file The parameters as the engine lays and packs them, in the host's memory: its uploads onto a device that keeps buffers alone. */
import type { Plan } from "../../src/ir/plan.ts";
import type { ComputeBuffer, ComputeDevice } from "../../src/runtime/engine/compute.ts";
import { Memory } from "../../src/runtime/engine/memory.ts";
import { uploadParams } from "../../src/runtime/engine/params.ts";
import type { WeightSource } from "../../src/runtime/weights.ts";

const unused = (): never => {
  throw new Error("only parameters are uploaded here");
};

/** The words of every parameter that kernels read, by value. */
export function uploadedParams(plan: Plan, weights: WeightSource): ReadonlyMap<number, Uint32Array> {
  const contents = new Map<ComputeBuffer, Uint32Array>();
  const device: ComputeDevice = {
    limits: { maxBufferSize: Number.MAX_SAFE_INTEGER },
    lost: new Promise(() => {}),
    queue: {
      writeBuffer(buffer, offset, data, from, bytes) {
        const into = contents.get(buffer);
        if (into === undefined) throw new Error(`no buffer ${buffer.label}`);
        new Uint8Array(into.buffer).set(new Uint8Array(data, from, bytes), offset);
      },
      submit: unused,
      onSubmittedWorkDone: unused,
    },
    createBuffer({ label, size }) {
      const buffer: ComputeBuffer = {
        label,
        size,
        destroy: () => {},
        mapAsync: unused,
        getMappedRange: unused,
        unmap: unused,
      };
      contents.set(buffer, new Uint32Array(Math.ceil(size / 4)));
      return buffer;
    },
    createCommandEncoder: unused,
    createQuerySet: unused,
    pushErrorScope: () => {},
    popErrorScope: () => Promise.resolve(null),
    addEventListener: () => {},
    removeEventListener: () => {},
  };
  const counters = {
    buffersCreated: 0,
    pipelinesCreated: 0,
    bindGroupsCreated: 0,
    submits: 0,
    writes: 0,
    maps: 0,
    overlapped: 0,
  };
  const memory = new Memory(device, plan.profile.limits, counters);
  const uploaded = new Map<number, Uint32Array>();
  for (const [value, parts] of uploadParams(plan, memory, weights, () => {})) {
    const [only] = parts;
    const words = only && contents.get(only.buffer);
    if (words === undefined || parts.length > 1) throw new Error("a parameter is in one buffer here");
    uploaded.set(value, words);
  }
  return uploaded;
}
