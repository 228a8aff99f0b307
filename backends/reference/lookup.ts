/** @file Embedding lookups that read only the rows they name: a table is never held whole. */

import type { Graph, Operand } from "../../src/ir/graph.ts";
import { compileMap, composeMaps, type IndexMap, isIdentity, stridesOf } from "../../src/ir/indexmap.ts";
import { constantShape, IndexRangeError } from "../../src/ir/ops/def.ts";
import { forEachIndex, newData, numel, type Tensor } from "../../src/ir/ops/tensor.ts";
import type { ParamReader } from "./evaluate.ts";

/** A parameter as a lookup sees it. */
export interface Table {
  readonly path: string;
  /** As stored, or that of the run of rows that the operand is. */
  readonly shape: readonly number[];
  /** Elements before the first row. */
  readonly first: number;
  /** Absent: rows are read as they are stored. */
  readonly map?: IndexMap;
}

/** The parameter under an operand, through views; undefined if it is a computed value. */
export function tableOf(graph: Graph, operand: Operand): Table | undefined {
  const node = graph.nodes[operand.id];
  if (node.op.kind === "param") {
    const shape = constantShape(node.type.shape);
    const { map } = operand;
    const { path, rows } = node.op;
    const table = { path, shape, first: (rows?.from ?? 0) * numel(shape.slice(1)) };
    return map === undefined || isIdentity(map, shape) ? table : { ...table, map };
  }
  if (node.op.kind !== "view") return undefined;
  const table = tableOf(graph, node.inputs[0]);
  if (table === undefined || operand.map === undefined) return table;
  return { ...table, map: table.map === undefined ? operand.map : composeMaps(operand.map, table.map) };
}

/** Rows `index` of the table: [I…, C…]. */
export function lookupRows(table: Table, index: Tensor, params: ParamReader): Tensor {
  const seen = table.map === undefined ? table.shape : constantShape(table.map.out);
  const [rows, ...rowShape] = seen;
  const width = numel(rowShape);
  const data = newData("num", numel(index.shape) * width);
  const readRow =
    table.map === undefined ? storedRow(table, width, params) : viewedRow(table, table.map, rowShape, params);
  for (let i = 0; i < numel(index.shape); i++) {
    const row = index.data[i];
    if (!(row >= 0 && row < rows)) throw new IndexRangeError(i, row, rows);
    const values = readRow(row);
    for (let c = 0; c < width; c++) data[i * width + c] = values[c];
  }
  return { shape: [...index.shape, ...rowShape], dtype: "num", data };
}

function storedRow(
  { path, first }: Table,
  width: number,
  params: ParamReader,
): (row: number) => ArrayLike<number> {
  return (row) => params.read(path, first + row * width, width);
}

function viewedRow(
  { path, shape, first }: Table,
  map: IndexMap,
  rowShape: readonly number[],
  params: ParamReader,
): (row: number) => ArrayLike<number> {
  const flatOf = compileMap(map, stridesOf(shape));
  return (row) => {
    const values = new Float64Array(numel(rowShape));
    forEachIndex(rowShape, (at, flat) => {
      values[flat] = params.read(path, first + flatOf([row, ...at]), 1)[0];
    });
    return values;
  };
}
