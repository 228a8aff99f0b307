/**
 * @file Names in a body. A block or model has one scope; `repeat` and `if` share it. Values that exist only under `if training`
 * lie in an overlay that serving statements cannot read.
 */
import type { Span } from "../../grammar/diagnostics.ts";
import type { RowNames, Value } from "./values.ts";

export interface Binding {
  /** Absent where the statement that should have computed it failed. */
  readonly value?: Value;
  /** What gave the name its value: the argument that bound a dimension, the assigning statement. */
  readonly span: Span;
  readonly rows?: RowNames;
}

export class Scope {
  private readonly serving = new Map<string, Binding>();
  private readonly training = new Map<string, Binding>();

  get(name: string, training: boolean): Binding | undefined {
    return (training ? this.training.get(name) : undefined) ?? this.serving.get(name);
  }

  /** The binding of a name that only training code has set. */
  trainingOnly(name: string): Binding | undefined {
    return this.serving.has(name) ? undefined : this.training.get(name);
  }

  set(name: string, binding: Binding, training: boolean): void {
    if (training) {
      this.training.set(name, binding);
    } else {
      this.serving.set(name, binding);
      this.training.delete(name);
    }
  }

  delete(name: string, training: boolean): void {
    (training ? this.training : this.serving).delete(name);
  }

  names(): string[] {
    return [...this.serving.keys()];
  }
}
