/**
 * @file The state of one elaboration (`Context`) and of one body within it (`Env`).
 */
import type { Precision } from "../../grammar/ast.ts";
import type { Sources, Span } from "../../grammar/diagnostics.ts";
import type { GraphBuilder } from "../ir/build.ts";
import type { FeatureInfo, Output } from "../ir/graph.ts";
import { Emit } from "./emit.ts";
import type { LoadedFile, Program } from "./files.ts";
import type { LabelScope } from "./labels.ts";
import type { Limits } from "./limits.ts";
import type { ParamTable } from "./params.ts";
import type { Reporter } from "./report.ts";
import type { Scope } from "./scope.ts";

export class Context {
  readonly reporter: Reporter;
  readonly limits: Limits;
  readonly program: Program;
  readonly sources: Sources;
  readonly builder: GraphBuilder;
  readonly params: ParamTable;
  readonly features: FeatureInfo[] = [];
  /** Where features and tasks were declared, for "declared twice". */
  readonly declared = new Map<string, Span>();
  readonly outputs: Output[] = [];
  readonly precision: Precision[] = [];
  readonly serve = { requests: 1, candidates: 1024 };
  /** The compile-time value of `training`. */
  training: boolean;
  /** Inside a branch that only training takes while serving is elaborated. */
  shadow = false;
  private statements = 0;
  private nesting = 0;

  constructor(parts: {
    reporter: Reporter;
    limits: Limits;
    program: Program;
    sources: Sources;
    builder: GraphBuilder;
    params: ParamTable;
    training: boolean;
  }) {
    this.reporter = parts.reporter;
    this.limits = parts.limits;
    this.program = parts.program;
    this.sources = parts.sources;
    this.builder = parts.builder;
    this.params = parts.params;
    this.training = parts.training;
  }

  /** Counts a statement or a round that is run. */
  step(span: Span): void {
    this.statements++;
    if (this.statements > this.limits.statements) {
      this.reporter.fail(
        "RMX0301",
        span,
        `the model unrolls to more than ${this.limits.statements} statements`,
        {
          notes: [
            `limit \`statements\` = ${this.limits.statements}; every round of a \`repeat\` and every call counts`,
          ],
        },
      );
    }
  }

  /** Opens an expression; each costs a piece of the machine's stack. */
  enter(span: Span): void {
    this.nesting++;
    if (this.nesting > this.limits.nesting) {
      this.reporter.fail(
        "RMX0302",
        span,
        `calls and expressions are nested more than ${this.limits.nesting} deep`,
        { notes: [`limit \`nesting\` = ${this.limits.nesting} expressions, over all open calls together`] },
      );
    }
  }

  leave(): void {
    this.nesting--;
  }

  get exhausted(): boolean {
    return this.statements > this.limits.statements || this.reporter.full;
  }
}

/** One body being run: its names, its labels, the file whose blocks it sees. */
export class Env {
  readonly ctx: Context;
  readonly scope: Scope;
  readonly labels: LabelScope;
  readonly file: LoadedFile;
  readonly body: "block" | "model";
  /** The name that the running statement binds; part of the path of what it computes. */
  readonly variable: string;

  constructor(parts: {
    ctx: Context;
    scope: Scope;
    labels: LabelScope;
    file: LoadedFile;
    body: "block" | "model";
    variable?: string;
  }) {
    this.ctx = parts.ctx;
    this.scope = parts.scope;
    this.labels = parts.labels;
    this.file = parts.file;
    this.body = parts.body;
    this.variable = parts.variable ?? "";
  }

  get reporter(): Reporter {
    return this.ctx.reporter;
  }

  /** Whether `training` holds here: asked for, or inside a branch elaborated for its parameters alone. */
  get training(): boolean {
    return this.ctx.training || this.ctx.shadow;
  }

  with(change: { labels?: LabelScope; variable?: string }): Env {
    return new Env({ ...this, ...change });
  }

  /** What builds nodes for the expression at `span`. */
  emit(span: Span, label?: string): Emit {
    const name = label ?? this.variable;
    return new Emit(this.ctx, name === "" ? this.labels.path : this.labels.join(name), span);
  }
}
