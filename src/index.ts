/**
 * @file The package's API.
 *
 *     import { compile, drawnWeights, openDevice } from "rmxc";
 *
 *     const device = await openDevice("auto");
 *     const program = await compile("ranker.rmx", { profiles: [device.profile] });
 *     const engine = await program.load("ranker.safetensors", device); //     runs the load stage once
 *     const user = await engine.user({ uid, watched, profile }); //           once per request; free it when done
 *     const scores = await engine.score(user, { vid, stats }); //             N candidates
 *     scores.get("finish"); //                                                Float32Array of N
 *
 * `compile` needs no device: given `profiles: ["gpu"]` or a JSON file it makes kernels for a class of devices, which
 * `program.write(dir)` saves and `loadArtifact(dir)` loads elsewhere without the compiler.
 *
 * Features are arrays by name, row-major: `[R, …]` for R requests in `user`, `[N, …]` for N candidates in `score`. What a
 * caller can get wrong is thrown as a `DiagnosticError` (the spec) or an `InputError` (weights, inputs, devices).
 */
export { type Diagnostic, DiagnosticError, type Sources, type Span } from "../grammar/diagnostics.ts";
export { type ArtifactProgram, loadArtifact } from "./artifactprogram.ts";
export { type CompileOptions, compile, type Program, type Variant } from "./compile.ts";
export { InputError } from "./ir/error.ts";
export type { FeatureInfo, Graph, ParamInfo, Storage } from "./ir/graph.ts";
export type { KernelText, Plan } from "./ir/plan.ts";
export type { Profile } from "./ir/profile.ts";
export type { Schedule, ScheduleSource } from "./ir/schedule.ts";
export { readInputs, writeInputs, writeOutputs } from "./runtime/datafiles.ts";
export { type Device, type DeviceChoice, type DeviceKind, openDevice } from "./runtime/device.ts";
export { drawnWeights } from "./runtime/drawn.ts";
export { drawnInputs } from "./runtime/drawninputs.ts";
export type { CacheOptions, CacheStats, FeatureSource, UserCache } from "./runtime/engine/cache.ts";
export type {
  Engine,
  EngineStats,
  KernelTime,
  LoadOptions,
  ScoreOptions,
  Scores,
  UserHandle,
} from "./runtime/engine/types.ts";
export { fileWeights as readWeights } from "./runtime/fileweights.ts";
export type { FeatureValues, ModelInputs } from "./runtime/inputs.ts";
export { storedWeights } from "./runtime/storedweights.ts";
export type { DrawOptions, WeightSource } from "./runtime/weights.ts";
export type { SetValue } from "./spec.ts";
