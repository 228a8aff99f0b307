/** @file Mixtures of experts as specs: several ways to write the gate and the sum, sized to be worth running sparsely. */

export interface MoeOptions {
  readonly tokens?: number;
  readonly width?: number;
  readonly experts?: number;
  readonly hidden?: number;
  /** Spec text that binds `g`, [T, E], from `x`, [T, D], and `z`, [T, E]. */
  readonly gate?: string;
  /** Spec text that binds `o`, [T, D], from `g` and `x`. */
  readonly mix?: string;
  readonly serve?: string;
}

/** Softmax over the k largest. */
export const topK = (k: number): string => `g = softmax(where(top_k_mask(z, ${k}), z, -inf))`;

/** Per-token experts of two layers, weighted by g. */
export const FFN = `
  param w1: [T, E, D, K]
  param b1: [T, E, K] = zeros
  param w2: [T, E, K, D]
  h = gelu(einsum("t d, t e d k -> t e k", x, w1) + b1)
  y = einsum("t e k, t e k d -> t e d", h, w2)
  o = einsum("t e, t e d -> t d", g, y)`;

/** The same with a gate of their own beside the first layer. */
export const GATED_FFN = FFN.replace("param b1: [T, E, K] = zeros", "param v1: [T, E, D, K]").replace(
  'gelu(einsum("t d, t e d k -> t e k", x, w1) + b1)',
  'silu(einsum("t d, t e d k -> t e k", x, w1)) * einsum("t d, t e d k -> t e k", x, v1)',
);

export function moeSpec(options: MoeOptions = {}): string {
  const { tokens = 3, width = 12, experts = 4, hidden = 16, gate = topK(2), mix = FFN } = options;
  return `
block experts(x: [T, D], z: [T, E], K: int) -> [T, D] {
  ${gate}
  ${mix}
  return o
}

model moe() {
  user { u: f32[5] }
  item {
    v: f32[${tokens}, ${width}]
    r: f32[${tokens}, ${experts}]
  }
  param p: [5, ${width}]
  s = einsum("a, a d -> d", u, p)
  x = v + s
  m = experts(x, r, ${hidden}) as moe
  y = x + m
  task score = sum(y, "t d -> t")
  serve { ${options.serve ?? "requests <= 8, candidates <= 4096"} }
}
`;
}
