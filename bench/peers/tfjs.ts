/** @file TensorFlow.js on WebGPU. Activations are token-major, [T, B, ·], in which a per-token product is one batched matrix product. */
import { type BlockWeights, blockData, EPSILON, weightShape } from "./blocks.ts";
import type { Blocks, Job } from "./job.ts";
import { provideNavigator } from "./navigator.ts";
import type { Peer } from "./peer.ts";

interface TfTensor {
  data(): Promise<Float32Array>;
  dispose(): void;
}

interface Tf {
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  tidy<R>(f: () => R): R;
  tensor(values: Float32Array, shape: readonly number[]): TfTensor;
  add(a: TfTensor, b: TfTensor | number): TfTensor;
  sub(a: TfTensor, b: TfTensor): TfTensor;
  mul(a: TfTensor, b: TfTensor | number): TfTensor;
  matMul(a: TfTensor, b: TfTensor): TfTensor;
  mean(x: TfTensor, axis: number, keepDims: boolean): TfTensor;
  squaredDifference(a: TfTensor, b: TfTensor): TfTensor;
  rsqrt(x: TfTensor): TfTensor;
  erf(x: TfTensor): TfTensor;
  transpose(x: TfTensor, axes: readonly number[]): TfTensor;
  reshape(x: TfTensor, shape: readonly number[]): TfTensor;
}

type Layer = Readonly<Record<keyof BlockWeights, TfTensor>>;

export async function loadTf(job: Job): Promise<Peer> {
  await provideNavigator();
  const [core, backend]: string[] = ["@tensorflow/tfjs-core", "@tensorflow/tfjs-backend-webgpu"];
  const tf = (await import(core)) as Tf;
  await import(backend);
  if (!(await tf.setBackend("webgpu"))) throw new Error("tfjs found no WebGPU device");
  await tf.ready();
  const { shapes, x, layers } = blockData(job);
  const resident = layers.map((layer): Layer => {
    const entries = Object.entries(layer).map(([key, values]) => [
      key,
      tf.tensor(values as Float32Array, weightShape(shapes, key as keyof BlockWeights)),
    ]);
    return Object.fromEntries(entries) as Layer;
  });
  return {
    sleeps: false,
    async call() {
      const y = tf.tidy(() => blocks(tf, shapes, tf.tensor(x, [shapes.B, shapes.T, shapes.D]), resident));
      const values = await y.data();
      y.dispose();
      return new Map([["y", values]]);
    },
    async close() {},
  };
}

function blocks(tf: Tf, { B, T, D }: Blocks, given: TfTensor, layers: readonly Layer[]): TfTensor {
  const norm = (x: TfTensor, gain: TfTensor, bias: TfTensor): TfTensor => {
    const mean = tf.mean(x, -1, true);
    const variance = tf.mean(tf.squaredDifference(x, mean), -1, true);
    const scale = tf.rsqrt(tf.add(variance, EPSILON));
    return tf.add(tf.mul(tf.mul(tf.sub(x, mean), scale), gain), bias);
  };
  const gelu = (x: TfTensor): TfTensor => tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1));
  let x = tf.transpose(given, [1, 0, 2]);
  for (const { w1, b1, w2, b2, g1, h1, g2, h2 } of layers) {
    const heads = tf.transpose(tf.reshape(x, [T, B, T, D / T]), [2, 1, 0, 3]);
    const mixed = tf.reshape(heads, [T, B, D]);
    const s = norm(tf.add(mixed, x), g1, h1);
    const hidden = gelu(tf.add(tf.matMul(s, w1), b1));
    x = norm(tf.add(tf.add(tf.matMul(hidden, w2), b2), s), g2, h2);
  }
  return tf.transpose(x, [1, 0, 2]);
}
