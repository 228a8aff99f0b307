/** @file From a compiled program to the text of its picture: what is drawn, folded, placed, written. */
import type { Program } from "../../compile.ts";
import { foldRounds } from "./fold.ts";
import { constantMasks } from "./masks.ts";
import { place } from "./place.ts";
import { sceneOf } from "./scene.ts";
import { svgOf } from "./svg.ts";

export function drawing(program: Program): string {
  const [variant] = program.variants;
  if (variant === undefined) throw new Error("internal: a program without a variant");
  const scene = sceneOf(variant.plan, variant.graph, constantMasks(variant.source));
  return svgOf(place(foldRounds(scene)), program.name);
}
