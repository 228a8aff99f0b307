/** Subgroup matrices in profiles: as Dawn lists them, as a file holds them, and where a plan needs what a device lacks. */
import { expect, test } from "vitest";
import { gpu } from "../../src/ir/profiles.ts";
import { MATRIX_FEATURE, matrixShapes } from "../../src/runtime/matrices.ts";
import { missingLimits, readProfile } from "../../src/runtime/profile.ts";

const configs = [
  { componentType: "f16", resultComponentType: "f16", M: 16, N: 16, K: 16 },
  { componentType: "f16", resultComponentType: "f32", M: 16, N: 8, K: 16 },
  { componentType: "f32", resultComponentType: "f32", M: 16, N: 8, K: 4 },
];
const SHAPE = { m: 16, n: 8, k: 4 };

test("those of f32 alone are taken, where the device has the feature", () => {
  expect(matrixShapes(new Set([MATRIX_FEATURE]), { subgroupMatrixConfigs: configs })).toEqual([SHAPE]);
  expect(
    matrixShapes(new Set([MATRIX_FEATURE]), { subgroupMatrixConfigs: configs.slice(0, 2) }),
  ).toBeUndefined();
  expect(matrixShapes(new Set([MATRIX_FEATURE]), {})).toBeUndefined();
  expect(matrixShapes(new Set(), { subgroupMatrixConfigs: configs })).toBeUndefined();
});

test("a profile keeps them as a file", () => {
  const wrong: string[] = [];
  const profile = { ...gpu, matrices: [SHAPE] };
  expect(readProfile(JSON.parse(JSON.stringify(profile)), wrong)).toEqual(profile);
  expect(wrong).toEqual([]);
  expect(readProfile({ ...gpu, matrices: [{ m: 16, n: 0, k: 4 }] }, wrong)).toBeUndefined();
  expect(readProfile({ ...gpu, matrices: "8x8" }, wrong)).toBeUndefined();
  expect(wrong).toEqual(["matrices[0].n must be a positive integer", "matrices must be a list of shapes"]);
});

test("a plan's shapes must be the device's", () => {
  const plan = { ...gpu, matrices: [SHAPE] };
  expect(missingLimits(plan, { ...gpu, matrices: [{ m: 8, n: 8, k: 8 }, SHAPE] })).toEqual([]);
  expect(missingLimits(plan, { ...gpu, matrices: [{ m: 8, n: 16, k: 4 }] })).toEqual([
    "subgroup matrices of 16 × 8 × 4: the device does not multiply them",
  ]);
  expect(missingLimits(gpu, plan)).toEqual([]);
});
