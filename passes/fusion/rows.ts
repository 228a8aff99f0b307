/**
 * @file Kernels over a gate's active rows: the tables that list them (`RowList` in tile.ts), the point of such a kernel, and
 * how a value that exists at active rows only is read from anywhere.
 *
 * Row (m, g) of a gate is number m · G + g, m over its members (the batch axis and what else chooses no weights), g over its
 * groups. A value at active rows is stored [batch, most, …] in the order of the list: element a of it, counted through, is
 * row rows[a]. A kernel over the list runs along axis `a`; one that reads such a value elsewhere asks for its place:
 *
 *     place = places[m, g];    place ≥ 0 ? y[place, …] : 0
 */
import {
  add,
  axis,
  type Expr,
  type Extent,
  floordiv,
  ge,
  int,
  load,
  max,
  mod,
  mul,
  num,
  sameExpr,
  where,
} from "../../src/ir/expr.ts";
import type { ActiveRows, Graph, Node } from "../../src/ir/graph.ts";
import type { PlanRows, PlanValue } from "../../src/ir/plan.ts";
import { simplify } from "../../src/ir/simplify.ts";
import type { GridAxis, RowList } from "../../src/ir/tile.ts";
import type { ValueTable } from "./values.ts";

/** A list and the gate whose active rows it holds. */
export interface GateList {
  readonly gate: Node;
  readonly list: RowList;
  /** The gate's axes by role; the batch axis is the first member. */
  readonly members: readonly number[];
  readonly groups: readonly number[];
}

const product = (sizes: readonly number[]): number => sizes.reduce((p, s) => p * s, 1);

/** The lists of a plan, made as kernels ask for them. */
export class RowLists {
  private readonly graph: Graph;
  private readonly values: ValueTable;
  private readonly known = new Map<number, GateList>();
  private readonly users = new Map<number, number>();

  constructor(graph: Graph, values: ValueTable) {
    this.graph = graph;
    this.values = values;
  }

  of({ gate: id, groups, most }: ActiveRows): GateList {
    const known = this.known.get(id);
    if (known) return known;
    const gate = this.graph.nodes[id];
    const { shape } = gate.type;
    const stage = gate.program ?? "load";
    const of = shape[0];
    if (typeof of === "number") throw new Error(`internal: the gate %${id} has no batch axis`);
    const members = shape.map((_, a) => a).filter((a) => !groups.includes(a));
    const own = product(members.slice(1).map((a) => shape[a] as number));
    const count = product(groups.map((a) => shape[a] as number));
    const table = (name: string, own: readonly Extent[], launches = false): number =>
      this.values.table(`${gate.path || "gate"}.${name}`, own, { kind: "list", stage, launches }).id;
    const list: RowList = {
      members: { of, times: own },
      groups: count,
      most,
      tile: 1,
      counts: table("counts", [count]),
      rows: table("rows", [of, most]),
      places: table("places", [of, own, count]),
      tiles: table("tiles", [of, most + 1, 4]),
      launches: table("launches", [1, 4], true),
    };
    const made = { gate, list, members, groups };
    this.known.set(id, made);
    return made;
  }

  /** The place in `launches` of one more kernel that runs over the list. */
  launch({ gate, list }: GateList): number {
    const index = this.users.get(gate.id) ?? 0;
    this.users.set(gate.id, index + 1);
    this.values.resize(list.launches, [index + 1, 4]);
    return index;
  }

  planRows(rows: ActiveRows): PlanRows {
    const { list, members, groups } = this.of(rows);
    const own = (a: number): number => rows.axes[a];
    return { places: list.places, members: members.map(own), groups: groups.map(own) };
  }

  /** Element `index` (of the dense shape) of a value at active rows: 0 where its row is not. */
  read(value: PlanValue, rows: ActiveRows, index: readonly Expr[]): Expr {
    const { list, members, groups, gate } = this.of(rows);
    const { shape } = gate.type;
    const at = (a: number): Expr => index[rows.axes[a]];
    const [batch, ...rest] = members;
    const place = load(
      list.places,
      [
        at(batch),
        flat(
          rest.map(at),
          rest.map((a) => shape[a] as number),
        ),
        flat(
          groups.map(at),
          groups.map((a) => shape[a] as number),
        ),
      ].map(simplify),
      "i32",
    );
    const element = load(
      value.id,
      stored(max(place, int(0)), rows, index),
      value.element === "f32" ? "num" : "i32",
    );
    return where(ge(place, int(0)), element, value.element === "f32" ? num(0) : int(0));
  }
}

/** The index of a value at active rows: place `at` of the list, then the axes that are no row's. */
export function stored(at: Expr, { axes, most }: ActiveRows, index: readonly Expr[]): Expr[] {
  const rest = index.filter((_, a) => !axes.includes(a));
  return [floordiv(at, int(most)), mod(at, int(most)), ...rest].map(simplify);
}

/** The shape in which a value at active rows is stored. */
export function storedShape(shape: readonly Extent[], { axes, most }: ActiveRows): Extent[] {
  return [shape[0], most, ...shape.filter((_, a) => !axes.includes(a))];
}

/** The point of a kernel over a list, and the grid axis that it takes. */
export class RowPoint {
  readonly grid: GridAxis;
  /** For each axis of the gate, where the row lies along it. */
  readonly index: readonly Expr[];
  private readonly at: Expr;
  private readonly rows: ActiveRows;

  /** `tiled`: a workgroup's rows are of one group, whose axes it knows without asking for the row. */
  constructor({ gate, list, members, groups }: GateList, rows: ActiveRows, tiled: boolean) {
    const { shape } = gate.type;
    if (typeof list.members === "number") throw new Error("internal: a list without a batch axis");
    const extent = { of: list.members.of, times: list.most };
    this.rows = rows;
    this.at = axis("a", extent);
    const number = max(
      load(list.rows, [floordiv(this.at, int(list.most)), mod(this.at, int(list.most))], "i32"),
      int(0),
    );
    const sizes = groups.map((a) => shape[a] as number);
    const names = groupNames(groups.length);
    const own = tiled ? sizes.map((s, i) => axis(names[i], s)) : digits(mod(number, int(list.groups)), sizes);
    const others = members.slice(1).map((a) => shape[a] as number);
    const member = floordiv(number, int(list.groups));
    const inner = digits(mod(member, int(product(others))), others);
    const index: Expr[] = [];
    index[members[0]] = simplify(floordiv(member, int(product(others))));
    members.slice(1).forEach((a, i) => {
      index[a] = inner[i];
    });
    groups.forEach((a, i) => {
      index[a] = own[i];
    });
    this.index = index;
    const group = tiled ? { group: sizes.map((s, i) => ({ name: names[i], extent: s })) } : {};
    this.grid = { name: "a", extent, tile: 1, rows: { tiles: list.tiles, times: 1, ...group } };
  }

  /** Where along `axis` of a value with these rows the point lies; undefined for an axis that is no row's. */
  along(axis: number): Expr | undefined {
    const a = this.rows.axes.indexOf(axis);
    return a < 0 ? undefined : this.index[a];
  }

  /** Whether `index` of a value with `rows` is this very row. */
  covers(rows: ActiveRows, index: readonly Expr[]): boolean {
    return rows.gate === this.rows.gate && rows.axes.every((a, i) => sameExpr(index[a], this.index[i]));
  }

  /** The stored index of a value that has this row. */
  stored(rows: ActiveRows, index: readonly Expr[]): Expr[] {
    return stored(this.at, rows, index);
  }
}

/** Weights are chosen by an expert, or by a token and an expert, as a rule. */
function groupNames(count: number): string[] {
  if (count <= 2) return ["token", "expert"].slice(2 - count);
  return Array.from({ length: count }, (_, i) => `group${i}`);
}

/** Row-major digits of `e`, which is below the product of `sizes`. */
function digits(e: Expr, sizes: readonly number[]): Expr[] {
  const out: Expr[] = [];
  let inner = 1;
  for (let i = sizes.length - 1; i >= 0; i--) {
    const rest = floordiv(e, int(inner));
    out[i] = simplify(i === 0 ? rest : mod(rest, int(sizes[i])));
    inner *= sizes[i];
  }
  return out;
}

function flat(index: readonly Expr[], sizes: readonly number[]): Expr {
  return index.reduce<Expr>((sum, e, i) => add(mul(sum, int(sizes[i])), e), int(0));
}
