/**
 * @file Running the statements of a body. A statement that fails binds its targets to nothing and the next one goes on, so one
 * run reports every independent error.
 */
import type { Assign, Expr, If, Repeat, Return, Stmt } from "../../grammar/ast.ts";
import type { Span } from "../../grammar/diagnostics.ts";
import { isCompileTime } from "./compiletime.ts";
import type { Env } from "./context.ts";
import { evaluateShape } from "./dimensions.ts";
import { evaluate } from "./evaluate.ts";
import { runModelStatement } from "./modelstatements.ts";
import { initOf } from "./params.ts";
import { Failure } from "./report.ts";
import type { Binding } from "./scope.ts";
import { runTokens } from "./tokens.ts";
import { type Bound, describe, intValue, type RowNames, type Value } from "./values.ts";

export interface Returned {
  readonly values: readonly Bound[];
  readonly span: Span;
}

/** Runs `body`; what it returned, if it came to a `return`. */
export function runBody(body: readonly Stmt[], env: Env): Returned | undefined {
  for (const stmt of body) {
    try {
      env.ctx.step(stmt.span);
      const returned = run(stmt, env);
      if (returned) return returned;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      if (stmt.kind === "return" || env.ctx.exhausted) throw error;
      for (const target of targetsOf(stmt)) env.scope.set(target.name, { span: target.span }, env.ctx.shadow);
    }
  }
  return undefined;
}

function run(stmt: Stmt, env: Env): Returned | undefined {
  switch (stmt.kind) {
    case "let":
      runLet(stmt, env);
      return undefined;
    case "assign":
      runAssign(stmt, env);
      return undefined;
    case "param": {
      const shape = evaluateShape(stmt.shape, env);
      const value = env.ctx.params.declare(env, stmt.name.name, shape, initOf(stmt, env), stmt.name.span);
      bind(env, stmt.name.name, { value, span: stmt.name.span });
      return undefined;
    }
    case "tokens":
      runTokens(stmt, env);
      return undefined;
    case "repeat":
      return runRepeat(stmt, env);
    case "if":
      return runIf(stmt, env);
    case "return":
      return runReturn(stmt, env);
    default:
      runModelStatement(stmt, env);
      return undefined;
  }
}

/** The names that stay without a value when the statement fails; for compound ones, those their bodies would have set. */
function targetsOf(stmt: Stmt): readonly { readonly name: string; readonly span: Span }[] {
  switch (stmt.kind) {
    case "assign":
      return stmt.targets;
    case "let":
    case "param":
    case "tokens":
    case "table":
    case "label":
      return [stmt.name];
    case "features":
      return stmt.features.map((feature) => feature.name);
    case "repeat":
      return stmt.body.flatMap(targetsOf);
    case "if":
      return [...stmt.then, ...(stmt.otherwise ?? [])].flatMap(targetsOf);
    default:
      return [];
  }
}

export function bind(env: Env, name: string, binding: Binding): void {
  env.scope.set(name, binding, env.ctx.shadow);
}

function runLet(stmt: Extract<Stmt, { kind: "let" }>, env: Env): void {
  const value = evaluate(stmt.value, env);
  if (!isCompileTime(value)) {
    env.reporter.fail(
      "RMX0113",
      stmt.value.span,
      `\`let\` binds what is known at compile time, found ${describe(value)}`,
      {
        help: `write \`${stmt.name.name} = …\` for a tensor`,
      },
    );
  }
  bind(env, stmt.name.name, { value, span: stmt.span });
}

function runAssign(stmt: Assign, env: Env): void {
  const [only] = stmt.targets;
  if (only && stmt.targets.length === 1) {
    const value = evaluate(stmt.value, env.with({ variable: only.name }));
    if (value.kind === "results") {
      env.reporter.fail("RMX0111", stmt.value.span, `${value.values.length} results for one name`, {
        help: "name each result: `a, b = f(x)`",
      });
    }
    assign(env, only.name, value, stmt.span);
    return;
  }
  const value = evaluate(stmt.value, env);
  const values = value.kind === "results" ? value.values : [value];
  if (values.length !== stmt.targets.length) {
    env.reporter.fail(
      "RMX0111",
      stmt.value.span,
      `${values.length === 1 ? "one result" : `${values.length} results`} for ${stmt.targets.length} names`,
    );
  }
  for (const [i, target] of stmt.targets.entries()) {
    const item = values[i];
    if (item) assign(env, target.name, item, stmt.span);
  }
}

/** Names of token rows live on through rebinding while the value still has those rows. */
function assign(env: Env, name: string, value: Value, span: Span): void {
  const rows =
    value.kind === "tensor"
      ? (value.rows ?? keptRows(env.scope.get(name, env.training), value.shape))
      : undefined;
  bind(env, name, { value, span, ...(rows && { rows }) });
}

function keptRows(earlier: Binding | undefined, shape: readonly number[]): RowNames | undefined {
  if (earlier?.value?.kind !== "tensor") return undefined;
  const { shape: before } = earlier.value;
  return before.length === shape.length && before[0] === shape[0]
    ? (earlier.rows ?? earlier.value.rows)
    : undefined;
}

function runReturn(stmt: Return, env: Env): Returned {
  if (env.body === "model") {
    env.reporter.fail("RMX0109", stmt.span, "a model has no `return`", {
      help: "its results are its tasks: `task NAME = …`",
    });
  }
  const values = stmt.values
    .map((expr) => ({ value: evaluate(expr, env), span: expr.span }))
    .flatMap(({ value, span }) =>
      value.kind === "results" ? value.values.map((v) => ({ value: v, span })) : [{ value, span }],
    );
  return { values, span: stmt.span };
}

function runRepeat(stmt: Repeat, env: Env): Returned | undefined {
  const rounds = roundsOf(stmt, env);
  const { statements } = env.ctx.limits;
  if (rounds.length > statements) {
    env.reporter.fail(
      "RMX0301",
      stmt.over.span,
      `${rounds.length} rounds are more than the model may unroll to`,
      {
        notes: [`limit \`statements\` = ${statements}`],
      },
    );
  }
  const labels = stmt.label && env.labels.child(stmt.label.name, stmt.label.span);
  const shadow = env.ctx.shadow;
  const outer = stmt.label && env.scope.get(stmt.label.name, shadow);
  for (let i = 0; i < rounds.length; i++) {
    env.ctx.step(stmt.span);
    const item = rounds.item?.(i);
    if (stmt.binding && item) bind(env, stmt.binding.name, { value: item, span: stmt.binding.span });
    if (stmt.label) bind(env, stmt.label.name, { value: intValue(i), span: stmt.label.span });
    const round =
      labels && stmt.label ? labels.child(String(i), stmt.label.span) : env.labels.unlabelledRound(stmt.span);
    const returned = runBody(stmt.body, env.with({ labels: round }));
    if (returned) return returned;
  }
  if (stmt.binding) env.scope.delete(stmt.binding.name, shadow);
  if (stmt.label) {
    if (outer) bind(env, stmt.label.name, outer);
    else env.scope.delete(stmt.label.name, shadow);
  }
  return undefined;
}

function roundsOf(
  stmt: Repeat,
  env: Env,
): { readonly length: number; readonly item?: (i: number) => Value | undefined } {
  const over = evaluate(stmt.over, env);
  if (stmt.binding) {
    if (over.kind === "list") return { length: over.items.length, item: (i) => over.items[i] };
    return env.reporter.fail(
      "RMX0107",
      stmt.over.span,
      `\`repeat … in\` runs over a list, found ${describe(over)}`,
    );
  }
  if (over.kind === "int" && over.value >= 0) return { length: over.value };
  return env.reporter.fail(
    "RMX0107",
    stmt.over.span,
    `\`repeat\` takes a number of rounds, found ${describe(over)}`,
    {
      ...(over.kind === "list" && { help: "write `repeat m in list as LABEL { … }`" }),
    },
  );
}

function runIf(stmt: If, env: Env): Returned | undefined {
  const { ctx } = env;
  const serving = condition(stmt, env);
  const branch = (taken: boolean): readonly Stmt[] => (taken ? stmt.then : (stmt.otherwise ?? []));
  if (env.training || !mentionsTraining(stmt)) return runBody(branch(serving), env);
  const before = env.labels.fork();
  const returned = runBody(branch(serving), env);
  ctx.shadow = true;
  try {
    const training = condition(stmt, env);
    if (training !== serving) env.labels.within(before, () => void runBody(branch(training), env));
  } finally {
    ctx.shadow = false;
  }
  return returned;
}

function condition(stmt: If, env: Env): boolean {
  const value = evaluate(stmt.condition, env);
  if (value.kind === "bool") return value.value;
  return env.reporter.fail(
    "RMX0107",
    stmt.condition.span,
    `\`if\` takes a bool known at compile time, found ${describe(value)}`,
    {
      ...(value.kind === "tensor" && { help: "`where(mask, a, b)` chooses between computed values" }),
    },
  );
}

const dependsOnTraining = new WeakMap<If, boolean>();

/** Whether the condition depends on `training`, so that the other branch declares parameters for training alone. */
function mentionsTraining(stmt: If): boolean {
  const known = dependsOnTraining.get(stmt);
  if (known !== undefined) return known;
  const found = names(stmt.condition, "training");
  dependsOnTraining.set(stmt, found);
  return found;
}

function names(expr: Expr, name: string): boolean {
  const stack: unknown[] = [expr];
  while (stack.length > 0) {
    const node = stack.pop();
    if (typeof node !== "object" || node === null) continue;
    if ("kind" in node && node.kind === "ident" && "name" in node && node.name === name) return true;
    stack.push(...Object.values(node));
  }
  return false;
}
