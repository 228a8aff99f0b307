/**
 * @file Builds the statements of a thread program. Scopes nest as the text will; each knows the names declared in it, what
 * tile-level axes and tiles stand for, and which values were computed, so that a later use finds them again.
 */
import type { ThreadExpr, ThreadStmt, ThreadType } from "../../src/ir/thread.ts";
import { constant, variable } from "../../src/ir/thread.ts";
import type { TileStmt } from "../../src/ir/tile.ts";
import type { OpenAxis } from "./grid.ts";
import { freshName } from "./names.ts";

export interface Scope {
  /**
   * What a loop does not change may be computed before it, what a branch asks for may not. A guard (the ragged edge of a tile) is
   * between: a load that all sides of it share is made before it.
   */
  readonly kind: "block" | "loop" | "branch" | "guard";
  readonly depth: number;
  readonly parent: Scope | undefined;
  readonly statements: ThreadStmt[];
  readonly names: Set<string>;
  readonly axes: Map<string, ThreadExpr>;
  readonly tiles: Map<string, ThreadExpr>;
  /** Computed values by expression key. */
  readonly values: Map<string, ThreadExpr>;
}

/** Where a phase stands: its axes within the workgroup's box, the number of the tile, and the scope that holds one tile. */
export interface Frame {
  readonly axes: readonly OpenAxis[];
  readonly tile: ThreadExpr;
  readonly scope: Scope;
}

export class Builder {
  /** While a phase is lowered: which of its tiles. Absent: the workgroup's index says so. */
  frame: Frame | undefined;
  /** Set where subgroup functions stand in control flow that no printer can prove uniform; see `ThreadProgram.trusted`. */
  trusted = false;
  /** The statement of the tile program that is being lowered: what is emitted is marked with it. */
  statement: TileStmt | undefined;
  private scope: Scope;

  constructor(taken: Iterable<string>) {
    this.scope = open("block", undefined);
    for (const name of taken) this.scope.names.add(name);
  }

  get current(): Scope {
    return this.scope;
  }

  /** The outermost scope in which the workgroup's tile is known. */
  get tileScope(): Scope {
    return this.frame?.scope ?? this.find((scope) => scope.parent === undefined) ?? this.scope;
  }

  /** The statements of the outermost scope. */
  finish(): readonly ThreadStmt[] {
    if (this.scope.parent !== undefined) throw new Error("internal: a scope was left open");
    return this.scope.statements;
  }

  /** A name that no open scope has. */
  name(hint: string): string {
    const name = freshName(
      hint,
      (candidate) => this.find((scope) => scope.names.has(candidate)) !== undefined,
    );
    this.scope.names.add(name);
    return name;
  }

  emit(statement: ThreadStmt): void {
    this.scope.statements.push(
      this.statement === undefined ? statement : { ...statement, of: this.statement },
    );
  }

  comment(text: string): void {
    this.emit({ kind: "comment", text });
  }

  /** Binds a value to a name; constants and what has a name need none. */
  let(hint: string, value: ThreadExpr): ThreadExpr {
    if (value.kind === "const" || value.kind === "var") return value;
    const name = this.name(hint);
    this.emit({ kind: "let", name, value });
    return variable(name, value.type);
  }

  var(hint: string, type: ThreadType, value?: ThreadExpr): ThreadExpr & { readonly kind: "var" } {
    const name = this.name(hint);
    this.emit({ kind: "var", name, type, value: value ?? constant(0, type) });
    return { kind: "var", name, type };
  }

  assign(target: ThreadExpr & { readonly kind: "var" }, value: ThreadExpr): void {
    this.emit({ kind: "assign", name: target.name, value });
  }

  accumulate(target: ThreadExpr & { readonly kind: "var" }, value: ThreadExpr): void {
    this.emit({ kind: "accumulate", name: target.name, value });
  }

  for(
    hint: string,
    from: ThreadExpr,
    to: ThreadExpr,
    step: ThreadExpr,
    body: (index: ThreadExpr) => void,
  ): void {
    const scope = open("loop", this.scope);
    const name = this.inside(scope, () => {
      const index = this.name(hint);
      body(variable(index, from.type));
      return index;
    });
    this.emit({ kind: "for", name, from, to, step, body: scope.statements });
  }

  /** A scope that nothing leaves: what it computes, it computes where it stands. */
  block(body: () => void): void {
    const scope = open("block", this.scope);
    this.inside(scope, body);
    this.emit({ kind: "block", body: scope.statements });
  }

  guard(cond: ThreadExpr, then: () => void): void {
    const scope = open("guard", this.scope);
    this.inside(scope, then);
    this.emit({ kind: "if", cond, body: scope.statements });
  }

  if(cond: ThreadExpr, then: () => void, otherwise?: () => void): void {
    const yes = open("branch", this.scope);
    this.inside(yes, then);
    if (otherwise === undefined) {
      this.emit({ kind: "if", cond, body: yes.statements });
      return;
    }
    const no = open("branch", this.scope);
    this.inside(no, otherwise);
    this.emit({ kind: "if", cond, body: yes.statements, otherwise: no.statements });
  }

  bindAxis(name: string, value: ThreadExpr): void {
    this.scope.axes.set(name, value);
  }

  bindTile(name: string, value: ThreadExpr): void {
    this.scope.tiles.set(name, value);
  }

  /** The innermost open scope that satisfies `test`. */
  find(test: (scope: Scope) => boolean): Scope | undefined {
    for (let scope: Scope | undefined = this.scope; scope !== undefined; scope = scope.parent) {
      if (test(scope)) return scope;
    }
    return undefined;
  }

  /** Runs `action` with `scope` as the current one; what it emits stands before whatever is open inside `scope`. */
  inside<T>(scope: Scope, action: () => T): T {
    const saved = this.scope;
    // Names must differ from those of the scopes that are open further in, too: they could be shadowed there.
    const hidden: string[] = [];
    for (let s: Scope | undefined = saved; s !== undefined && s.depth > scope.depth; s = s.parent) {
      for (const name of s.names) if (!scope.names.has(name)) hidden.push(name);
    }
    for (const name of hidden) scope.names.add(name);
    this.scope = scope;
    try {
      return action();
    } finally {
      this.scope = saved;
      for (const name of hidden) scope.names.delete(name);
    }
  }
}

function open(kind: Scope["kind"], parent: Scope | undefined): Scope {
  return {
    kind,
    depth: parent === undefined ? 0 : parent.depth + 1,
    parent,
    statements: [],
    names: new Set(),
    axes: new Map(),
    tiles: new Map(),
    values: new Map(),
  };
}
