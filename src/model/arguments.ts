/**
 * @file Matching the arguments of a call to the parameters of what is called: positions first, then names. Shared by blocks and
 * primitives.
 */
import type { Call } from "../../grammar/ast.ts";
import type { Span } from "../../grammar/diagnostics.ts";
import { closest } from "../../grammar/suggest.ts";
import type { Env } from "./context.ts";
import { evaluate } from "./evaluate.ts";
import { Failure } from "./report.ts";
import type { Bound } from "./values.ts";

export interface Formal {
  readonly name: string;
  readonly optional: boolean;
  /** Takes every positional argument from here on. */
  readonly rest?: boolean;
}

export interface Given {
  readonly positional: readonly Bound[];
  readonly named: ReadonlyMap<string, Bound & { readonly nameSpan: Span }>;
}

/** The arguments' values; several results given in one position count as that many positions. */
export function evaluateArguments(call: Call, first: readonly Bound[], env: Env): Given {
  const positional: Bound[] = first.flatMap(spread);
  const named = new Map<string, Bound & { nameSpan: Span }>();
  let failed = false;
  for (const arg of call.args) {
    try {
      if (!arg.name) {
        if (named.size > 0)
          env.reporter.error("RMX0104", arg.span, "a positional argument after a named one");
        positional.push(...spread({ value: evaluate(arg.value, env), span: arg.value.span }));
        continue;
      }
      const { name, span } = arg.name;
      const earlier = named.get(name);
      if (earlier) {
        env.reporter.fail("RMX0106", span, `\`${name}\` is given twice`, {
          secondary: [{ span: earlier.nameSpan, message: "first given here" }],
        });
      }
      named.set(name, { value: evaluate(arg.value, env), span: arg.value.span, nameSpan: span });
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      failed = true;
    }
  }
  if (failed) throw new Failure();
  return { positional, named };
}

function spread(bound: Bound): Bound[] {
  if (bound.value.kind !== "results") return [bound];
  return bound.value.values.map((value) => ({ value, span: bound.span }));
}

export interface Matched {
  readonly byName: ReadonlyMap<string, Bound>;
  readonly rest: readonly Bound[];
  /** Named arguments that no parameter has: sizes of pattern axes (`h = 8`). */
  readonly extra: ReadonlyMap<string, Bound>;
}

export function matchArguments(
  callee: string,
  formals: readonly Formal[],
  given: Given,
  options: { readonly extra: boolean; readonly bound: ReadonlyMap<string, Bound> },
  span: Span,
  env: Env,
): Matched {
  const byName = new Map<string, Bound>(options.bound);
  const rest: Bound[] = [];
  const extra = new Map<string, Bound>();
  const open = formals.filter((formal) => !options.bound.has(formal.name));
  for (const [i, bound] of given.positional.entries()) {
    const variadic = open.findIndex((formal) => formal.rest);
    if (variadic >= 0 && i >= variadic) {
      rest.push(bound);
      continue;
    }
    const formal = open[i];
    if (!formal) {
      env.reporter.fail(
        "RMX0104",
        bound.span,
        `\`${callee}\` takes ${count(open.length)}, ${given.positional.length} were given`,
        {
          label: "one too many",
          notes: [`parameters: ${formals.map((f) => f.name).join(", ") || "none"}`],
        },
      );
    } else {
      byName.set(formal.name, bound);
    }
  }
  for (const [name, bound] of given.named) {
    const formal = formals.find((f) => f.name === name && !f.rest);
    const earlier = byName.get(name);
    if (!formal) {
      if (!options.extra) unknownArgument(callee, name, formals, bound.nameSpan, env);
      extra.set(name, bound);
    } else if (earlier && !options.bound.has(name)) {
      env.reporter.fail("RMX0106", bound.nameSpan, `\`${name}\` is given twice`, {
        secondary: [{ span: earlier.span, message: "already given by position here" }],
      });
    } else {
      byName.set(name, bound);
    }
  }
  const missing = formals.filter((formal) => !formal.optional && !formal.rest && !byName.has(formal.name));
  if (missing.length > 0) {
    env.reporter.fail(
      "RMX0105",
      span,
      `\`${callee}\` lacks ${missing.map((f) => `\`${f.name}\``).join(", ")}`,
      {
        notes: [`parameters: ${formals.map((f) => f.name).join(", ")}`],
      },
    );
  }
  return { byName, rest, extra };
}

function count(n: number): string {
  return n === 1 ? "1 positional argument" : `${n} positional arguments`;
}

function unknownArgument(
  callee: string,
  name: string,
  formals: readonly Formal[],
  span: Span,
  env: Env,
): never {
  const names = formals.filter((f) => !f.rest).map((f) => f.name);
  const near = closest(name, names);
  return env.reporter.fail("RMX0103", span, `\`${callee}\` has no parameter \`${name}\``, {
    help: near ? `did you mean \`${near}\`?` : `it has ${names.map((n) => `\`${n}\``).join(", ")}`,
  });
}
