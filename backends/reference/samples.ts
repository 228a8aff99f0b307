/** @file Between flat batched arrays and one tensor a sample. */
import type { DType } from "../../src/ir/expr.ts";
import { newData, numel, type Tensor } from "../../src/ir/ops/tensor.ts";

/** A parameter as stored, without a copy. */
export function wholeTensor(
  shape: readonly number[],
  dtype: DType,
  read: (size: number) => ArrayLike<number>,
  name: string,
): Tensor {
  const size = numel(shape);
  const data = read(size);
  if (data.length !== size) throw new Error(`internal: ${name} has ${data.length} elements, not ${size}`);
  return { shape, dtype, data };
}

export function newSample(shape: readonly number[], dtype: DType): Tensor {
  return { shape, dtype, data: newData(dtype, numel(shape)) };
}

/** Cuts [count, …shape] into samples; at level 1 there is no batch axis. Samples past the end of the data are zeros. */
export function samplesOf(
  data: ArrayLike<number>,
  shape: readonly number[],
  dtype: DType,
  level: number,
  count: number,
): Tensor[] {
  if (level === 1) return [wholeTensor(shape, dtype, () => data, "a value")];
  const size = numel(shape);
  return Array.from({ length: count }, (_, sample) => {
    const values = newData(dtype, size);
    for (let i = 0, from = sample * size; i < size && from < data.length; i++, from++) values[i] = data[from];
    return { shape, dtype, data: values };
  });
}

/** The samples behind a leading batch axis; `sample` gives their shape where there are none. */
export function concatSamples(samples: readonly Tensor[], sample: Tensor): Tensor {
  const size = numel(sample.shape);
  const data = newData(sample.dtype, size * samples.length);
  for (const [n, { data: values }] of samples.entries()) {
    for (let i = 0; i < size; i++) data[n * size + i] = values[i];
  }
  return { shape: [samples.length, ...sample.shape], dtype: sample.dtype, data };
}
