/**
 * @file Shapes in declarations. In a block's tensor parameter a bare name binds a dimension at its first use and must agree from
 * then on; any other expression is checked once all names are known. `...` stands for the same leading axes everywhere in one
 * declaration.
 */
import type { ShapeSpec } from "../../grammar/ast.ts";
import type { Label, Span } from "../../grammar/diagnostics.ts";
import type { Env } from "./context.ts";
import { evaluateExtent } from "./evaluate.ts";
import { intValue, shapeText, type TensorValue } from "./values.ts";

/** The name under which a scope keeps the extents that `...` stands for; no user's name looks like it. */
const OPEN = "...";

export interface Subject {
  /** How messages name the value: "`x` of `linear`". */
  readonly what: string;
  /** Where the value was written: the primary span. */
  readonly span: Span;
}

/** The source text's form of a shape: `[..., T, 2 * D]`. */
function specText(spec: ShapeSpec, env: Env): string {
  const text = env.ctx.sources.get(spec.span.file)?.text.slice(spec.span.start, spec.span.end);
  return text?.replace(/\s+/g, " ") ?? "the declared shape";
}

/** Checks `x` against `spec`, binding names that `inner`'s scope lacks. Returns a check to run when every name is bound. */
export function bindShape(
  spec: ShapeSpec,
  x: TensorValue,
  subject: Subject,
  inner: Env,
  reportIn: Env,
): () => void {
  const skip = x.shape.length - spec.dims.length;
  if (skip < 0 || (skip > 0 && !spec.open)) {
    const rank = `${spec.open ? "at least " : ""}${spec.dims.length}`;
    reportIn.reporter.fail(
      "RMX0202",
      subject.span,
      `${subject.what} has ${axes(rank)}, found ${shapeText(x.shape)}`,
      {
        label: shapeText(x.shape),
        secondary: [{ span: spec.span, message: `declared as ${specText(spec, inner)} here` }],
      },
    );
  }
  if (spec.open) bindOpen(spec, x.shape.slice(0, skip), subject, inner, reportIn);
  const later: (() => void)[] = [];
  for (const [i, dim] of spec.dims.entries()) {
    const found = x.shape[skip + i] ?? 0;
    if (dim.kind === "ident" && !inner.scope.get(dim.name, inner.training)) {
      inner.scope.set(dim.name, { value: intValue(found), span: subject.span }, inner.training);
      continue;
    }
    later.push(() => {
      const expected = evaluateExtent(dim, inner);
      if (expected === found) return;
      const name = specText({ ...spec, span: dim.span }, inner);
      const secondary: Label[] = [];
      const binding = dim.kind === "ident" ? inner.scope.get(dim.name, inner.training) : undefined;
      if (binding && !sameSpan(binding.span, subject.span)) {
        secondary.push({ span: binding.span, message: `\`${name}\` was bound to ${expected} here` });
      }
      secondary.push({ span: dim.span, message: "declared here" });
      const shown = /^\d+$/.test(name) ? name : `\`${name}\` = ${expected}`;
      reportIn.reporter.fail(
        "RMX0201",
        subject.span,
        `${subject.what} has ${shown} on axis ${skip + i}, found ${found}`,
        {
          label: shapeText(x.shape),
          secondary,
        },
      );
    });
  }
  return () => {
    for (const check of later) check();
  };
}

function bindOpen(
  spec: ShapeSpec,
  leading: readonly number[],
  subject: Subject,
  inner: Env,
  reportIn: Env,
): void {
  const known = inner.scope.get(OPEN, inner.training);
  if (known?.value?.kind !== "list") {
    const items = leading.map(intValue);
    inner.scope.set(OPEN, { value: { kind: "list", items }, span: subject.span }, inner.training);
    return;
  }
  const expected = openExtents(inner);
  if (expected.length === leading.length && expected.every((extent, i) => extent === leading[i])) return;
  reportIn.reporter.fail(
    "RMX0201",
    subject.span,
    `${subject.what} has leading axes ${shapeText(leading)} where \`...\` is ${shapeText(expected)}`,
    {
      secondary: [
        ...(sameSpan(known.span, subject.span)
          ? []
          : [{ span: known.span, message: "`...` was bound here" }]),
        { span: spec.span, message: "declared here" },
      ],
    },
  );
}

function openExtents(env: Env): number[] {
  const binding = env.scope.get(OPEN, env.training);
  if (binding?.value?.kind !== "list") return [];
  return binding.value.items.map((item) => (item.kind === "int" ? item.value : 0));
}

function sameSpan(a: Span, b: Span): boolean {
  return a.file === b.file && a.start === b.start && a.end === b.end;
}

function axes(rank: string): string {
  return rank === "1" ? "1 axis" : `${rank} axes`;
}

/** The extents that `spec` names, all of them known: a `param`'s shape, a result's. */
export function evaluateShape(spec: ShapeSpec, env: Env): number[] {
  const dims = spec.dims.map((dim) => evaluateExtent(dim, env));
  return spec.open ? [...openExtents(env), ...dims] : dims;
}
