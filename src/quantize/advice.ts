/** @file Which parameters lose more than their like, why, and what to write in `precision` instead. */
import { storageText } from "../ir/storage.ts";
import { indexText } from "../runtime/fileweights.ts";
import type { TensorReport } from "./convert.ts";
import type { TensorError } from "./tensorerror.ts";

export interface Advice {
  readonly path: string;
  /** What is wrong, in a sentence without its end. */
  readonly problem: string;
  /** Lines for the `precision` block, best first. */
  readonly instead: readonly string[];
}

/** A parameter this many dB below the median of those stored alike stands out: one bit. */
const MARGIN = 6;
/** Fewer parameters than this have no median to speak of. */
const ENOUGH = 3;
/** Below this a tenth of the signal is noise, above that a hundredth: nobody need care. */
const FLOOR = 20;
const FINE = 40;

export function advise(reports: readonly TensorReport[]): Advice[] {
  const measured = reports.flatMap(({ param, error }) => (error === undefined ? [] : [{ param, error }]));
  return measured.flatMap(({ param, error }): Advice[] => {
    const type = storageText(param.storage);
    const kin = measured
      .filter((each) => storageText(each.param.storage) === type && Number.isFinite(each.error.sqnr))
      .map((each) => each.error.sqnr);
    const usual = kin.length < ENOUGH ? FLOOR : Math.min(FINE, Math.max(FLOOR, median(kin) - MARGIN));
    if (error.sqnr >= usual && error.clipped === 0) return [];
    return [{ path: param.path, ...reason({ param, error }) }];
  });
}

function reason({
  param,
  error,
}: {
  readonly param: TensorReport["param"];
  readonly error: TensorError;
}): Omit<Advice, "path"> {
  const { path, shape, storage } = param;
  const line = (type: string): string => `"${path}" = ${type}`;
  const loses = `${error.sqnr.toFixed(1)} dB in ${storageText(storage)}`;
  if (error.clipped > 0) {
    const wider = storage.element === "f16" ? "bf16" : "f32";
    return {
      problem: `${error.clipped} of its values are beyond the largest of ${storage.element}`,
      instead: [line(wider)],
    };
  }
  const group = storage.scale?.group;
  if (error.worst !== undefined) {
    const at = indexText(error.worst.element, shape);
    const smaller =
      storage.element === "int8"
        ? [line(`int8 per group(${Math.min(32, Math.floor((group ?? 64) / 2))})`)]
        : [];
    return {
      problem: `${loses}: its value at ${at} is ${error.worst.ratio.toFixed(0)} times the rms of those that share its scale`,
      instead: [...(group === undefined || group > 2 ? smaller : []), line("f16")],
    };
  }
  return { problem: loses, instead: [line("f16")] };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
