/**
 * @file `tokens NAME: [T, D] { row = expr … }`: stacks rows along axis 0. Rows keep their names as compile-time slices
 * (`x.user_tokens`) and are labels of parameter paths (`x.user_tokens.split_linear.w`).
 */
import type { TokenRow, Tokens } from "../../grammar/ast.ts";
import type { Span } from "../../grammar/diagnostics.ts";
import { reshapeMap } from "../ir/indexmap.ts";
import type { Env } from "./context.ts";
import { evaluate, evaluateExtent } from "./evaluate.ts";
import { Failure } from "./report.ts";
import { bind } from "./statements.ts";
import { intValue, shapeText, type TensorValue } from "./values.ts";

export function runTokens(stmt: Tokens, env: Env): void {
  const { reporter } = env;
  const name = stmt.name.name;
  const [count, width, extra] = stmt.shape.dims;
  if (!count || !width || extra || stmt.shape.open) {
    reporter.fail(
      "RMX0202",
      stmt.shape.span,
      "tokens have two axes: how many there are and how wide each is",
    );
  }
  if (stmt.rows.length === 0) reporter.fail("RMX0211", stmt.span, `\`${name}\` has no rows`);
  const labels = env.labels.child(name, stmt.name.span);
  const rows: { row: TokenRow; value: TensorValue }[] = [];
  let failed = false;
  for (const row of stmt.rows) {
    try {
      const inner = env.with({ labels: labels.child(row.name.name, row.name.span), variable: "" });
      rows.push({ row, value: rowValue(row, inner) });
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      failed = true;
    }
  }
  if (failed) throw new Failure();
  const D = dimension(width, rows[0]?.value.shape[1] ?? 1, stmt.span, env);
  for (const { row, value } of rows) {
    if (value.shape[1] === D) continue;
    reporter.fail(
      "RMX0211",
      row.value.span,
      `a row of \`${name}\` is ${D} wide, found ${shapeText(value.shape)}`,
      {
        secondary: [{ span: width.span, message: `the width is ${D} here` }],
      },
    );
  }
  const total = rows.reduce((sum, { value }) => sum + (value.shape[0] ?? 0), 0);
  const T = dimension(count, total, stmt.span, env);
  if (T !== total) {
    reporter.fail("RMX0211", count.span, `\`${name}\` is declared with ${T} tokens, its rows hold ${total}`, {
      secondary: rows.map(({ row, value }) => ({ span: row.name.span, message: `${value.shape[0]} here` })),
    });
  }
  const slices = new Map<string, { start: number; count: number }>();
  let start = 0;
  for (const { row, value } of rows) {
    const earlier = slices.has(row.name.name);
    if (earlier)
      reporter.error("RMX0108", row.name.span, `\`${name}\` has two rows called \`${row.name.name}\``);
    slices.set(row.name.name, { start, count: value.shape[0] ?? 0 });
    start += value.shape[0] ?? 0;
  }
  const emit = env.emit(stmt.span, name);
  const inputs = rows.map(({ value }) => ({ id: value.id }));
  const [first] = rows;
  const stacked = first && rows.length === 1 ? first.value : emit.op({ kind: "concat", axis: 0 }, inputs);
  bind(env, name, { value: { ...stacked, rows: slices }, span: stmt.name.span });
}

/** A declared extent; a bare name that nothing has bound yet takes what the rows give. */
function dimension(expr: Tokens["shape"]["dims"][number], found: number, span: Span, env: Env): number {
  if (expr.kind === "ident" && !env.scope.get(expr.name, env.training)) {
    bind(env, expr.name, { value: intValue(found), span });
    return found;
  }
  return evaluateExtent(expr, env);
}

/** A row's value as [n, D]: `name[n] = …` gives [n, D], `name = …` gives [D] or [1, D]. */
function rowValue(row: TokenRow, env: Env): TensorValue {
  const { reporter } = env;
  const count = row.count ? evaluateExtent(row.count, env) : 1;
  const x = env.emit(row.value.span).num(evaluate(row.value, env), row.value.span);
  if (x.shape.length === 1 && !row.count) {
    const [width = 1] = x.shape;
    return env.emit(row.value.span).view(x, reshapeMap(x.shape, [1, width]));
  }
  if (x.shape.length !== 2) {
    reporter.fail(
      "RMX0211",
      row.value.span,
      `a row of tokens is [D] or [n, D], found ${shapeText(x.shape)}`,
      {
        ...(x.shape.length === 1 && {
          help: `\`${row.name.name} = …\` without a count is one token of shape [D]`,
        }),
      },
    );
  }
  if (x.shape[0] !== count) {
    reporter.fail(
      "RMX0211",
      row.value.span,
      `\`${row.name.name}\` is ${count === 1 ? "one token" : `${count} tokens`}, found ${shapeText(x.shape)}`,
      {
        ...(row.count && { secondary: [{ span: row.count.span, message: `${count} here` }] }),
        ...(!row.count && { help: `write \`${row.name.name}[${x.shape[0]}] = …\`` }),
      },
    );
  }
  return x;
}
