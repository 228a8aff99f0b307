/**
 * @file A model's own parameters: their defaults, and what `--set NAME=VALUE` gives instead.
 */
import type { ModelDecl, Parameter } from "../../grammar/ast.ts";
import { closest } from "../../grammar/suggest.ts";
import { convertArgument } from "./calls.ts";
import type { Env } from "./context.ts";
import { evaluate, functionNamed } from "./evaluate.ts";
import { Failure } from "./report.ts";
import { boolValue, floatValue, intValue, type Value } from "./values.ts";

export function bindSettings(model: ModelDecl, sets: Readonly<Record<string, string>>, env: Env): void {
  const names = model.params.map((param) => param.name.name);
  for (const name of Object.keys(sets)) {
    if (names.includes(name)) continue;
    const near = closest(name, names);
    env.reporter.add({
      code: "RMX0115",
      severity: "error",
      message: `--set ${name}: the model \`${model.name.name}\` has no parameter \`${name}\``,
      span: model.name.span,
      help: near
        ? `did you mean \`${near}\`?`
        : names.length > 0
          ? `it has ${names.map((n) => `\`${n}\``).join(", ")}`
          : "it has none",
    });
  }
  const seen = new Set<string>();
  for (const param of model.params) {
    const { name, span } = param.name;
    if (seen.has(name)) env.reporter.error("RMX0108", span, `the parameter \`${name}\` is declared twice`);
    seen.add(name);
    try {
      env.scope.set(name, { value: settingOf(param, sets[name], env), span: param.span }, false);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      env.scope.set(name, { span: param.span }, false);
    }
  }
}

function settingOf(param: Parameter, text: string | undefined, env: Env): Value {
  const { name } = param.name;
  if (param.type.kind === "tensor") {
    return env.reporter.fail("RMX0109", param.span, "a model's parameters are known at compile time", {
      help: "what changes from request to request is a feature: `user { x: f32[8] }`",
    });
  }
  const what = `\`${name}\``;
  if (text === undefined) {
    if (!param.default) {
      return env.reporter.fail("RMX0105", param.span, `\`${name}\` has no default and was not set`, {
        help: `set it with \`--set ${name}=…\` or give it a default`,
      });
    }
    return convertArgument(
      param,
      { value: evaluate(param.default, env), span: param.default.span },
      what,
      env,
    );
  }
  const parts = param.type.list ? listParts(text) : undefined;
  const value: Value | undefined = param.type.list
    ? parts && listValue(parts.map((part) => parseScalar(part, param.type, env)))
    : parseScalar(text, param.type, env);
  if (value) return value;
  return env.reporter.fail(
    "RMX0115",
    param.span,
    `--set ${name}=${text} is not ${param.type.list ? "a list of " : "of type "}${param.type.base}`,
    {
      label: "declared here",
    },
  );
}

function listParts(text: string): string[] | undefined {
  const inner = /^\[(.*)\]$/s.exec(text.trim())?.[1];
  return inner?.trim() === "" ? [] : inner?.split(",");
}

function listValue(items: readonly (Value | undefined)[]): Value | undefined {
  const known = items.filter((item) => item !== undefined);
  return known.length === items.length ? { kind: "list", items: known } : undefined;
}

function parseScalar(text: string, type: Parameter["type"], env: Env): Value | undefined {
  if (type.kind !== "value") return undefined;
  const trimmed = text.trim();
  switch (type.base) {
    case "int":
    case "float": {
      const plain = trimmed.replace(/(?<=\d)_(?=\d)/g, "");
      if (/^-?\d+$/.test(plain) && Number.isSafeInteger(Number(plain))) return intValue(Number(plain));
      const number = /^-?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain);
      return type.base === "float" && number ? floatValue(Number(plain)) : undefined;
    }
    case "bool":
      return trimmed === "true" || trimmed === "false" ? boolValue(trimmed === "true") : undefined;
    case "string":
      return { kind: "string", value: text, span: { file: env.file.name, start: 0, end: 0 } };
    case "fn":
      return functionNamed(trimmed, env);
    default:
      return type.base satisfies never;
  }
}
