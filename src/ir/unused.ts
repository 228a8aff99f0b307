/**
 * @file Leaves out of a thread program what it computes and never uses: a lowering names the index of a column before it knows
 * whether any expression asks for it. Loads and arithmetic have no effect but their value.
 */
import { expressionsOfBulk } from "./bulk.ts";
import type { ThreadExpr, ThreadStmt } from "./thread.ts";

/** The statements without `let`s that nothing after them uses. */
export function withoutUnused(body: readonly ThreadStmt[]): readonly ThreadStmt[] {
  return sweep(body).kept;
}

/** From the last statement to the first: what is kept, and the names from outside that it uses. */
function sweep(body: readonly ThreadStmt[]): {
  readonly kept: readonly ThreadStmt[];
  readonly used: Set<string>;
} {
  const used = new Set<string>();
  const kept: ThreadStmt[] = [];
  const inside = (statements: readonly ThreadStmt[], declares?: string): readonly ThreadStmt[] => {
    const inner = sweep(statements);
    for (const name of inner.used) if (name !== declares) used.add(name);
    return inner.kept;
  };
  for (const s of body.toReversed()) {
    switch (s.kind) {
      case "let":
        if (!used.delete(s.name)) continue;
        kept.push(s);
        break;
      case "var":
        used.delete(s.name);
        kept.push(s);
        break;
      case "for":
        kept.push({ ...s, body: inside(s.body, s.name) });
        break;
      case "if": {
        const { otherwise } = s;
        kept.push({
          ...s,
          body: inside(s.body),
          ...(otherwise !== undefined && { otherwise: inside(otherwise) }),
        });
        break;
      }
      case "block":
        kept.push({ ...s, body: inside(s.body) });
        break;
      default:
        kept.push(s);
    }
    for (const e of operandsOf(s)) namesOf(e, used);
  }
  return { kept: kept.reverse(), used };
}

/** The expressions of the statement itself, not of those in it. */
function operandsOf(s: ThreadStmt): readonly ThreadExpr[] {
  switch (s.kind) {
    case "let":
    case "assign":
    case "accumulate":
      return [s.value];
    case "var":
      return s.value === undefined ? [] : [s.value];
    case "for":
      return [s.from, s.to, s.step];
    case "if":
      return [s.cond];
    case "store":
    case "store_shared":
      return [s.index, s.value];
    case "mma":
      return [s.a, ...s.b];
    case "copy_async":
      return s.bytes === undefined ? [s.index, s.from] : [s.index, s.from, s.bytes];
    case "matrix":
      return "index" in s ? [s.index] : [];
    case "mbarrier":
    case "bulk_load":
    case "wgmma":
    case "counter":
    case "registers":
    case "cluster_barrier":
      return expressionsOfBulk(s);
    case "comment":
    case "block":
    case "barrier":
    case "commit_async":
    case "wait_async":
    case "return":
      return [];
    default:
      return s satisfies never;
  }
}

function namesOf(e: ThreadExpr, into: Set<string>): void {
  switch (e.kind) {
    case "var":
      into.add(e.name);
      return;
    case "call":
    case "vector":
      for (const arg of e.args) namesOf(arg, into);
      return;
    case "component":
      namesOf(e.of, into);
      return;
    case "load":
    case "shared":
    case "matrices":
      namesOf(e.index, into);
      return;
    case "const":
    case "builtin":
      return;
    default:
      e satisfies never;
  }
}
