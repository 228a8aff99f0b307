/** @file The layouts of activations that an export can choose from. */

/**
 * How activations of several tokens lie between products with a weight per token: `tokens` keeps the token axis outermost,
 * [T, N, D], so that such a product is one batched matrix product; `samples` keeps candidates outermost and multiplies
 * [N, T, 1, D] · [T, D, E].
 */
export const LAYOUTS = ["tokens", "samples"] as const;
export type OnnxLayout = (typeof LAYOUTS)[number];
