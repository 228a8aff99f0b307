/**
 * @file jax-js on WebGPU. The whole call is one `jit`, so that it fuses what it can; activations are token-major, [T, B, ·], in
 * which a per-token product is one batched matrix product.
 */
import { type BlockWeights, blockData, EPSILON, weightShape } from "./blocks.ts";
import type { Blocks, Job } from "./job.ts";
import { provideNavigator } from "./navigator.ts";
import type { Peer } from "./peer.ts";

/** An array of jax-js. A function that is given one frees it; `ref` is one more to give. */
interface JaxArray {
  readonly ref: JaxArray;
  reshape(shape: readonly number[]): JaxArray;
  add(other: JaxArray | number): JaxArray;
  sub(other: JaxArray): JaxArray;
  mul(other: JaxArray | number): JaxArray;
  data(): Promise<Float32Array>;
}

interface Jax {
  init(...devices: string[]): Promise<string[]>;
  defaultDevice(device: string): string;
  jit<F>(f: F): F;
  readonly numpy: {
    array(data: Float32Array): JaxArray;
    mean(x: JaxArray, axis: number, options: { keepdims: boolean }): JaxArray;
    square(x: JaxArray): JaxArray;
    sqrt(x: JaxArray): JaxArray;
    reciprocal(x: JaxArray): JaxArray;
    matmul(a: JaxArray, b: JaxArray): JaxArray;
    transpose(x: JaxArray, axes: readonly number[]): JaxArray;
  };
  readonly lax: { erf(x: JaxArray): JaxArray };
}

type Layer = Readonly<Record<keyof BlockWeights, JaxArray>>;

export async function loadJax(job: Job): Promise<Peer> {
  await provideNavigator();
  const name: string = "@jax-js/jax";
  const jax = (await import(name)) as Jax;
  if (!(await jax.init("webgpu")).includes("webgpu")) throw new Error("jax-js found no WebGPU device");
  jax.defaultDevice("webgpu");
  const { shapes, x, layers } = blockData(job);
  const resident = layers.map((layer): Layer => {
    const entries = Object.entries(layer).map(([key, values]) => [
      key,
      jax.numpy.array(values as Float32Array).reshape(weightShape(shapes, key as keyof BlockWeights)),
    ]);
    return Object.fromEntries(entries) as Layer;
  });
  const run = jax.jit(blocksOf(jax, shapes));
  const given = (): Layer[] =>
    resident.map(
      (layer) => Object.fromEntries(Object.entries(layer).map(([key, value]) => [key, value.ref])) as Layer,
    );
  return {
    sleeps: false,
    async call() {
      const y = run(jax.numpy.array(x).reshape([shapes.B, shapes.T, shapes.D]), given());
      return new Map([["y", await y.data()]]);
    },
    async close() {},
  };
}

function blocksOf({ numpy: np, lax }: Jax, { B, T, D }: Blocks) {
  const norm = (x: JaxArray, gain: JaxArray, bias: JaxArray): JaxArray => {
    const centred = x.ref.sub(np.mean(x, -1, { keepdims: true }));
    const variance = np.mean(np.square(centred.ref), -1, { keepdims: true });
    return centred
      .mul(np.reciprocal(np.sqrt(variance.add(EPSILON))))
      .mul(gain)
      .add(bias);
  };
  const gelu = (x: JaxArray): JaxArray => x.ref.mul(0.5).mul(lax.erf(x.mul(Math.SQRT1_2)).add(1));
  return (given: JaxArray, layers: readonly Layer[]): JaxArray => {
    let x = np.transpose(given, [1, 0, 2]);
    for (const { w1, b1, w2, b2, g1, h1, g2, h2 } of layers) {
      const mixed = np.transpose(x.ref.reshape([T, B, T, D / T]), [2, 1, 0, 3]).reshape([T, B, D]);
      const s = norm(mixed.add(x), g1, h1);
      const hidden = gelu(np.matmul(s.ref, w1).add(b1));
      x = norm(np.matmul(hidden, w2).add(b2).add(s), g2, h2);
    }
    return np.transpose(x, [1, 0, 2]);
  };
}
