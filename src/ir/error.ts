/**
 * @file What goes wrong at run time and is not a fault of this program: data that does not fit the model
 * (weights, inputs) or a device that fails. The command line renders it like any diagnostic, mostly without a frame: no text
 * of a spec is to blame.
 */

import type { Origin } from "./graph.ts";

export interface InputErrorDetail {
  /** Lines below the message, one fact each: every missing parameter, say. */
  readonly notes?: readonly string[];
  /** What to do about it. */
  readonly help?: string;
  /** The place in the spec that it concerns, where there is one. */
  readonly origin?: Origin;
}

export class InputError extends Error {
  /** `RMX06xx` weights, `RMX07xx` inputs, `RMX08xx` devices; the pages are in `grammar/codes/`. */
  readonly code: string;
  readonly notes: readonly string[];
  readonly help?: string;
  readonly origin?: Origin;
  /** The process's exit status: 1 the data is wrong, 3 the device failed. */
  readonly exit: 1 | 3;

  constructor(code: string, message: string, detail: InputErrorDetail & { readonly exit?: 1 | 3 } = {}) {
    super(message);
    this.name = "InputError";
    this.code = code;
    this.notes = detail.notes ?? [];
    if (detail.help !== undefined) this.help = detail.help;
    if (detail.origin !== undefined) this.origin = detail.origin;
    this.exit = detail.exit ?? (code.startsWith("RMX08") ? 3 : 1);
  }
}
