/**
 * @file Names in bodies that may never run: every block of every file is checked for names that nothing in it could have bound,
 * whether or not the model calls it. Order does not matter here; elaboration checks that.
 */
import type { BlockDecl, Expr, FeatureType, Ident, ModelDecl, ShapeSpec, Stmt } from "../../grammar/ast.ts";
import { closest } from "../../grammar/suggest.ts";
import { builtins } from "./builtins/index.ts";
import { isStandard, type LoadedFile, type Program } from "./files.ts";
import type { Reporter } from "./report.ts";

export function checkNames(program: Program, reporter: Reporter): void {
  for (const file of program.files.values()) {
    if (isStandard(file.name)) continue;
    for (const item of file.tree.items) {
      if (item.kind !== "use") new BodyCheck(item, file, reporter).run();
    }
  }
}

class BodyCheck {
  private readonly known = new Set<string>(["training"]);
  private readonly decl: BlockDecl | ModelDecl;
  private readonly file: LoadedFile;
  private readonly reporter: Reporter;

  constructor(decl: BlockDecl | ModelDecl, file: LoadedFile, reporter: Reporter) {
    this.decl = decl;
    this.file = file;
    this.reporter = reporter;
  }

  run(): void {
    for (const param of this.decl.params) {
      this.known.add(param.name.name);
      if (param.type.kind === "tensor") this.bindDims(param.type.shape);
    }
    this.bindAll(this.decl.body);
    for (const param of this.decl.params) {
      if (param.default) this.expr(param.default);
      if (param.type.kind === "tensor") this.shape(param.type.shape);
    }
    if (this.decl.kind === "block") for (const result of this.decl.results) this.shape(result.shape);
    this.all(this.decl.body);
  }

  private bindDims(shape: ShapeSpec): void {
    for (const dim of shape.dims) if (dim.kind === "ident") this.known.add(dim.name);
  }

  private bindAll(body: readonly Stmt[]): void {
    for (const stmt of body) {
      switch (stmt.kind) {
        case "let":
        case "table":
        case "param":
        case "task":
        case "label":
          this.known.add(stmt.name.name);
          break;
        case "tokens":
          this.known.add(stmt.name.name);
          this.bindDims(stmt.shape);
          break;
        case "features":
          for (const feature of stmt.features) this.known.add(feature.name.name);
          break;
        case "assign":
          for (const target of stmt.targets) this.known.add(target.name);
          break;
        case "repeat":
          if (stmt.binding) this.known.add(stmt.binding.name);
          if (stmt.label) this.known.add(stmt.label.name);
          this.bindAll(stmt.body);
          break;
        case "if":
          this.bindAll(stmt.then);
          this.bindAll(stmt.otherwise ?? []);
          break;
        default:
          break;
      }
    }
  }

  private all(body: readonly Stmt[]): void {
    for (const stmt of body) this.stmt(stmt);
  }

  private stmt(stmt: Stmt): void {
    switch (stmt.kind) {
      case "let":
      case "assign":
      case "task":
      case "loss":
        this.expr(stmt.value);
        return;
      case "table":
        for (const arg of stmt.args) this.expr(arg.value);
        this.init(stmt.init);
        return;
      case "param":
        this.shape(stmt.shape);
        this.init(stmt.init);
        return;
      case "features":
        for (const feature of stmt.features) this.featureType(feature.type);
        return;
      case "label":
        this.featureType(stmt.type);
        return;
      case "tokens":
        this.shape(stmt.shape);
        for (const row of stmt.rows) {
          if (row.count) this.expr(row.count);
          this.expr(row.value);
        }
        return;
      case "return":
        for (const value of stmt.values) this.expr(value);
        return;
      case "repeat":
        this.expr(stmt.over);
        this.all(stmt.body);
        return;
      case "if":
        this.expr(stmt.condition);
        this.all(stmt.then);
        this.all(stmt.otherwise ?? []);
        return;
      case "serve":
        for (const entry of stmt.entries) this.expr(entry.value);
        return;
      case "precision":
        return;
      default:
        stmt satisfies never;
    }
  }

  /** `zeros`, `normal(std = s)`: the initialiser's own name is no variable. */
  private init(init: Expr | undefined): void {
    if (init?.kind === "call") for (const arg of init.args) this.expr(arg.value);
  }

  private shape(shape: ShapeSpec): void {
    for (const dim of shape.dims) this.expr(dim);
  }

  private featureType(given: FeatureType): void {
    switch (given.kind) {
      case "dense":
        for (const dim of given.dims) this.expr(dim);
        return;
      case "id":
        this.name(given.table);
        return;
      case "ids":
        this.expr(given.max);
        this.name(given.table);
        return;
      case "seq":
        this.expr(given.max);
        for (const field of given.fields) this.featureType(field.type);
        return;
      default:
        given satisfies never;
    }
  }

  private expr(expr: Expr): void {
    switch (expr.kind) {
      case "int":
      case "float":
      case "string":
      case "bool":
        return;
      case "ident":
        this.name(expr);
        return;
      case "unary":
        this.expr(expr.operand);
        return;
      case "binary":
        this.expr(expr.left);
        this.expr(expr.right);
        return;
      case "call":
        this.name(expr.callee);
        for (const arg of expr.args) this.expr(arg.value);
        return;
      case "pipe":
        this.expr(expr.value);
        this.expr(expr.call);
        return;
      case "index":
        this.expr(expr.base);
        for (const item of expr.items) {
          if (item.kind === "at") this.expr(item.at);
          else this.ends(item);
        }
        return;
      case "member":
        this.expr(expr.base);
        return;
      case "list":
        for (const item of expr.items) this.expr(item);
        return;
      case "group":
        this.expr(expr.inner);
        return;
      case "range":
        this.ends(expr);
        return;
      default:
        expr satisfies never;
    }
  }

  private ends(range: { readonly from?: Expr; readonly to?: Expr }): void {
    if (range.from) this.expr(range.from);
    if (range.to) this.expr(range.to);
  }

  private name(ident: Ident): void {
    const { name, span } = ident;
    if (this.known.has(name) || this.file.visible.has(name) || builtins.has(name)) return;
    const near = closest(name, [...this.known, ...this.file.visible.keys(), ...builtins.keys(), "inf"]);
    const help = near
      ? `did you mean \`${near}\`?`
      : this.decl.kind === "block"
        ? "a block sees only its parameters and what it binds itself"
        : undefined;
    this.reporter.error("RMX0101", span, `unknown name \`${name}\``, {
      label: "not in scope here",
      ...(help && { help }),
    });
  }
}
