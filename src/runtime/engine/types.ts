/** @file What an engine is, whatever device it runs on: one loaded model that turns features into scores. */
import type { Stage } from "../../ir/graph.ts";
import type { Device } from "../device.ts";
import type { FeatureValues } from "../inputs.ts";
import type { CacheOptions, UserCache } from "./cache.ts";

/**
 * The user stage's results of one or more requests, kept on the device. Several handles may stand for the same results, one
 * for each holder: `retain` makes one more, and the results' memory is given to others once all are freed.
 */
export interface UserHandle {
  readonly requests: number;
  /** Device memory that the results take. */
  readonly bytes: number;
  /** Not freed, and the engine is still there, on the device that it made the handle on. */
  readonly live: boolean;
  /** Another handle to the same results, to be freed by itself. Throws RMX0709 if this one is not live. */
  retain(): UserHandle;
  /** The results as a safetensors file in memory, for `engine.deserialize` here or on another host. */
  serialize(): Promise<Uint8Array>;
  /** Lets go. May be called at any time, also while a call with this handle runs, and twice. */
  free(): void;
}

export interface ScoreOptions {
  /** The request of each candidate, counted through the handles in order; needed where there is more than one. */
  readonly request?: ArrayLike<number>;
  /** How many candidates; needed only where the model has no item features. */
  readonly candidates?: number;
}

/** Each task's scores: N values, or N rows of m (row-major) for a task of m. */
export type Scores = ReadonlyMap<string, Float32Array>;

export interface EngineStats {
  /** Device objects made since the engine began to load. A steady call changes none of the first three. */
  readonly buffersCreated: number;
  readonly pipelinesCreated: number;
  readonly bindGroupsCreated: number;
  readonly submits: number;
  /** Writes to the device and mappings of its results; a steady call makes one of each, a user stage no mapping. */
  readonly writes: number;
  readonly maps: number;
  /** Submits of calls made while an earlier call was on the device: uploads that overlapped execution. */
  readonly overlapped: number;
  /** Buffers on the device now, and their bytes. */
  readonly buffers: number;
  readonly bytes: number;
  /** Requests whose results live handles hold. */
  readonly requestsKept: number;
  /** Wall time of the last run of each stage: upload, kernels and read-back, milliseconds. */
  readonly stageMs: Readonly<Partial<Record<Stage, number>>>;
  /** Device time by kernel, where the engine was loaded with `profile` and the device has timestamps. */
  readonly kernels: ReadonlyMap<string, KernelTime>;
}

export interface KernelTime {
  readonly stage: Stage;
  readonly runs: number;
  readonly nanoseconds: number;
}

/** A kernel's launch (or a whole stage) on the device's clock: nanoseconds since the call's first launch began. */
export interface LaunchTime {
  readonly name: string;
  readonly begin: number;
  readonly end: number;
}

/** When the parts of one stage's call happened; `performance.now()`, milliseconds. A call cut into chunks of rows is several. */
export interface CallTimes {
  readonly stage: Stage;
  readonly rows: number;
  readonly begin: number;
  /** Features are packed and written, commands encoded and submitted. */
  readonly submitted: number;
  /** The results lie in the caller's arrays; for the user stage: in the slabs. */
  readonly end: number;
  /** Milliseconds after `end` that reading the device's timestamps took. */
  readonly reading: number;
  /** On the device: one entry for the stage, or one a launch. Without timestamps it is timed from outside, a wait included. */
  readonly launches: readonly LaunchTime[];
}

/** Told of calls as they end. */
export interface CallWatcher {
  /** `kernels` gives each launch a pass of its own, or where the device has no timestamps a submission and a wait of its own. */
  readonly detail: "stages" | "kernels";
  call(times: CallTimes): void;
}

/** A value of the plan as the last call left it, compact and row-major. */
export interface ReadValue {
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array;
}

/** Calls may be made from any number of asynchronous tasks at once. Arrays that a call was given must not change until it settles. */
export interface Engine {
  /** Runs the user stage for the requests that the features hold: `[R, …]` each, row-major. */
  user(features: FeatureValues, options?: { readonly requests?: number }): Promise<UserHandle>;
  /**
   * Scores the candidates that the item features hold, `[N, …]` each, for the requests of one or several handles, in any order
   * and number. No candidates give empty scores.
   */
  score(
    user: UserHandle | readonly UserHandle[],
    items: FeatureValues,
    options?: ScoreOptions,
  ): Promise<Scores>;
  /**
   * A handle to what `UserHandle.serialize` wrote, here or on another host: the same bits. Throws RMX0812 unless model, plan and
   * `LoadOptions.version` are the same.
   */
  deserialize(bytes: Uint8Array): Promise<UserHandle>;
  /** A cache of user results by keys of the caller's, least recently used out first. */
  cache(options: CacheOptions): UserCache;
  /**
   * Loads the model again after its device was lost (RMX0804), onto `device` or else onto one that it opens and owns. Handles
   * from before are not live any more; caches drop them as they meet them. Calls made meanwhile wait.
   */
  restore(device?: Device): Promise<void>;
  stats(): EngineStats;
  /** Frees everything that the engine holds; the device stays open. */
  destroy(): void;
}

/** What can be waited for while an engine loads; `done` of `total`. */
export type Progress = (what: "weights" | "kernels", done: number, total: number) => void;

export interface LoadOptions {
  readonly onProgress?: Progress;
  /**
   * The caller's name for these weights, such as the checkpoint's. It is written into serialised handles, and those of another
   * version are refused: results of old weights must not meet new ones.
   */
  readonly version?: string;
  /** Times every kernel on the device, which takes a pass of its own for each. */
  readonly profile?: boolean;
  /** Fills everything that a run will write with NaN before it, so that a kernel that leaves a hole is seen. */
  readonly poison?: boolean;
  /** Keeps the load stage's temporaries, so that they can be read afterwards. */
  readonly inspect?: boolean;
}

/** What `Program.load` adds. */
export interface EngineOptions extends LoadOptions {
  /** The weights are the engine's to close. */
  readonly ownsWeights?: boolean;
}
