/**
 * @file Features: what a request and a candidate carry. An `id` is worth its embedding, an `ids` list the embeddings of its
 * entries (padding 0), a `seq` its fields. Lists carry how many of their leading entries are real in `NAME.length`.
 */
import type { Feature, FeatureType, Ident, LabelDecl } from "../../grammar/ast.ts";
import type { DType } from "../ir/expr.ts";
import type { FeatureInfo } from "../ir/graph.ts";
import type { Env } from "./context.ts";
import { broadcastOperand } from "./emit.ts";
import { evaluateExtent, unknownName } from "./evaluate.ts";
import { declareOnce } from "./modelstatements.ts";
import { alongFirstAxis, validMask } from "./padding.ts";
import { Failure } from "./report.ts";
import { bind } from "./statements.ts";
import { describe, type FeatureTag, type SeqValue, type TableValue, type TensorValue } from "./values.ts";

export function declareFeature(feature: Feature, stage: "user" | "item", env: Env): void {
  const { name, span } = feature.name;
  try {
    declareOnce("feature", name, span, env);
    bind(env, name, { value: featureValue(feature, stage, env), span });
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    bind(env, name, { span });
  }
}

function featureValue(feature: Feature, stage: "user" | "item", env: Env): TensorValue | SeqValue {
  const { type } = feature;
  const { name } = feature.name;
  switch (type.kind) {
    case "dense":
      return denseValue(name, type, [], { stage, env, feature });
    case "id":
      return idValue(name, type.table, [], { stage, env, feature });
    case "ids": {
      const max = evaluateExtent(type.max, env);
      const length = lengthValue(name, max, { stage, env, feature });
      return idValue(name, type.table, [max], { stage, env, feature, length });
    }
    case "seq":
      return seqValue(name, type, { stage, env, feature });
    default:
      return type satisfies never;
  }
}

interface Site {
  readonly stage: "user" | "item";
  readonly env: Env;
  readonly feature: Feature;
  readonly length?: TensorValue;
  /** The name of the length's feature where it isn't the feature's own. */
  readonly lengthName?: string;
}

/** Records the feature and adds its node. */
function feature(info: Omit<FeatureInfo, "stage" | "origin">, site: Site): TensorValue {
  const { ctx } = site.env;
  const full: FeatureInfo = { ...info, stage: site.stage, origin: site.feature.span };
  if (!ctx.shadow) ctx.features.push(full);
  ctx.builder.declareFeature(full);
  const dtype: DType = info.dtype === "f32" ? "num" : "i32";
  const emit = site.env.emit(site.feature.span, info.name);
  return emit.op({ kind: "feature", name: info.name }, [], { shape: info.shape, dtype });
}

function lengthValue(name: string, max: number, site: Site): TensorValue {
  return feature({ name: `${name}.length`, dtype: "i32", shape: [], lengthOf: { max } }, site);
}

function denseValue(
  name: string,
  type: Extract<FeatureType, { kind: "dense" }>,
  leading: readonly number[],
  site: Site,
): TensorValue {
  const shape = [...leading, ...type.dims.map((dim) => evaluateExtent(dim, site.env))];
  const x = feature({ name, dtype: type.element, shape, ...lengthName(site) }, site);
  return { ...x, feature: tag(name, site) };
}

function idValue(name: string, tableName: Ident, shape: readonly number[], site: Site): TensorValue {
  const table = tableNamed(tableName, site.env);
  const index = feature(
    { name, dtype: "i32", shape, table: { path: table.path, rows: table.rows }, ...lengthName(site, name) },
    site,
  );
  const emit = site.env.emit(site.feature.span, name);
  const rows = emit.op({ kind: "lookup" }, [{ id: table.tensor.id }, { id: index.id }]);
  const info = tag(name, site, index);
  if (!site.length) return { ...rows, feature: info };
  const keep = validMask(site.length, shape[0] ?? 0, site.env, site.feature.span, name);
  const masked = emit.op({ kind: "pointwise", fn: "where" }, [
    alongFirstAxis(keep, rows.shape),
    { id: rows.id },
    broadcastOperand(emit.constant(0, "num"), rows.shape),
  ]);
  return { ...masked, feature: info };
}

function tag(name: string, site: Site, index?: TensorValue): FeatureTag {
  return { name, ...(index && { index }), ...(site.length && { length: site.length }) };
}

function lengthName(site: Site, own?: string): { length?: string } {
  if (!site.length) return {};
  return { length: site.lengthName ?? `${own}.length` };
}

function seqValue(name: string, type: Extract<FeatureType, { kind: "seq" }>, site: Site): SeqValue {
  const max = evaluateExtent(type.max, site.env);
  const length = lengthValue(name, max, site);
  const fields = new Map<string, TensorValue>();
  for (const field of type.fields) {
    const inner: Site = { ...site, feature: field, length, lengthName: `${name}.length` };
    const path = `${name}.${field.name.name}`;
    if (fields.has(field.name.name)) {
      site.env.reporter.error(
        "RMX0108",
        field.name.span,
        `\`${name}\` has two fields called \`${field.name.name}\``,
      );
      continue;
    }
    if (field.name.name === "length") {
      site.env.reporter.fail(
        "RMX0108",
        field.name.span,
        `\`${path}\` already holds how many events there are`,
      );
    }
    if (field.type.kind === "dense") {
      fields.set(field.name.name, denseValue(path, field.type, [max], inner));
    } else if (field.type.kind === "id") {
      fields.set(field.name.name, idValue(path, field.type.table, [max], inner));
    } else {
      site.env.reporter.fail(
        "RMX0107",
        field.type.span,
        "a field of a sequence is `f32`, `i32` or `id in TABLE`",
      );
    }
  }
  return { kind: "seq", name, max, length, fields };
}

function tableNamed(ident: Ident, env: Env): TableValue {
  const binding = env.scope.get(ident.name, env.training);
  if (binding && !binding.value) throw new Failure();
  const value = binding?.value;
  if (value?.kind === "table") return value;
  if (value) return env.reporter.fail("RMX0107", ident.span, `expected a table, found ${describe(value)}`);
  const tables = env.scope
    .names()
    .filter((name) => env.scope.get(name, env.training)?.value?.kind === "table");
  return unknownName(ident, env, tables);
}

/** A label of training: a feature that serving never reads. */
export function labelValue(decl: LabelDecl, env: Env): TensorValue | SeqValue {
  declareOnce("label", decl.name.name, decl.name.span, env);
  const stub: Feature = { kind: "feature", doc: "", name: decl.name, type: decl.type, span: decl.span };
  return featureValue(stub, "item", env);
}
