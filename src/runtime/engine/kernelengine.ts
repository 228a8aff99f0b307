/**
 * @file The engine on a device that runs kernels, WebGPU or CUDA: what callers see of a model there. It checks features, deals in
 * handles, and moves to another device when the one it is on was lost; loaded.ts does the work.
 */
import { InputError } from "../../ir/error.ts";
import type { Plan } from "../../ir/plan.ts";
import { type Device, type KernelDevice, openDevice } from "../device.ts";
import { checkInputs, checkRequest, type FeatureValues } from "../inputs.ts";
import { missingLimits } from "../profile.ts";
import type { WeightSource } from "../weights.ts";
import { type CacheOptions, UserCache } from "./cache.ts";
import { Handle, holding } from "./handles.ts";
import { type DeviceProgram, LoadedModel, type Meters } from "./loaded.ts";
import type { KernelTrials } from "./trial.ts";
import type {
  CallWatcher,
  Engine,
  EngineOptions,
  EngineStats,
  ReadValue,
  ScoreOptions,
  Scores,
  UserHandle,
} from "./types.ts";

export type { DeviceProgram } from "./loaded.ts";

/** Loads a program: pipelines, parameters, load stage. Throws RMX0802, RMX0803, RMX0805 and what reading weights throws. */
export async function loadKernelEngine(
  device: KernelDevice,
  program: DeviceProgram,
  weights: WeightSource,
  options: EngineOptions = {},
): Promise<KernelEngine> {
  const meters: Meters = {
    counters: {
      buffersCreated: 0,
      pipelinesCreated: 0,
      bindGroupsCreated: 0,
      submits: 0,
      writes: 0,
      maps: 0,
      overlapped: 0,
    },
    stageMs: {},
    kernelTimes: new Map(),
  };
  const load = async (onto: KernelDevice): Promise<LoadedModel> => {
    checkFits(program.plan, onto);
    return LoadedModel.load(onto, program, weights, options, meters);
  };
  const close = (): void => {
    if (options.ownsWeights === true) weights.close();
  };
  return new KernelEngine(program.plan, device.kind, meters, await load(device), load, close);
}

function checkFits(plan: Plan, device: KernelDevice): void {
  const missing = missingLimits(plan.profile, device.profile);
  if (missing.length === 0) return;
  throw new InputError("RMX0802", "the device has less than the program was compiled for", {
    notes: missing,
    help: "compile for this device's own profile, which is what `rmxc run` does",
  });
}

export class KernelEngine implements Engine {
  readonly #plan: Plan;
  /** What `restore` opens. */
  readonly #kind: KernelDevice["kind"];
  readonly #meters: Meters;
  readonly #load: (device: KernelDevice) => Promise<LoadedModel>;
  readonly #close: () => void;
  #model: LoadedModel;
  /** The device that `restore` opened. */
  #owned: KernelDevice | undefined;
  #restoring: Promise<void> | undefined;
  #destroyed = false;

  constructor(
    plan: Plan,
    kind: KernelDevice["kind"],
    meters: Meters,
    model: LoadedModel,
    load: (device: KernelDevice) => Promise<LoadedModel>,
    close: () => void,
  ) {
    this.#plan = plan;
    this.#kind = kind;
    this.#meters = meters;
    this.#model = model;
    this.#load = load;
    this.#close = close;
  }

  async user(features: FeatureValues, options: { readonly requests?: number } = {}): Promise<UserHandle> {
    const inputs = checkInputs(this.#plan.features, "user", features, options.requests);
    await this.#restoring;
    const model = this.#model;
    return Handle.to(model, await model.user(inputs));
  }

  score(
    user: UserHandle | readonly UserHandle[],
    items: FeatureValues,
    options: ScoreOptions = {},
  ): Promise<Scores> {
    const model = this.#model;
    return holding(model, user, (kept) => {
      const slots = kept.flat();
      const inputs = checkInputs(this.#plan.features, "item", items, options.candidates);
      const request = checkRequest(options.request, inputs.rows, slots.length);
      return model.score(
        inputs,
        request.map((r) => slots[r] ?? 0),
      );
    });
  }

  async deserialize(bytes: Uint8Array): Promise<UserHandle> {
    await this.#restoring;
    const model = this.#model;
    return Handle.to(model, await model.deserialize(bytes));
  }

  cache(options: CacheOptions): UserCache {
    return new UserCache(this, options);
  }

  restore(device?: Device): Promise<void> {
    this.#restoring ??= this.#restore(device).finally(() => {
      this.#restoring = undefined;
    });
    return this.#restoring;
  }

  /** See `LoadedModel.read`. */
  read(id: number): Promise<ReadValue> {
    return this.#model.read(id);
  }

  /** See `LoadedModel.trial`. */
  trial<R>(run: (trials: KernelTrials) => Promise<R>): Promise<R> {
    return this.#model.trial(run);
  }

  /** Tells `watcher` the times of every call from now on; undefined: of none. Calls that are told should be made one by one. */
  watch(watcher: CallWatcher | undefined): void {
    this.#meters.watcher = watcher;
  }

  stats(): EngineStats {
    const { counters, stageMs, kernelTimes } = this.#meters;
    return { ...counters, ...this.#model.held, stageMs: { ...stageMs }, kernels: new Map(kernelTimes) };
  }

  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.#model.close("the engine was destroyed");
    this.#owned?.destroy();
    this.#close();
  }

  async #restore(given: Device | undefined): Promise<void> {
    if (this.#destroyed) throw new InputError("RMX0804", "the engine was destroyed");
    if (given?.kind === "reference") {
      throw new InputError("RMX0821", "the reference device cannot run what was compiled to kernels");
    }
    // First, since both may not fit the memory of one device.
    this.#model.close("the engine moved to another device");
    this.#owned?.destroy();
    this.#owned = undefined;
    const device = given ?? (await openOwn(this.#kind));
    try {
      const model = await this.#load(device);
      if (this.#destroyed) {
        model.close("the engine was destroyed");
        throw new InputError("RMX0804", "the engine was destroyed");
      }
      this.#model = model;
      if (given === undefined) this.#owned = device;
    } catch (error) {
      if (given === undefined) device.destroy();
      throw error;
    }
  }
}

async function openOwn(kind: KernelDevice["kind"]): Promise<KernelDevice> {
  const device = await openDevice(kind);
  if (device.kind !== kind) throw new Error("internal: another device than asked for");
  return device;
}
