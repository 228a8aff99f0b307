/** @file What an engine is, whatever device it runs on: one loaded model that turns features into scores. */
import type { Stage } from "../../ir/graph.ts";
import type { FeatureValues } from "../inputs.ts";

/**
 * The user stage's results of one or more requests, kept on the device. Free it when the requests are done:
 * its slots are then given to others.
 */
export interface UserHandle {
  readonly requests: number;
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

/** A value of the plan as the last call left it, compact and row-major. */
export interface ReadValue {
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array;
}

export interface Engine {
  /** Runs the user stage for the requests that the features hold: `[R, …]` each, row-major. */
  user(features: FeatureValues, options?: { readonly requests?: number }): Promise<UserHandle>;
  /** Scores the candidates that the item features hold: `[N, …]` each. No candidates give empty scores. */
  score(
    user: UserHandle | readonly UserHandle[],
    items: FeatureValues,
    options?: ScoreOptions,
  ): Promise<Scores>;
  stats(): EngineStats;
  /** Frees everything that the engine holds; the device stays open. */
  destroy(): void;
}

/** What can be waited for while an engine loads; `done` of `total`. */
export type Progress = (what: "weights" | "kernels", done: number, total: number) => void;

export interface LoadOptions {
  readonly onProgress?: Progress;
  /** Times every kernel on the device, which takes a pass of its own for each. */
  readonly profile?: boolean;
  /** Fills everything that a run will write with NaN before it, so that a kernel that leaves a hole is seen. */
  readonly poison?: boolean;
  /** Keeps the load stage's temporaries, so that they can be read afterwards. */
  readonly inspect?: boolean;
}
