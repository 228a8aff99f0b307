/**
 * @file Stage tables as text: `user`, or the level of most elements and the boxes that differ,
 * `item except user [0:8, :], zero [8:16, 0:4]`. A table that was coarsened ends in ` joined`.
 */
import type { Extent } from "./expr.ts";
import { TokenReader } from "./exprparse.ts";
import {
  asLevel,
  boxesOf,
  extentOf,
  fillTable,
  type StageBox,
  type StageLevel,
  type StageTable,
  uniform,
  volumesOf,
} from "./stagetable.ts";

export const stageNames = ["zero", "load", "user", "item"] as const;
const levels: readonly StageLevel[] = [0, 1, 2, 3];

export function printStage(table: StageTable): string {
  const volumes = volumesOf(table);
  const covered = levels.map((level) =>
    volumes.reduce((sum, v, i) => sum + (table.table[i] === level ? v : 0), 0),
  );
  // Of equals the later stage.
  const base = levels.reduce(
    (best, level) => (covered[level] >= covered[best] ? level : best),
    asLevel(table.table[0]),
  );
  const others = [...levels].reverse().filter((level) => level !== base);
  const boxes = others.flatMap((level) => boxesOf(table, level).map((box) => printBox(box, table)));
  const except = boxes.length > 0 ? ` except ${boxes.join(", ")}` : "";
  return `${stageNames[base]}${except}${table.exact ? "" : " joined"}`;
}

function printBox({ from, to, level }: StageBox, { cuts }: StageTable): string {
  const ranges = from.map((f, a) => (f === 0 && to[a] === extentOf(cuts[a]) ? ":" : `${f}:${to[a]}`));
  return `${stageNames[level]} [${ranges.join(", ")}]`;
}

/** Reads what `printStage` writes for a value of this shape. */
export function parseStage(text: string, shape: readonly Extent[]): StageTable {
  const reader = new TokenReader(text);
  const table = readStage(reader, shape);
  if (reader.peek() !== "") reader.fail("expected the end");
  return table;
}

/** Reads a table as part of a larger text. */
export function readStage(reader: TokenReader, shape: readonly Extent[]): StageTable {
  const base = readLevel(reader);
  const whole = uniform(shape, base);
  const boxes: StageBox[] = [];
  if (reader.accept("except")) {
    do {
      boxes.push(readBox(reader, whole.cuts));
    } while (reader.accept(","));
  }
  const exact = !reader.accept("joined");
  const cuts = whole.cuts.map((ends, a) => {
    const all = new Set([...ends, ...boxes.flatMap((box) => [box.from[a], box.to[a]])]);
    return all.size < 2 ? ends : [...all].sort((x, y) => x - y);
  });
  const level = (cell: readonly number[]): number => {
    const inside = boxes.find((box) =>
      cell.every((s, a) => box.from[a] <= cuts[a][s] && cuts[a][s] < box.to[a]),
    );
    return inside?.level ?? base;
  };
  return fillTable(cuts, level, exact);
}

function readLevel(reader: TokenReader): StageLevel {
  const level = levels.find((l) => stageNames[l] === reader.peek());
  if (level === undefined) reader.fail("expected zero, load, user or item");
  reader.take();
  return level;
}

function readBox(reader: TokenReader, ends: StageTable["cuts"]): StageBox {
  const level = readLevel(reader);
  const from: number[] = [];
  const to: number[] = [];
  reader.expect("[");
  for (const [a, axis] of ends.entries()) {
    if (a > 0) reader.expect(",");
    if (reader.accept(":")) {
      from.push(0);
      to.push(extentOf(axis));
    } else {
      from.push(Number(reader.take()));
      reader.expect(":");
      to.push(Number(reader.take()));
    }
  }
  reader.expect("]");
  return { from, to, level };
}
