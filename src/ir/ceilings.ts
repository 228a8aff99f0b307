/**
 * @file What a device can do at best, as the parameters of the cost model: `bench` measures them, a file can hold them, and where
 * neither is at hand a profile's class has defaults.
 */
import type { Profile } from "./profile.ts";

export interface DeviceCeilings {
  /** FLOP/s in f32 of a matrix product that does little else, all workers together. */
  readonly flops: number;
  /** Bytes a second between the device's memory and its cores. */
  readonly bandwidth: number;
  /** Seconds that one load instruction of one subgroup (its lanes' loads together) takes a worker; a vec4 costs what a scalar does. */
  readonly load: number;
  /** Seconds that a dispatch takes beyond its workgroups. */
  readonly dispatch: number;
  /** Seconds that starting a workgroup takes a worker. */
  readonly workgroup: number;
  /** Workgroups that run at one time: cores of a CPU, resident workgroups of a GPU. */
  readonly workers: number;
}

/** lavapipe on two cores with 256-bit vectors, as measured (docs/kernels.md). */
const SOFTWARE: DeviceCeilings = {
  flops: 45e9,
  bandwidth: 10e9,
  load: 8e-9,
  dispatch: 11e-6,
  workgroup: 0.3e-6,
  workers: 2,
};

/** A GPU of the middle class: what matters to a choice is the ratio of its figures. */
const GPU: DeviceCeilings = {
  flops: 15e12,
  bandwidth: 500e9,
  load: 10e-9,
  dispatch: 4e-6,
  workgroup: 0.5e-6,
  workers: 256,
};

/** An H100 by its data sheet: products of 16 bits are its tensor cores', some twelve times as fast as f32 (passes/scheduling). */
const HOPPER: DeviceCeilings = { ...GPU, flops: 60e12, bandwidth: 3.3e12, workers: 264 };

/** An L40S by its data sheet, in the same way: 362 TFLOP/s in 16 bits are eight times this. */
const ADA: DeviceCeilings = { ...GPU, flops: 45e12, bandwidth: 0.86e12, workers: 284 };

export function defaultCeilings(profile: Profile): DeviceCeilings {
  if (profile.features.software) return SOFTWARE;
  if (profile.cuda?.arch === "sm_89") return ADA;
  return profile.cuda?.arch.startsWith("sm_90") ? HOPPER : GPU;
}
