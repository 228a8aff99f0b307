/** @file What `rmxc tune` says, as text and as JSON. */
import type { Schedule } from "../../ir/schedule.ts";
import type { TuneResult } from "../../tuner/session.ts";
import type { Tuned } from "../../tuner/tune.ts";
import { percent, plural, seconds, table } from "../text.ts";

/** What the cost model owes: its favourites cost no more than this beyond the best that was found. */
export const UNTUNED_WITHIN = 0.15;

export function describeTune({ tuned, left, kernels, call }: TuneResult): string {
  const lines = [
    tuned.length === 0
      ? `none of the ${plural(kernels, "kernel")} has a choice of schedules`
      : table(
          ["kernel", "of a call", "untuned", "tuned", "ratio", "tried", "schedule"],
          tuned.map((row) => [
            nameOf(row),
            seconds(row.subject.seconds),
            seconds(row.untuned),
            seconds(row.tuned),
            ratioOf(row).toFixed(3),
            `${row.tried} of ${row.subject.space.length}`,
            scheduleText(row.schedule),
          ]),
          ["left", "right", "right", "right", "right", "right", "left"],
        ),
  ];
  if (left.length > 0)
    lines.push(`the budget did not reach ${plural(left.length, "kernel")}: --budget gives it more time`);
  const refused = tuned.flatMap((row) => row.refused);
  if (refused.length > 0)
    lines.push("left aside, faults of rmxc or of the driver:", ...refused.map((text) => `- ${text}`));
  if (tuned.length > 0) lines.push("", verdict(tuned));
  if (Number.isFinite(call.tuned))
    lines.push(`a whole call: untuned ${seconds(call.untuned)}, tuned ${seconds(call.tuned)}`);
  return lines.join("\n");
}

/** Of the time of all kernels that were tuned. */
export function untunedOverTuned(tuned: readonly Tuned[]): number {
  const total = (of: (row: Tuned) => number): number =>
    tuned.reduce((sum, row) => sum + row.subject.names.length * of(row), 0);
  return total((row) => row.untuned) / total((row) => row.tuned);
}

function verdict(tuned: readonly Tuned[]): string {
  const over = untunedOverTuned(tuned) - 1;
  const worst = tuned.reduce((a, b) => (ratioOf(b) > ratioOf(a) ? b : a));
  const within = over <= UNTUNED_WITHIN ? "within" : "NOT within";
  return (
    `untuned takes ${percent(over)} more than tuned, ${within} ${percent(UNTUNED_WITHIN)}; ` +
    `the widest is ${nameOf(worst)} with ${percent(ratioOf(worst) - 1)}`
  );
}

export function ratioOf({ untuned, tuned }: Pick<Tuned, "untuned" | "tuned">): number {
  return untuned / tuned;
}

export function nameOf({ subject }: Tuned): string {
  const { names } = subject;
  return names.length === 1 ? (names[0] ?? "") : `${names[0]} and ${names.length - 1} more`;
}

/** `subgroup, 16 × 32`: the form and the tile. */
export function scheduleText({ lowering, tiles }: Schedule): string {
  const { kind, ...figures } = lowering;
  const sizes = Object.values(tiles);
  const own = Object.entries(figures).map(([name, value]) => `${name} ${value}`);
  return `${kind}${sizes.length > 0 ? `, ${sizes.join(" × ")}` : ""} (${own.join(", ")})`;
}

export function tuneJson(result: TuneResult, stored: string | undefined) {
  const { tuned, left, kernels, call } = result;
  return {
    ok: true,
    kernels,
    tuned: tuned.map((row) => ({
      key: row.subject.key,
      bucket: row.subject.bucket,
      names: row.subject.names,
      seconds: row.subject.seconds,
      untuned: row.untuned,
      tuned: row.tuned,
      ratio: ratioOf(row),
      tried: row.tried,
      space: row.subject.space.length,
      schedule: row.schedule,
      refused: row.refused,
    })),
    left: left.map(({ names }) => names),
    ...(tuned.length > 0 && { untunedOverTuned: untunedOverTuned(tuned) }),
    ...(Number.isFinite(call.tuned) && { call }),
    ...(stored !== undefined && { stored }),
  };
}
