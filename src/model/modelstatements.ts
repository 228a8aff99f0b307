/**
 * @file The statements that only a model has: tables, features, tasks, what training minimises, precision and sizes to serve.
 */
import type { LabelDecl, Loss, Serve, Stmt, Table, Task } from "../../grammar/ast.ts";
import { closest } from "../../grammar/suggest.ts";
import type { Init } from "../ir/graph.ts";
import type { Env } from "./context.ts";
import { evaluate, evaluateExtent } from "./evaluate.ts";
import { declareFeature, labelValue } from "./features.ts";
import { initOf } from "./params.ts";
import { bind } from "./statements.ts";
import type { TensorValue } from "./values.ts";

export type ModelStatement = Extract<
  Stmt,
  { kind: "table" | "features" | "task" | "loss" | "label" | "precision" | "serve" }
>;

export function runModelStatement(stmt: ModelStatement, env: Env): void {
  if (env.body !== "model") {
    const name = stmt.kind === "features" ? stmt.stage : stmt.kind;
    env.reporter.fail("RMX0109", stmt.span, `\`${name}\` belongs in a model`, {
      help: "pass what a block needs as its parameters",
    });
  }
  switch (stmt.kind) {
    case "table":
      runTable(stmt, env);
      return;
    case "features":
      for (const feature of stmt.features) declareFeature(feature, stmt.stage, env);
      return;
    case "task":
      runTask(stmt, env);
      return;
    case "loss":
      runLoss(stmt, env);
      return;
    case "label":
      runLabel(stmt, env);
      return;
    case "precision":
      env.ctx.precision.push(stmt);
      return;
    case "serve":
      runServe(stmt, env);
      return;
    default:
      stmt satisfies never;
  }
}

/** Reports a second declaration of the same kind and name; the first stays. */
export function declareOnce(kind: string, name: string, span: Stmt["span"], env: Env): void {
  const key = `${kind} ${name}`;
  const first = env.ctx.declared.get(key);
  if (first) {
    env.reporter.fail("RMX0108", span, `the ${kind} \`${name}\` is declared twice`, {
      secondary: [{ span: first, message: "first declared here" }],
    });
  }
  env.ctx.declared.set(key, span);
}

function runTable(stmt: Table, env: Env): void {
  const { name, span } = stmt.name;
  declareOnce("table", name, span, env);
  const sizes = new Map<string, number>();
  for (const arg of stmt.args) {
    const key = arg.name?.name ?? "";
    if (key !== "rows" && key !== "dim") {
      env.reporter.fail("RMX0407", arg.span, "a table is given by `rows` and `dim`", {
        help: `write \`table ${name}(rows = …, dim = …)\``,
      });
    }
    sizes.set(key, evaluateExtent(arg.value, env));
  }
  const size = (key: "rows" | "dim"): number =>
    sizes.get(key) ??
    env.reporter.fail("RMX0407", stmt.span, `the table lacks \`${key}\``, {
      help: `write \`table ${name}(rows = …, dim = …)\``,
    });
  const rows = size("rows");
  const dim = size("dim");
  if (rows > 2 ** 31 - 1) {
    env.reporter.fail("RMX0304", stmt.span, `a table of ${rows} rows is too large`, {
      notes: ["limit: ids are i32, so a table has at most 2147483647 rows"],
    });
  }
  const unit: Init = { kind: "normal", std: 1 / Math.sqrt(dim) };
  const init = initOf(stmt.init ? { init: stmt.init } : {}, env, unit);
  const tensor = env.ctx.params.declare(env, name, [rows, dim], init, span, true);
  bind(env, name, { value: { kind: "table", path: env.labels.join(name), rows, dim, tensor }, span });
}

function runTask(stmt: Task, env: Env): void {
  const { name, span } = stmt.name;
  declareOnce("task", name, span, env);
  const inner = env.with({ labels: env.labels.child(name, span), variable: "" });
  const value = inner.emit(stmt.value.span).num(evaluate(stmt.value, inner), stmt.value.span);
  const { ctx } = env;
  env.scope.set(name, env.scope.get(name, false) ?? { value, span }, true);
  if (ctx.shadow) return;
  const logit = logitOf(value, env);
  ctx.outputs.push({ name, value: { id: value.id }, shape: value.shape, ...(logit && { logit }) });
}

/** The operand of a task's outermost sigmoid. */
function logitOf(value: TensorValue, env: Env) {
  const node = env.ctx.builder.node(value.id);
  return node.op.kind === "pointwise" && node.op.fn === "sigmoid" ? node.inputs[0] : undefined;
}

/** A loss is checked as training would see it and then dropped: serving does not compute it. */
function runLoss(stmt: Loss, env: Env): void {
  asTraining(env, () => {
    const inner = env.with({ variable: "" });
    inner.emit(stmt.value.span).num(evaluate(stmt.value, inner), stmt.value.span);
  });
}

function runLabel(stmt: LabelDecl, env: Env): void {
  asTraining(env, () => {
    const value = labelValue(stmt, env);
    bind(env, stmt.name.name, { value, span: stmt.name.span });
  });
}

function asTraining(env: Env, body: () => void): void {
  const before = env.ctx.shadow;
  env.ctx.shadow = true;
  try {
    body();
  } finally {
    env.ctx.shadow = before;
  }
}

function runServe(stmt: Serve, env: Env): void {
  for (const entry of stmt.entries) {
    const { name, span } = entry.name;
    if (name !== "requests" && name !== "candidates") {
      const near = closest(name, ["requests", "candidates"]);
      env.reporter.error("RMX0115", span, `\`serve\` knows no \`${name}\``, {
        help: near ? `did you mean \`${near}\`?` : "it knows `requests` and `candidates`",
      });
      continue;
    }
    env.ctx.serve[name] = evaluateExtent(entry.value, env);
  }
}
