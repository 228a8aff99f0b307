/**
 * @file Devices: CUDA through NVIDIA's driver and the optional npm package `koffi`, WebGPU through the optional npm package `webgpu`
 * (Dawn) or a browser's `navigator.gpu`, and `reference`, which needs nothing and is slow.
 */

import { setMaxListeners } from "node:events";
import { InputError } from "../ir/error.ts";
import type { Profile } from "../ir/profile.ts";
import { software } from "../ir/profiles.ts";
import type { ComputeDevice, PipelineMaker } from "./engine/compute.ts";
import { MATRIX_FEATURE, type MatrixInfo, matrixShapes } from "./matrices.ts";
import { withoutNativeStderr } from "./quiet.ts";
import type { TunedSchedules } from "./schedules.ts";

export type DeviceKind = "cuda" | "webgpu" | "reference";
export type DeviceChoice = "auto" | DeviceKind;

interface DeviceBase {
  /** What a person knows it by: the adapter's description. */
  readonly name: string;
  readonly description: string;
  /** The device's own limits and features, to compile for exactly this one. */
  readonly profile: Profile;
  /** One line for stderr where `auto` had to settle for less: why, and how to get better. */
  readonly notice?: string;
  /** What `rmxc tune` has measured on this device, from the user's cache: give it to `compile`. */
  readonly schedules?: TunedSchedules;
  /** Why the cache's schedules cannot be used; everything works without them. */
  readonly schedulesProblem?: InputError;
  /** Resolves with the reason when the device is gone; `undefined` after `destroy`. */
  readonly lost: Promise<string | undefined>;
  /** Frees the device; without it a Node process does not end. */
  destroy(): void;
}

export interface WebGpuDevice extends DeviceBase {
  readonly kind: "webgpu";
  readonly gpu: GPUDevice;
  /** One more device of the same adapter with the same features and limits, the caller's to destroy; undefined if there is none. */
  another(): Promise<GPUDevice | undefined>;
}

/** An NVIDIA GPU through the CUDA driver. */
export interface CudaDevice extends DeviceBase {
  readonly kind: "cuda";
  readonly gpu: ComputeDevice & { readonly createPipelines: PipelineMaker };
  readonly multiprocessors: number;
  readonly l2Bytes: number;
}

/** A device that runs kernels. */
export type KernelDevice = CudaDevice | WebGpuDevice;

export interface ReferenceDevice extends DeviceBase {
  readonly kind: "reference";
}

export type Device = KernelDevice | ReferenceDevice;

export interface OpenOptions {
  /** Which adapter, where there are several. */
  readonly power?: "low-power" | "high-performance";
  /** Keeps Dawn's own warnings off stderr; for a process that owns it, such as a command line. See quiet.ts. */
  readonly quiet?: boolean;
}

/**
 * Opens a device. `auto` is CUDA where there is an NVIDIA driver and a compiler, else WebGPU, and never fails: it falls back to
 * `reference` and says so in `notice`. Throws RMX0801, RMX0802, RMX0824, RMX0825.
 */
export async function openDevice(choice: DeviceChoice = "auto", options: OpenOptions = {}): Promise<Device> {
  if (choice === "reference") return referenceDevice();
  if (choice === "cuda") return openCudaDevice();
  if (choice === "webgpu") return openWebGpu(options);
  const cuda = await attempt(openCudaDevice);
  if (cuda.device !== undefined) return cuda.device;
  const webgpu = await attempt(() => openWebGpu(options));
  // A GPU without a compiler is worth a line; that there is no NVIDIA GPU is not.
  const unused = cuda.error?.code === "RMX0825" ? `CUDA is not used: ${whyNot(cuda.error)}` : undefined;
  if (webgpu.device !== undefined)
    return { ...webgpu.device, ...(unused !== undefined && { notice: unused }) };
  return referenceDevice(`running on the slow \`reference\` device: ${whyNot(webgpu.error)}`);
}

async function attempt<D>(
  open: () => Promise<D>,
): Promise<
  | { readonly device: D; readonly error?: undefined }
  | { readonly device?: undefined; readonly error: InputError }
> {
  try {
    return { device: await open() };
  } catch (error) {
    if (error instanceof InputError) return { error };
    throw error;
  }
}

function whyNot({ message, help }: InputError): string {
  return `${message}; ${help ?? "see `rmxc doctor`"}`;
}

/** A browser has no driver to call. */
async function openCudaDevice(): Promise<CudaDevice> {
  if (!inNode()) throw new InputError("RMX0824", "there is no CUDA in a browser");
  const { openCuda } = await import("./cuda/open.ts");
  const device = await openCuda();
  const { schedules, problem } = await tunedFor(device);
  return {
    ...device,
    ...(schedules !== undefined && { schedules }),
    ...(problem !== undefined && { schedulesProblem: problem }),
  };
}

function inNode(): boolean {
  return typeof process !== "undefined" && process.versions?.node !== undefined;
}

export const driverHelp =
  "install a Vulkan driver (the package's scripts/driver.sh installs Mesa's software driver on Debian and Ubuntu)";

/** The CPU evaluates the model itself in f64. Its profile is only there for `compile` to have one. */
export function referenceDevice(notice?: string): ReferenceDevice {
  return {
    kind: "reference",
    name: "reference",
    description: "f64 reference evaluator on the CPU",
    profile: software,
    ...(notice !== undefined && { notice }),
    lost: new Promise(() => {}),
    destroy: () => {},
  };
}

/** Features that a kernel or the engine may use, asked for where the adapter has them. */
const wantedFeatures: readonly GPUFeatureName[] = [
  "shader-f16",
  "subgroups",
  "timestamp-query",
  MATRIX_FEATURE as GPUFeatureName,
];

/** Limits that a profile names, asked for at the adapter's best. */
const wantedLimits = [
  "maxStorageBufferBindingSize",
  "maxBufferSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupSizeY",
  "maxComputeWorkgroupSizeZ",
  "maxComputeWorkgroupsPerDimension",
  "minStorageBufferOffsetAlignment",
  "minUniformBufferOffsetAlignment",
] as const satisfies readonly (keyof GPUSupportedLimits)[];

/** Dawn's instance keeps Node alive for as long as anything refers to it: this object holds the only reference. */
interface InstanceOwner {
  instance: GPU | undefined;
}

async function openWebGpu(options: OpenOptions): Promise<WebGpuDevice> {
  const owner: InstanceOwner = { instance: await findGpu() };
  try {
    return await openAdapter(owner, options);
  } catch (error) {
    owner.instance = undefined;
    throw error;
  }
}

function findAdapter(owner: InstanceOwner, options: OpenOptions): Promise<GPUAdapter | null> {
  const look = async () =>
    owner.instance?.requestAdapter({ powerPreference: options.power ?? "high-performance" });
  const found = options.quiet === true ? withoutNativeStderr(look) : look();
  return found.then((adapter) => adapter ?? null);
}

async function openAdapter(owner: InstanceOwner, options: OpenOptions): Promise<WebGpuDevice> {
  const adapter = await findAdapter(owner, options);
  if (adapter === null) throw new InputError("RMX0801", "WebGPU found no adapter", { help: driverHelp });
  let gpu: GPUDevice;
  try {
    gpu = await requestDevice(adapter);
  } catch (error) {
    const notes = [(error as Error).message];
    throw new InputError("RMX0802", "the WebGPU adapter gave no device", {
      notes,
      help: "see `rmxc doctor`",
    });
  }
  // Every engine listens for what the device reports on the side, and there may be many engines.
  setMaxListeners(0, gpu);
  const { info } = adapter;
  const identity = {
    name: info.description || info.device || info.architecture || "unnamed adapter",
    description: [info.vendor, info.architecture, info.device, info.description].filter(Boolean).join(" · "),
    profile: profileOf(gpu, info),
  };
  const { schedules, problem } = await tunedFor(identity);
  return {
    kind: "webgpu",
    gpu,
    // An adapter gives one device.
    another: async () => {
      const next = await findAdapter(owner, options);
      return next === null ? undefined : requestDevice(next);
    },
    ...identity,
    ...(schedules !== undefined && { schedules }),
    ...(problem !== undefined && { schedulesProblem: problem }),
    lost: gpu.lost.then((lost) =>
      lost.reason === "destroyed" ? undefined : lost.message || "no reason given",
    ),
    destroy: () => {
      gpu.destroy();
      // The binding asks the instance once more after it has told of the loss, in the next turn of the event loop, and crashes if
      // that is gone by then.
      void gpu.lost.then(() => setTimeout(() => setTimeout(() => (owner.instance = undefined))));
    },
  };
}

/** From the user's cache; a browser has none. */
async function tunedFor(device: Pick<Device, "name" | "description" | "profile">) {
  if (!inNode()) return {};
  const { cachedSchedules } = await import("./schedules.ts");
  return cachedSchedules(device);
}

function requestDevice(adapter: GPUAdapter): Promise<GPUDevice> {
  const requiredLimits: Record<string, number> = {};
  for (const name of wantedLimits) requiredLimits[name] = adapter.limits[name];
  return adapter.requestDevice({
    requiredFeatures: wantedFeatures.filter((feature) => adapter.features.has(feature)),
    requiredLimits,
  });
}

async function findGpu(): Promise<GPU> {
  const browser = (globalThis as { navigator?: { gpu?: GPU } }).navigator?.gpu;
  if (browser !== undefined) return browser;
  try {
    const { create, globals } = await import("webgpu");
    // The flag constants (GPUBufferUsage, …) are globals in a browser and properties of the package here.
    for (const [name, value] of Object.entries(globals)) {
      if (!(name in globalThis))
        Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
    }
    // Steps of 65 µs keep a web page from spying on its neighbours; here they hide what a kernel takes.
    return create(["disable-dawn-features=timestamp_quantization"]);
  } catch (error) {
    const [reason = ""] = (error as Error).message.split("\n");
    const help = "install the optional package with `npm install webgpu`, and see `rmxc doctor`";
    throw new InputError("RMX0801", "the package `webgpu` (Dawn) cannot be loaded", {
      notes: [reason],
      help,
    });
  }
}

function profileOf(gpu: GPUDevice, info: GPUAdapterInfo): Profile {
  const { limits, features } = gpu;
  const { subgroupMinSize: min = 0, subgroupMaxSize: max = 0 } = info;
  const matrices = matrixShapes(features, info as GPUAdapterInfo & MatrixInfo);
  return {
    name: "device",
    limits: {
      storageBinding: limits.maxStorageBufferBindingSize,
      bufferSize: limits.maxBufferSize,
      storageBuffers: limits.maxStorageBuffersPerShaderStage,
      offsetAlignment: Math.max(
        limits.minStorageBufferOffsetAlignment,
        limits.minUniformBufferOffsetAlignment,
      ),
      workgroupMemory: limits.maxComputeWorkgroupStorageSize,
      workgroupSize: limits.maxComputeInvocationsPerWorkgroup,
      workgroups: limits.maxComputeWorkgroupsPerDimension,
    },
    ...(features.has("subgroups") && min > 0 && max > 0 && { subgroup: { min, max } }),
    ...(matrices && { matrices }),
    features: {
      f16: features.has("shader-f16"),
      software: info.isFallbackAdapter,
      timestamps: features.has("timestamp-query"),
    },
  };
}
