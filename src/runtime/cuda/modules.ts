/** @file Machine code on the device, by text: kernels of one text are loaded once, whichever engine asks for them. */
import { InputError } from "../../ir/error.ts";
import type { KernelText } from "../../ir/plan.ts";
import type { Compiler } from "./compiler.ts";
import type { Context } from "./context.ts";
import { CudaError } from "./errors.ts";
import type { CudaPipeline } from "./launch.ts";

/** CUfunction_attribute. */
const MAX_THREADS_PER_BLOCK = 0;
const MAX_DYNAMIC_SHARED_SIZE_BYTES = 8;

export class Modules {
  readonly #context: Context;
  readonly #compiler: Compiler;
  readonly #pipelines = new Map<string, Promise<CudaPipeline>>();
  readonly #loaded: bigint[] = [];

  constructor(context: Context, compiler: Compiler) {
    this.#context = context;
    this.#compiler = compiler;
  }

  /** Throws RMX0803, RMX0826. */
  pipeline(kernel: KernelText, counters: { pipelinesCreated: number }): Promise<CudaPipeline> {
    if (kernel.language !== "cuda")
      throw new Error(`internal: ${kernel.name} is ${kernel.language}, not CUDA`);
    const known = this.#pipelines.get(kernel.text);
    if (known !== undefined) return known;
    counters.pipelinesCreated++;
    const made = this.#make(kernel);
    made.catch(() => this.#pipelines.delete(kernel.text));
    this.#pipelines.set(kernel.text, made);
    return made;
  }

  destroy(): void {
    for (const module of this.#loaded) this.#context.release("cuModuleUnload", module);
    this.#loaded.length = 0;
  }

  async #make(given: KernelText): Promise<CudaPipeline> {
    const { name, text, workgroup, sharedBytes = 0, maps = [], counters = [] } = given;
    const module = await this.#load(name, text);
    this.#loaded.push(module);
    const kernel = this.#context.make("cuModuleGetFunction", module, name);
    const threads = new Int32Array(1);
    this.#context.call("cuFuncGetAttribute", threads, MAX_THREADS_PER_BLOCK, kernel);
    if ((threads[0] ?? 0) < workgroup) {
      throw new InputError("RMX0826", `the kernel \`${name}\` has more threads than the device can give it`, {
        notes: [`a block of it has ${workgroup}, its registers leave room for ${threads[0]}`],
      });
    }
    if (sharedBytes > 0) {
      this.#context.call("cuFuncSetAttribute", kernel, MAX_DYNAMIC_SHARED_SIZE_BYTES, sharedBytes);
    }
    return { label: name, kernel, threads: workgroup, sharedBytes, maps, counters };
  }

  /** What comes from the cache may be damaged: it is compiled once more before the device's refusal counts. */
  async #load(name: string, text: string): Promise<bigint> {
    for (;;) {
      const { bytes, cached } = await this.#compiler.image(name, text);
      try {
        return this.#context.make("cuModuleLoadData", bytes);
      } catch (error) {
        if (!(error instanceof CudaError && error.badImage)) throw error;
        if (!cached) throw this.#refused(name, error);
        this.#compiler.forget(text);
      }
    }
  }

  #refused(name: string, error: CudaError): InputError {
    const { toolchain, arch } = this.#compiler;
    return new InputError("RMX0826", `the device does not take the machine code of \`${name}\``, {
      notes: [...error.notes, `${toolchain.name} ${toolchain.version} compiled it for ${arch}`],
      help: "the compiler may be newer than the driver: update the driver, or use an NVRTC of its version",
    });
  }
}
