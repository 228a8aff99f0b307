/**
 * @file A user handle as bytes, for a cache on another host: a safetensors file in memory whose tensors are what the handle
 * keeps, compact and row-major, `[R, …]` each, and whose metadata says what it belongs to:
 *
 *     { "format": "rmxc.user.1", "model": NAME, "plan": SHA-256, "version": VERSION, "requests": R }
 *
 * All of it must match before a value is used, because kept values of other weights or of another cut between the
 * user's and the candidate's part would give scores that are wrong and look right.
 */
import { InputError } from "../../ir/error.ts";
import type { KernelText, Plan } from "../../ir/plan.ts";
import { dtypes } from "../dtypes.ts";
import {
  type Header,
  headerBytes,
  readHeader,
  specsOf,
  type TensorData,
  type TensorInfo,
} from "../safetensorsheader.ts";

const FORMAT = "rmxc.user.1";

/** What a serialised handle belongs to. */
export interface Identity {
  readonly model: string;
  /** See `planHash`. */
  readonly plan: string;
  readonly version: string;
}

/** A kept value; the shape is without the leading axis, the requests. */
export interface KeptSpec {
  readonly name: string;
  readonly element: "f32" | "i32";
  readonly shape: readonly number[];
}

export interface Kept {
  readonly requests: number;
  /** One array a spec, `[R, …]`. */
  readonly arrays: readonly (Float32Array | Int32Array)[];
}

/**
 * SHA-256 over everything that determines kept values, weights aside: the load and user programs' kernels, and what parameters,
 * features, constants and kept values are. A change of the item program alone leaves it the same.
 */
export async function planHash(plan: Plan, kernels: readonly KernelText[]): Promise<string> {
  const { name, params, features, values } = plan;
  const text = {
    name,
    params,
    features,
    values: values.filter(({ home }) => home.kind === "kept" || home.kind === "constant"),
    kernels: kernels.filter(({ stage }) => stage !== "item"),
  };
  // Origins and lines are places in someone's file; JSON has no infinity.
  const json = JSON.stringify(text, (key, value: unknown) => {
    if (key === "origin" || key === "lines") return undefined;
    return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
  });
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(json));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function encodeKept(identity: Identity, specs: readonly KeptSpec[], kept: Kept): Uint8Array {
  const tensors = new Map<string, TensorData>();
  specs.forEach((spec, i) => {
    const data = kept.arrays[i];
    if (data === undefined) throw new Error(`internal: no array for ${spec.name}`);
    tensors.set(tensorName(spec, i), { shape: [kept.requests, ...spec.shape], data });
  });
  const { model, plan, version } = identity;
  const metadata = { format: FORMAT, model, plan, version, requests: String(kept.requests) };
  const header = headerBytes(specsOf(tensors), metadata);
  const arrays = [...tensors.values()].map(({ data }) => data);
  const bytes = new Uint8Array(arrays.reduce((sum, data) => sum + data.byteLength, header.length));
  bytes.set(header);
  let at = header.length;
  for (const data of arrays) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return bytes;
}

/** Throws RMX0812, naming all that does not match. */
export function decodeKept(identity: Identity, specs: readonly KeptSpec[], bytes: Uint8Array): Kept {
  const header = readHeader({ size: bytes.length, read: (into, at) => readFrom(bytes, into, at) }, (what) =>
    misfit([`it is not a well-formed safetensors file: ${what}`]),
  );
  const { metadata, tensors } = header;
  if (metadata.format !== FORMAT) {
    throw misfit([`its format is ${JSON.stringify(metadata.format)}, not ${JSON.stringify(FORMAT)}`]);
  }
  const wrong = (["model", "plan", "version"] as const).flatMap((key) =>
    metadata[key] === identity[key]
      ? []
      : [`${key}: it has ${JSON.stringify(metadata[key])}, the engine ${JSON.stringify(identity[key])}`],
  );
  const requests = Number(metadata.requests);
  if (!Number.isSafeInteger(requests) || requests < 0) {
    wrong.push(`requests: it has ${JSON.stringify(metadata.requests)}, which is no count`);
  }
  wrong.push(...misfits(header, specs, requests));
  if (wrong.length > 0) throw misfit(wrong);
  const arrays = specs.map((spec, i) => arrayOf(bytes, spec, tensors.get(tensorName(spec, i))));
  return { requests, arrays };
}

/** Names of kept values need not differ. */
function tensorName(spec: KeptSpec, i: number): string {
  return `${i}.${spec.name}`;
}

function misfits({ tensors }: Header, specs: readonly KeptSpec[], requests: number): string[] {
  const wrong: string[] = [];
  const known = new Set(specs.map(tensorName));
  specs.forEach((spec, i) => {
    const name = tensorName(spec, i);
    const wanted = `${spec.element.toUpperCase()} [${[requests, ...spec.shape].join(", ")}]`;
    const tensor = tensors.get(name);
    const found = tensor && `${tensor.dtype} [${tensor.shape.join(", ")}]`;
    if (found !== wanted) wrong.push(`\`${name}\`: it has ${found ?? "none"}, the engine ${wanted}`);
  });
  for (const name of tensors.keys()) {
    if (!known.has(name)) wrong.push(`\`${name}\`: the engine keeps no such value`);
  }
  return wrong;
}

function arrayOf(
  bytes: Uint8Array,
  { element }: KeptSpec,
  tensor: TensorInfo | undefined,
): Float32Array | Int32Array {
  if (tensor === undefined) throw new Error("internal: a tensor that was checked is missing");
  const from = bytes.byteOffset + tensor.offset;
  const copy = bytes.buffer.slice(from, from + tensor.count * dtypes[tensor.dtype].bytes);
  return element === "f32" ? new Float32Array(copy) : new Int32Array(copy);
}

function readFrom(bytes: Uint8Array, into: Uint8Array, at: number): boolean {
  if (at + into.length > bytes.length) return false;
  into.set(bytes.subarray(at, at + into.length));
  return true;
}

function misfit(notes: readonly string[]): InputError {
  return new InputError("RMX0812", "a serialised user handle does not fit the engine", {
    notes,
    help: "compute it again with `engine.user`",
    exit: 1,
  });
}
