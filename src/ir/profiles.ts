/**
 * @file The built-in profiles: what `compile` assumes where no device is at hand. Golden files are made with them, so
 * a change here changes emitted code.
 */
import type { Profile } from "./profile.ts";

const MiB = 1024 * 1024;

/**
 * Mesa's lavapipe, the CPU as a WebGPU device: subgroups of 8 lanes (256-bit vectors). Its Vulkan driver offers
 * 16 storage buffers a stage and 32 KiB of workgroup memory.
 */
export const software: Profile = {
  name: "software",
  limits: {
    storageBinding: 128 * MiB,
    bufferSize: 4 * 1024 * MiB - 1,
    storageBuffers: 16,
    offsetAlignment: 16,
    workgroupMemory: 32 * 1024,
    workgroupSize: 1024,
    workgroups: 65535,
  },
  subgroup: { min: 8, max: 8 },
  features: { f16: true, software: true, timestamps: true },
};

/**
 * A GPU of which nothing is known but that it implements WebGPU: the limits that the specification guarantees, with the two
 * storage buffers more that every discrete GPU of the last decade has, and no promise about subgroups.
 */
export const gpu: Profile = {
  name: "gpu",
  limits: {
    storageBinding: 128 * MiB,
    bufferSize: 256 * MiB,
    storageBuffers: 10,
    offsetAlignment: 256,
    workgroupMemory: 16 * 1024,
    workgroupSize: 256,
    workgroups: 65535,
  },
  features: { f16: false, software: false, timestamps: false },
};

/**
 * An NVIDIA GPU of the architecture `arch`. Offsets within a binding are i32, which bounds it; a multiprocessor's shared memory is
 * one block's if the launch asks for more than 48 KiB of it.
 */
function nvidia(arch: string, sharedKiB: number): Profile {
  return {
    name: arch,
    limits: {
      storageBinding: 8 * 1024 * MiB,
      bufferSize: 8 * 1024 * MiB,
      storageBuffers: 64,
      offsetAlignment: 256,
      workgroupMemory: sharedKiB * 1024,
      workgroupSize: 1024,
      workgroups: 65535,
    },
    subgroup: { min: 32, max: 32 },
    cuda: { arch },
    features: { f16: true, software: false, timestamps: true },
  };
}

/** Ampere (A100); its code runs on every later architecture. */
export const sm_80: Profile = nvidia("sm_80", 163);
/** Ada (L4, L40S): the first with products of fp8. */
export const sm_89: Profile = nvidia("sm_89", 99);
/** Hopper (H100, H200). */
export const sm_90: Profile = nvidia("sm_90", 227);
/** Hopper with what that architecture alone has: wgmma and its way to set registers aside. */
export const sm_90a: Profile = nvidia("sm_90a", 227);

export const builtinProfiles: Readonly<Record<string, Profile>> = {
  software,
  gpu,
  sm_80,
  sm_89,
  sm_90,
  sm_90a,
};
