/** @file Vectors computed elsewhere (test/fixtures/NAME) and the layout changes that turn their tensors into our parameters. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readFloats } from "./safetensors.ts";

export interface VectorTensor {
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

export interface Vector {
  readonly weights: (name: string) => VectorTensor;
  readonly inputs: Readonly<Record<string, VectorTensor>>;
  readonly outputs: Readonly<Record<string, VectorTensor>>;
}

/** The tensors of a fixture under their original names. */
export function readVector(name: string): Vector {
  const file = (part: string): Map<string, VectorTensor> =>
    readFloats(readFileSync(join(import.meta.dirname, "../fixtures", name, `${part}.safetensors`)));
  const weights = file("weights");
  return {
    weights: (tensor) => {
      const found = weights.get(tensor);
      if (found === undefined) throw new Error(`${name} has no weight ${tensor}`);
      return found;
    },
    inputs: Object.fromEntries(file("inputs")),
    outputs: Object.fromEntries(file("outputs")),
  };
}

/** The same values in another shape. */
export function reshape({ values }: VectorTensor, ...shape: number[]): VectorTensor {
  return { shape, values };
}

/** The last two axes exchanged, as from a PyTorch Linear's [out, in] to [in, out]. */
export function transpose({ shape, values }: VectorTensor): VectorTensor {
  const [rows = 1, columns = 1] = shape.slice(-2);
  const turned = values.map((_, i) => {
    const matrix = Math.floor(i / (rows * columns)) * rows * columns;
    const [column, row] = [Math.floor((i - matrix) / rows), i % rows];
    return values[matrix + row * columns + column] ?? Number.NaN;
  });
  return { shape: [...shape.slice(0, -2), columns, rows], values: turned };
}

/** Part `index` of `parts` equal ones along the last axis. */
export function partOfLast({ shape, values }: VectorTensor, index: number, parts: number): VectorTensor {
  const last = shape.at(-1) ?? 1;
  const width = last / parts;
  return {
    shape: [...shape.slice(0, -1), width],
    values: values.filter((_, i) => Math.floor((i % last) / width) === index),
  };
}
