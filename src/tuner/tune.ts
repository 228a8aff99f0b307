/**
 * @file The tuner: measures the schedules that a kernel can have, those first that the cost model likes, on a loaded model's own buffers.
 *
 * Kernels of one key share what is found. The most expensive come first, and each gets the part of the budget that its
 * share of the time earns; what it leaves goes to those behind it. A candidate must store what the kernel stored before to within
 * rounding, whatever it would save, and races the best so far in turn. At the end the best races the cost model's favourite once
 * more, so that both figures are of one moment; where the difference is within what such races vary by, the favourite stays.
 */

import { printCuda } from "../../backends/cuda/print.ts";
import { lowerKernel } from "../../backends/lower/index.ts";
import { printWgsl } from "../../backends/wgsl/print.ts";
import { scheduleSpace } from "../../passes/scheduling/space.ts";
import { InputError } from "../ir/error.ts";
import type { ComputeType } from "../ir/graph.ts";
import type { Plan } from "../ir/plan.ts";
import type { Profile } from "../ir/profile.ts";
import { kernelKey, type Schedule, shapeBucket, withSchedule } from "../ir/schedule.ts";
import { GROUP, type TileKernel, tensorFormat } from "../ir/tile.ts";
import type { KernelTrials, Prepared } from "../runtime/engine/trial.ts";
import type { ReadValue } from "../runtime/engine/types.ts";
import { relativeError, toleranceFor } from "../runtime/verify.ts";
import { median } from "../statistics.ts";

/** A distinct kernel of a plan, and how the model uses it. */
export interface Subject {
  readonly key: string;
  readonly bucket: number;
  /** One of those of this key. */
  readonly kernel: TileKernel;
  readonly names: readonly string[];
  /** Seconds that all of them take in a call. */
  readonly seconds: number;
  /** The cost model's favourite first. */
  readonly space: readonly Schedule[];
}

export interface Tuned {
  readonly subject: Subject;
  readonly schedule: Schedule;
  /** Seconds of one launch, of the favourite and of `schedule`, from one race. */
  readonly untuned: number;
  readonly tuned: number;
  /** Candidates that were timed, the favourite included. */
  readonly tried: number;
  /** Candidates that the device refused or whose results differed, each with the reason: faults of the compiler. */
  readonly refused: readonly string[];
}

/**
 * The kernels of a scheduled and unmerged `plan` that have a choice, the most expensive first. `seconds`: of each kernel in a call, by
 * name. Kernels whose workgroups the device counts have none: the list's own kernel goes by their tiles.
 */
export function subjectsOf(
  plan: Plan,
  profile: Profile,
  seconds: ReadonlyMap<string, number>,
  computeOf: (kernel: TileKernel) => ComputeType = () => "f32",
): Subject[] {
  const subjects = new Map<string, { kernel: TileKernel; names: string[]; seconds: number }>();
  for (const kernel of [...plan.kernels.user, ...plan.kernels.item]) {
    if (kernel.indirect !== undefined || kernel.lists !== undefined || kernel.phases !== undefined) continue;
    const at = `${kernelKey(kernel, plan.values)} ${shapeBucket(kernel, plan.serve)}`;
    const subject = subjects.get(at) ?? { kernel, names: [], seconds: 0 };
    subject.names.push(kernel.name);
    subject.seconds += seconds.get(kernel.name) ?? 0;
    subjects.set(at, subject);
  }
  return [...subjects.values()]
    .map(({ kernel, ...rest }) => ({
      ...rest,
      kernel,
      key: kernelKey(kernel, plan.values),
      bucket: shapeBucket(kernel, plan.serve),
      space: scheduleSpace(kernel, plan, profile, undefined, computeOf(kernel)).filter((schedule) =>
        keepsSlices(kernel, schedule),
      ),
    }))
    .filter(({ space, seconds: taken }) => space.length > 1 && taken > 0)
    .sort((a, b) => b.seconds - a.seconds);
}

/** A parameter is bound in slices along an axis whose tiles are single points. */
function keepsSlices({ slicing }: TileKernel, { tiles }: Schedule): boolean {
  return slicing === undefined || slicing.axis === GROUP || (tiles[slicing.axis] ?? 1) === 1;
}

/** Where kernels race; see `KernelTrials`. */
export type Trials = Pick<KernelTrials, "prepare" | "once" | "results" | "race">;

export interface TuneOptions {
  readonly budgetSeconds: number;
  readonly onProgress?: (done: number, total: number) => void;
}

export async function tuneKernels(
  trials: Trials,
  plan: Plan,
  subjects: readonly Subject[],
  { budgetSeconds, onProgress = () => {} }: TuneOptions,
): Promise<Tuned[]> {
  const started = performance.now();
  const elapsed = (): number => (performance.now() - started) / 1000;
  const tuned: Tuned[] = [];
  let weight = subjects.reduce((total, { seconds }) => total + seconds, 0);
  for (const subject of subjects) {
    const left = budgetSeconds - elapsed();
    if (left <= 0) break;
    const until = elapsed() + (left * subject.seconds) / weight;
    weight -= subject.seconds;
    const search = new Search(trials, plan, subject);
    tuned.push(
      await search.run(
        () => elapsed() < until,
        () => onProgress(Math.min(elapsed(), budgetSeconds), budgetSeconds),
      ),
    );
  }
  return tuned;
}

/** A pass lasts at least so long, so that a clock's steps do not count. */
const LEAST_SECONDS = 0.002;
const MOST_REPEATS = 64;
/** Rounds of a race with the best so far, and of those after which one that is far behind drops out. */
const ROUNDS = 5;
const FIRST_ROUNDS = 2;
const FAR_BEHIND = 1.25;
/** Less is what two races of the same kernel differ by. */
const LEAST_GAIN = 0.03;
const FINAL_ROUNDS = 9;
/** Candidates in a row that were no better, after which the rest, which the cost model likes even less, is left. */
const PATIENCE = 8;

/** The text does not compile; its block takes more registers than there are. */
const REFUSALS: ReadonlySet<string> = new Set(["RMX0803", "RMX0826"]);

interface Runner {
  readonly schedule: Schedule;
  readonly prepared: Prepared;
}

class Search {
  readonly #trials: Trials;
  readonly #plan: Plan;
  readonly #subject: Subject;
  readonly #refused: string[] = [];

  constructor(trials: Trials, plan: Plan, subject: Subject) {
    this.#trials = trials;
    this.#plan = plan;
    this.#subject = subject;
  }

  async run(hasTime: () => boolean, onStep: () => void): Promise<Tuned> {
    const { space, seconds, names } = this.#subject;
    const repeats = repeatsFor(seconds / names.length);
    const [first, ...others] = space;
    if (first === undefined) throw new Error(`internal: ${names[0]} has no schedule`);
    const favourite = await this.#start(first);
    const wanted = await this.#trials.results(favourite.prepared);
    let best = favourite;
    let tried = 1;
    let since = 0;
    for (const schedule of others) {
      if (!hasTime() || since >= PATIENCE) break;
      onStep();
      const candidate = await this.#admit(schedule, wanted);
      if (candidate === undefined) continue;
      tried++;
      if (await this.#beats(candidate, best, repeats)) {
        best = candidate;
        since = 0;
      } else since++;
    }
    return {
      ...(await this.#final(favourite, best, repeats)),
      subject: this.#subject,
      tried,
      refused: this.#refused,
    };
  }

  async #start(schedule: Schedule): Promise<Runner> {
    const kernel = withSchedule(this.#subject.kernel, schedule);
    const print = this.#plan.profile.cuda === undefined ? printWgsl : printCuda;
    const text = print(lowerKernel(kernel, this.#plan));
    const prepared = await this.#trials.prepare({ kernel, text });
    await this.#trials.once(prepared);
    return { schedule, prepared };
  }

  /** Ready to race, if the device takes it and it stores what it should. */
  async #admit(schedule: Schedule, wanted: readonly ReadValue[]): Promise<Runner | undefined> {
    try {
      const runner = await this.#start(schedule);
      const error = differenceOf(await this.#trials.results(runner.prepared), wanted);
      if (error <= this.#tolerance(schedule)) return runner;
      this.#refuse(schedule, `its results differ by ${error.toExponential(1)}`);
    } catch (error) {
      if (!(error instanceof InputError) || !REFUSALS.has(error.code)) throw error;
      this.#refuse(schedule, "the device does not accept it");
    }
    return undefined;
  }

  /** Where either multiplies in 16 bits, the results are as far apart as that rounds. */
  #tolerance(schedule: Schedule): number {
    const halves = [schedule, ...this.#subject.space.slice(0, 1)].map(({ lowering }) =>
      toleranceFor(tensorFormat(lowering) ?? "f32"),
    );
    return Math.max(...halves);
  }

  #refuse({ lowering }: Schedule, reason: string): void {
    this.#refused.push(`${this.#subject.kernel.name} as ${JSON.stringify(lowering)}: ${reason}`);
  }

  async #beats(candidate: Runner, best: Runner, repeats: number): Promise<boolean> {
    const race = (rounds: number) => this.#trials.race([best.prepared, candidate.prepared], rounds, repeats);
    const first = await race(FIRST_ROUNDS);
    if (ratio(first) > FAR_BEHIND) return false;
    const more = await race(ROUNDS - FIRST_ROUNDS);
    return ratio(first.map((times, i) => [...times, ...(more[i] ?? [])])) < 1 - LEAST_GAIN;
  }

  async #final(favourite: Runner, best: Runner, repeats: number) {
    const contenders = best === favourite ? [favourite] : [favourite, best];
    const times = await this.#trials.race(
      contenders.map(({ prepared }) => prepared),
      FINAL_ROUNDS,
      repeats,
    );
    const [untuned = Number.NaN, tuned = untuned] = times.map((each) => median(each) / 1e9);
    const kept = tuned < (1 - LEAST_GAIN) * untuned;
    return { schedule: (kept ? best : favourite).schedule, untuned, tuned: kept ? tuned : untuned };
  }
}

/** The second contender's median over the first's. */
function ratio([first = [], second = []]: readonly number[][]): number {
  return median(second) / median(first);
}

function repeatsFor(seconds: number): number {
  return Math.min(MOST_REPEATS, Math.max(1, Math.ceil(LEAST_SECONDS / seconds)));
}

/** The largest relative error of a value; what neither has stored (rows beyond a list's) does not count, a hole of one alone does. */
export function differenceOf(got: readonly ReadValue[], wanted: readonly ReadValue[]): number {
  return wanted.reduce((most, { data: want }, i) => {
    const have = got[i]?.data ?? [];
    const stored = Array.from(want.keys()).filter((k) => !(Number.isNaN(want[k]) && Number.isNaN(have[k])));
    const pick = (values: ArrayLike<number>): Float64Array =>
      Float64Array.from(stored, (k) => values[k] ?? Number.NaN);
    return Math.max(most, relativeError(pick(have), pick(want)));
  }, 0);
}
