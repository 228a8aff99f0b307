/**
 * @file Native code by its signature, through koffi. Pointers travel as integers: handles and device addresses are never looked into,
 * and the host's structures are laid out by hand in array buffers, whose memory does not move.
 */
import { InputError } from "../../ir/error.ts";

type Koffi = typeof import("koffi");

/** C's types as a signature names them, and what a call takes for each. */
interface Arguments {
  i32: number;
  u32: number;
  f32: number;
  /** Also a pointer or a size_t. */
  u64: bigint | number;
  /** Memory of the host that the function reads or writes. */
  memory: ArrayBufferView | ArrayBuffer | null;
  text: string;
  texts: readonly string[];
}

export type Signature = readonly (keyof Arguments)[];

type Values<S extends Signature> = { -readonly [K in keyof S]: Arguments[S[K]] };

/** A function that returns an int, 0 for success. */
export interface NativeFunction<S extends Signature> {
  (...args: Values<S>): number;
  /** On a thread of libuv's pool. */
  later(...args: Values<S>): Promise<number>;
}

export type NativeLibrary<T extends Readonly<Record<string, Signature>>> = {
  readonly [K in keyof T]: NativeFunction<T[K]>;
};

const types: Readonly<Record<keyof Arguments, string>> = {
  i32: "int32_t",
  u32: "uint32_t",
  f32: "float",
  u64: "uint64_t",
  memory: "void *",
  text: "const char *",
  texts: "const char **",
};

export interface Native {
  /** Binds the functions of the first library that loads; `missing` of it are undefined. */
  open<T extends Readonly<Record<string, Signature>>>(
    candidates: readonly string[],
    signatures: T,
  ): { readonly path: string; readonly library: NativeLibrary<T> } | { readonly failures: readonly string[] };
  /** Loads a library, for another one to find it loaded, and keeps it; whether it loads is for the other one to say. */
  preload(path: string): void;
  /** Where a buffer's memory lies. It stays there as long as the buffer is referred to. */
  addressOf(memory: ArrayBuffer | ArrayBufferView): bigint;
  /** A C string. */
  text(address: bigint): string;
  /** Memory that something else owns and frees. */
  view(address: bigint, bytes: number): ArrayBuffer;
}

const preloaded: ReturnType<Koffi["load"]>[] = [];

/** Throws RMX0824 where the optional package is not there. */
export async function loadNative(): Promise<Native> {
  let koffi: Koffi;
  try {
    koffi = (await import("koffi")).default as unknown as Koffi;
  } catch (error) {
    const [reason = ""] = (error as Error).message.split("\n");
    throw new InputError("RMX0824", "the package `koffi`, which calls the CUDA driver, cannot be loaded", {
      notes: [reason],
      help: "install the optional package with `npm install koffi`",
    });
  }
  return {
    open: (candidates, signatures) => open(koffi, candidates, signatures),
    preload: (path) => {
      try {
        preloaded.push(koffi.load(path));
      } catch {
        // The library that wants it says what is missing.
      }
    },
    addressOf: (memory) => koffi.address(memory),
    text: (address) => koffi.decode.string(address),
    view: (address, bytes) => koffi.view(address, bytes),
  };
}

function open<T extends Readonly<Record<string, Signature>>>(
  koffi: Koffi,
  candidates: readonly string[],
  signatures: T,
): { path: string; library: NativeLibrary<T> } | { failures: string[] } {
  const failures: string[] = [];
  for (const path of candidates) {
    try {
      const loaded = koffi.load(path);
      const bound = Object.entries(signatures).map(([name, signature]) => {
        const native = loaded.func(
          name,
          "int32_t",
          signature.map((argument) => types[argument]),
        );
        return [name, functionOf(native)] as const;
      });
      return { path, library: Object.fromEntries(bound) as unknown as NativeLibrary<T> };
    } catch (error) {
      failures.push(`${path}: ${(error as Error).message.split("\n")[0]}`);
    }
  }
  return { failures };
}

type KoffiFunction = ReturnType<ReturnType<Koffi["load"]>["func"]>;

function functionOf(native: KoffiFunction): NativeFunction<Signature> {
  const call = (...args: readonly unknown[]): number => native(...args) as number;
  const later = (...args: readonly unknown[]): Promise<number> =>
    new Promise((resolve, reject) => {
      native.async(...args, (error: Error | null, result: number) => {
        if (error === null) resolve(result);
        else reject(error);
      });
    });
  return Object.assign(call, { later });
}
