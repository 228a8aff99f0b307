/**
 * @file The parameters that a model declares: paths, shapes, initialisers and the limits on their size. Dead ones and those of
 * branches that only training takes are listed too.
 */
import type { ParamDecl } from "../../grammar/ast.ts";
import type { Span } from "../../grammar/diagnostics.ts";
import { closest } from "../../grammar/suggest.ts";
import type { Init, ParamInfo } from "../ir/graph.ts";
import { F32_STORAGE } from "../ir/storage.ts";
import type { Env } from "./context.ts";
import { evaluate } from "./evaluate.ts";
import { numel, shapeText, type TensorValue } from "./values.ts";

const DEFAULT_INIT: Init = { kind: "xavier", scale: 1 };

export class ParamTable {
  private readonly byPath = new Map<string, ParamInfo>();
  private total = 0;

  get infos(): readonly ParamInfo[] {
    return [...this.byPath.values()];
  }

  /** Later precision lines overwrite what earlier ones set. */
  update(path: string, change: Partial<Pick<ParamInfo, "storage" | "inputs">>): void {
    const info = this.byPath.get(path);
    if (!info) throw new Error(`internal: no parameter ${path}`);
    this.byPath.set(path, { ...info, ...change });
  }

  declare(
    env: Env,
    name: string,
    shape: readonly number[],
    init: Init,
    span: Span,
    table = false,
  ): TensorValue {
    const { ctx, reporter } = env;
    const size = numel(shape);
    const { parameterElements, totalParameters } = ctx.limits;
    if (size > parameterElements || this.total + size > totalParameters) {
      reporter.fail("RMX0304", span, `a parameter of shape ${shapeText(shape)} is too large`, {
        notes: [
          size > parameterElements
            ? `limit \`parameterElements\` = ${parameterElements}`
            : `limit \`totalParameters\` = ${totalParameters} elements of all parameters together`,
        ],
      });
    }
    env.labels.claimParameter(name, span, reporter);
    const path = env.labels.join(name);
    const known = this.byPath.get(path);
    const origin = reporter.origin(span);
    if (!known) {
      this.total += size;
      this.byPath.set(path, {
        path,
        shape,
        init,
        table,
        training: ctx.shadow,
        storage: F32_STORAGE,
        origin,
      });
    } else if (ctx.shadow && shapeText(known.shape) !== shapeText(shape)) {
      reporter.error(
        "RMX0406",
        span,
        `\`${path}\` has shape ${shapeText(shape)} in training and ${shapeText(known.shape)} in serving`,
        {
          ...(known.origin && { secondary: [{ span: known.origin, message: "declared for serving here" }] }),
          help: "give the two calls different labels with `as`",
        },
      );
    }
    return env.emit(span, name).op({ kind: "param", path }, [], { shape, dtype: "num" });
  }
}

/** `param NAME: [shape] = init`. */
export function initOf(decl: Pick<ParamDecl, "init">, env: Env, fallback: Init = DEFAULT_INIT): Init {
  const { init } = decl;
  if (!init) return fallback;
  const name = init.kind === "ident" ? init.name : init.kind === "call" ? init.callee.name : undefined;
  if (init.kind === "ident" || init.kind === "call") {
    if (name === "zeros" || name === "ones") return { kind: name };
    if (name === "normal") return { kind: "normal", std: setting(init, "std", 1, env) };
    if (name === "xavier") return { kind: "xavier", scale: setting(init, "scale", 1, env) };
  }
  const near = name === undefined ? undefined : closest(name, ["zeros", "ones", "normal", "xavier"]);
  return env.reporter.fail("RMX0403", init.span, "this is not an initialiser", {
    help: near
      ? `did you mean \`${near}\`?`
      : "there are `zeros`, `ones`, `normal(std = 0.02)` and `xavier(scale = 1.0)`",
  });
}

function setting(init: NonNullable<ParamDecl["init"]>, name: string, fallback: number, env: Env): number {
  if (init.kind !== "call" || init.args.length === 0) return fallback;
  const [arg, extra] = init.args;
  if (extra || !arg || (arg.name && arg.name.name !== name)) {
    return env.reporter.fail(
      "RMX0403",
      (extra ?? arg ?? init).span,
      `the only setting of this initialiser is \`${name}\``,
    );
  }
  const value = evaluate(arg.value, env);
  if ((value.kind !== "float" && value.kind !== "int") || !Number.isFinite(value.value) || value.value < 0) {
    return env.reporter.fail(
      "RMX0403",
      arg.value.span,
      `\`${name}\` is a finite number that is not negative`,
    );
  }
  return value.value;
}
