/**
 * @file The artifact: what `rmxc compile -o out/` writes and a runtime executes without the compiler.
 *
 *     out/plan.json            parameters, inputs, and each variant's buffers, kernels, bindings and outputs
 *     out/kernels/NAME.wgsl    one kernel a file (kernels/PROFILE/NAME.wgsl where there are several variants)
 *     out/README.txt           how to read the two
 *
 * The text depends on the spec and the profiles alone: no date, path, or version of the machine.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { writeFolderAtomic } from "./files.ts";
import { InputError } from "./ir/error.ts";
import { bool } from "./ir/expr.ts";
import type { FeatureInfo, ParamInfo, Stage } from "./ir/graph.ts";
import type { KernelText, Plan, PlanValue } from "./ir/plan.ts";
import type { ListStep, TileKernel } from "./ir/tile.ts";
import { printJson } from "./json.ts";
import { allKernels, stages } from "./variant.ts";

/** A variant as a device executes it. */
export interface ArtifactVariant {
  readonly plan: Plan;
  readonly kernels: readonly KernelText[];
}

export interface Artifact {
  readonly name: string;
  readonly variants: readonly ArtifactVariant[];
}

/** What plan.json says of a kernel: how to launch it, and where its text lies. The tile program stays behind. */
type StoredKernel = Omit<TileKernel, "body" | "inner" | "phases" | "lists" | "stage"> &
  Omit<KernelText, "text" | "stage" | "name" | "lines"> & {
    readonly file: string;
    readonly lists?: Omit<ListStep, "active">;
  };

interface StoredVariant extends Omit<Plan, "kernels" | "params" | "features" | "serve" | "name" | "format"> {
  readonly kernels: Readonly<Record<Stage, readonly StoredKernel[]>>;
}

interface StoredPlan {
  readonly format: 1;
  readonly name: string;
  readonly serve: Plan["serve"];
  readonly params: readonly ParamInfo[];
  readonly features: readonly FeatureInfo[];
  readonly variants: readonly StoredVariant[];
}

const PLAN_FILE = "plan.json";
const README_FILE = "README.txt";
const KERNEL_FOLDER = "kernels";
const SUFFIX = { wgsl: ".wgsl", cuda: ".cu" } as const;

/** Every file of the artifact by its name inside the folder. */
export function artifactFiles(artifact: Artifact): Map<string, string> {
  const files = new Map<string, string>();
  const folders = variantFolders(artifact.variants);
  const variants = artifact.variants.map((variant, i): StoredVariant => {
    const texts = new Map(variant.kernels.map((kernel) => [kernel.name, kernel]));
    const store = (kernel: TileKernel): StoredKernel => {
      const text = texts.get(kernel.name);
      if (text === undefined) throw new Error(`internal: kernel ${kernel.name} has no text`);
      const file = `${folders[i]}/${kernel.name}${SUFFIX[text.language]}`;
      files.set(file, text.text);
      return storedKernel(kernel, text, file);
    };
    const { kernels } = variant.plan;
    const { profile, values, arenas, outputs } = variant.plan;
    return {
      profile,
      values: values.map(storedValue),
      arenas,
      outputs,
      kernels: {
        load: kernels.load.map(store),
        user: kernels.user.map(store),
        item: kernels.item.map(store),
      },
    };
  });
  const [first] = artifact.variants;
  if (first === undefined) throw new Error("internal: an artifact without variants");
  const stored: StoredPlan = {
    format: 1,
    name: artifact.name,
    serve: first.plan.serve,
    params: first.plan.params.map(withoutOrigin),
    features: first.plan.features.map(withoutOrigin),
    variants,
  };
  files.set(PLAN_FILE, printJson(stored));
  files.set(README_FILE, readme(artifact, folders));
  return files;
}

/** Replaces the folder `dir`, if it is empty or holds an artifact, or creates it. */
export function writeArtifact(dir: string, artifact: Artifact): void {
  writeFolderAtomic(dir, artifactFiles(artifact), isArtifactFolder);
}

function isArtifactFolder(path: string): boolean {
  const entries = readdirSync(path);
  const ours = new Set([PLAN_FILE, README_FILE, KERNEL_FOLDER]);
  return entries.every((entry) => ours.has(entry)) && (entries.length === 0 || entries.includes(PLAN_FILE));
}

/** Reads what `writeArtifact` wrote. Throws RMX0520 for a folder that holds no artifact or a broken one. */
export function readArtifact(dir: string): Artifact {
  const path = join(dir, PLAN_FILE);
  if (!existsSync(path)) {
    throw new InputError("RMX0520", `${dir} holds no compiled model`, {
      notes: [`there is no ${PLAN_FILE} in it`],
      help: "rmxc compile model.rmx -o DIR writes one",
    });
  }
  const stored = readPlan(path);
  const variants = stored.variants.map((variant): ArtifactVariant => {
    const texts: KernelText[] = [];
    const restore = (stage: Stage) => (kernel: StoredKernel) => {
      const { file, language, workgroup, sharedBytes, maps, counters, bindings, lists, ...tile } = kernel;
      const text = readText(join(dir, file));
      const asked = {
        ...(sharedBytes && { sharedBytes }),
        ...(maps && { maps }),
        ...(counters && { counters }),
      };
      texts.push({ name: kernel.name, stage, language, text, workgroup, ...asked, bindings });
      // What a kernel computes is in its text.
      const made = lists && { lists: { ...lists, active: bool(true) } };
      return { ...tile, ...made, stage, inner: [], body: [] } satisfies TileKernel;
    };
    const { load, user, item } = variant.kernels;
    const plan: Plan = {
      format: 1,
      name: stored.name,
      serve: stored.serve,
      params: stored.params,
      features: stored.features,
      profile: variant.profile,
      values: variant.values.map(restoredValue),
      arenas: variant.arenas,
      outputs: variant.outputs,
      kernels: {
        load: load.map(restore("load")),
        user: user.map(restore("user")),
        item: item.map(restore("item")),
      },
    };
    return { plan, kernels: texts };
  });
  return { name: stored.name, variants };
}

function readPlan(path: string): StoredPlan {
  let data: unknown;
  try {
    data = JSON.parse(readText(path));
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw broken(path, "it is not JSON");
  }
  if (!isStoredPlan(data)) throw broken(path, "it is not a plan of format 1");
  return data;
}

/** The parts that reading relies on; what is inside them comes from this compiler, and the kernels are checked by the device. */
function isStoredPlan(data: unknown): data is StoredPlan {
  if (!isRecord(data) || data.format !== 1 || typeof data.name !== "string" || !isRecord(data.serve))
    return false;
  const { params, features, variants } = data;
  if (!Array.isArray(params) || !Array.isArray(features) || !Array.isArray(variants)) return false;
  return variants.every((variant: unknown) => {
    if (!isRecord(variant) || !isRecord(variant.profile) || !isRecord(variant.kernels)) return false;
    const { values, arenas, outputs, kernels } = variant;
    const lists = [values, arenas, outputs, ...stages.map((stage) => kernels[stage as keyof typeof kernels])];
    return lists.every((list) => Array.isArray(list) && list.every(isRecord));
  });
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    throw broken(path, "it cannot be read");
  }
}

function broken(path: string, reason: string): InputError {
  return new InputError("RMX0520", `the compiled model is broken at ${path}`, {
    notes: [reason],
    help: "compile it again",
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function storedKernel(kernel: TileKernel, text: KernelText, file: string): StoredKernel {
  const { body: _body, inner: _inner, phases: _phases, stage: _stage, lists, about, ...kept } = kernel;
  const { language, workgroup, sharedBytes, maps, counters, bindings } = text;
  return {
    ...kept,
    file,
    language,
    workgroup,
    ...(sharedBytes && { sharedBytes }),
    ...(maps && { maps }),
    ...(counters && { counters }),
    bindings,
    ...(lists && { lists: { step: lists.step, list: lists.list, launches: lists.launches } }),
    about: withoutOrigin(about),
  };
}

/** Spans name the spec's path as someone typed it. */
function withoutOrigin<T extends { readonly origin?: unknown }>(value: T): T {
  const { origin: _, ...rest } = value;
  return rest as T;
}

/** JSON has no infinity: a constant's infinite elements are text. */
function storedValue(value: PlanValue): PlanValue {
  if (value.home.kind !== "constant" || value.home.values.every(Number.isFinite)) return value;
  const values = value.home.values.map((v) => (Number.isFinite(v) ? v : String(v))) as unknown as number[];
  return { ...value, home: { kind: "constant", values } };
}

function restoredValue(value: PlanValue): PlanValue {
  return value.home.kind === "constant"
    ? { ...value, home: { kind: "constant", values: value.home.values.map(Number) } }
    : value;
}

/** A folder a variant, named after its profile; profiles of one name are numbered. */
function variantFolders(variants: readonly ArtifactVariant[]): string[] {
  if (variants.length === 1) return [KERNEL_FOLDER];
  const taken = new Map<string, number>();
  return variants.map(({ plan }) => {
    const name = plan.profile.name.replace(/[^\w.-]/g, "_");
    const before = taken.get(name) ?? 0;
    taken.set(name, before + 1);
    return `${KERNEL_FOLDER}/${before === 0 ? name : `${name}-${before + 1}`}`;
  });
}

function readme(artifact: Artifact, folders: readonly string[]): string {
  const lines = [
    `${artifact.name}, compiled by rmxc.`,
    "",
    "plan.json says everything that executing the model takes: the parameters and inputs by name, and for each variant",
    "the device limits that it was compiled for, every buffer (where it lives, its shape and strides), the kernels of",
    "the load, user and item programs in execution order, what each binds, and the outputs.",
    "",
    "Binding 0 of a kernel is the uniform { rows, from, to, one }; binding i + 1 is its bindings[i]. A kernel runs one",
    "workgroup for each tile of its grid; an extent R or N is the number of requests or candidates of the call.",
    "",
    'Run it from TypeScript with loadArtifact("this folder") of the package rmxc.',
    "",
  ];
  artifact.variants.forEach(({ plan }, i) => {
    const counts = stages.map((stage) => `${plan.kernels[stage].length} ${stage}`).join(", ");
    lines.push(
      `variant ${plan.profile.name}: ${allKernels(plan).length} kernels (${counts}) in ${folders[i]}/`,
    );
  });
  return `${lines.join("\n")}\n`;
}
