/**
 * @file Bytes of device memory that a loaded model takes before its first call, from its plan alone, and the sum of what is stored.
 * Parameters with their scales and zero points, what is packed of load-stage values, those values, and constants count where kernels
 * of a call read them: what the load stage alone reads is freed after it. Rows of a table above one binding stay with the host.
 */
import { bytesOf, type Plan, type PlanValue } from "../src/ir/plan.ts";
import { storedBytes } from "../src/ir/storage.ts";
import { sizeFor } from "../src/runtime/engine/memory.ts";

const HELD: ReadonlySet<PlanValue["home"]["kind"]> = new Set(["param", "derived", "constant", "load"]);

/** As an engine that holds this plan counts them, but for a few words a kernel. */
export function loadedBytes({ values, kernels, outputs }: Plan): number {
  const read = new Set([
    ...[...kernels.user, ...kernels.item].flatMap(({ buffers }) => buffers.map(({ value }) => value)),
    ...outputs.map(({ value }) => value),
  ]);
  return values
    .filter(({ id, home }) => HELD.has(home.kind) && read.has(id))
    .reduce((sum, value) => sum + sizeFor(bytesOf(value, value.unit)), 0);
}

/** The parameters that the device holds, as a weights file stores them: elements, scales and zero points. */
export function storedOnDevice({ values, params }: Plan): number {
  const held = new Set(values.flatMap(({ home }) => (home.kind === "param" ? [home.path] : [])));
  return params
    .filter(({ path }) => held.has(path))
    .reduce((sum, { shape, storage }) => sum + storedBytes(shape, storage), 0);
}
