/**
 * @file What a device can do at best: the two ceilings of the roofline model (Williams et al., CACM 2009). A kernel takes at
 * least its FLOPs over the arithmetic ceiling and at least its bytes over the memory's, so at least the larger of the two.
 */

export interface Ceilings {
  readonly name: string;
  /** FLOP/s in f32, what kernels compute in: vector units, not the matrix units of smaller types. */
  readonly flops: number;
  /** Bytes a second between the device's memory and its cores. */
  readonly bandwidth: number;
}

/** From the manufacturers' data sheets. */
export const builtinCeilings: Readonly<Record<string, Ceilings>> = {
  "h100-sxm": { name: "h100-sxm", flops: 66.9e12, bandwidth: 3.35e12 },
  "a100-sxm-80gb": { name: "a100-sxm-80gb", flops: 19.5e12, bandwidth: 2.039e12 },
  l40s: { name: "l40s", flops: 91.6e12, bandwidth: 0.864e12 },
  l4: { name: "l4", flops: 30.3e12, bandwidth: 0.3e12 },
  "rtx-4090": { name: "rtx-4090", flops: 82.6e12, bandwidth: 1.008e12 },
};

/** The ceilings in `data`, the content of a JSON file; undefined if something is missing, which is then listed in `wrong`. */
export function readCeilings(data: unknown, wrong: string[]): Ceilings | undefined {
  const from: Record<string, unknown> = typeof data === "object" && data !== null ? { ...data } : {};
  const positive = (field: string): number => {
    const value = from[field];
    if (typeof value === "number" && value > 0 && Number.isFinite(value)) return value;
    wrong.push(`${field} must be a positive number`);
    return 1;
  };
  const { name } = from;
  if (typeof name !== "string" || name === "") wrong.push("name must be a string");
  const ceilings = { name: String(name), flops: positive("flops"), bandwidth: positive("bandwidth") };
  return wrong.length > 0 ? undefined : ceilings;
}
