/** @file Softmax and norms. `layer_norm` and `rms_norm` have gains of their own: parameters `gain` and `bias` under their label. */
import type { Op, Operand } from "../../ir/graph.ts";
import { broadcastMap } from "../../ir/indexmap.ts";
import type { TensorValue } from "../values.ts";
import { type Builtin, type BuiltinCall, option, tensor } from "./builtin.ts";

export const normalisation: readonly Builtin[] = [
  {
    name: "softmax",
    signature: "softmax(x, axis = -1)",
    doc: "exp(x) over its sum along an axis; a row of which nothing is visible (all -inf) is 0",
    params: [tensor("x"), option("axis", "int")],
    run(call) {
      const x = call.num("x");
      return call.emit.op({ kind: "softmax", axis: call.axis("axis", x.shape.length, -1) }, [{ id: x.id }]);
    },
  },
  {
    name: "layer_norm",
    signature: 'layer_norm(x, eps = 1e-5, affine = true, per = "t")',
    doc: "(x - mean) / √(var + eps) over the last axis, times `gain` plus `bias`; `per` names the leading axes that have gains of their own",
    params: [tensor("x"), option("eps", "float"), option("affine", "bool"), option("per", "string")],
    run: (call) => normalize(call, "layer", 1e-5, ["gain", "bias"]),
  },
  {
    name: "rms_norm",
    signature: 'rms_norm(x, eps = 1e-6, affine = true, per = "t")',
    doc: "x / √(mean x² + eps) over the last axis, times `gain`",
    params: [tensor("x"), option("eps", "float"), option("affine", "bool"), option("per", "string")],
    run: (call) => normalize(call, "rms", 1e-6, ["gain"]),
  },
  {
    name: "l2_norm",
    signature: "l2_norm(x, eps = 1e-12)",
    doc: "x / √(Σ x² + eps) over the last axis",
    params: [tensor("x"), option("eps", "float")],
    run: (call) => normalize(call, "l2", 1e-12, []),
  },
];

type Norm = Extract<Op, { kind: "normalize" }>["norm"];

function normalize(
  call: BuiltinCall,
  norm: Norm,
  defaultEps: number,
  gains: readonly ("gain" | "bias")[],
): TensorValue {
  const x = call.num("x");
  const rank = x.shape.length;
  if (rank === 0)
    call.fail("RMX0202", "x", `\`${call.name}\` works along the last axis, a tensor [] has none`);
  const eps = call.float("eps", defaultEps);
  if (!(eps >= 0 && Number.isFinite(eps)))
    call.fail("RMX0107", "eps", "`eps` is a finite number that is not negative");
  const normed = call.emit.op({ kind: "normalize", norm, eps }, [{ id: x.id }]);
  if (gains.length === 0 || !call.bool("affine", true)) {
    if (call.has("per")) call.fail("RMX0106", "per", "there are no gains that `per` could name axes of");
    return normed;
  }
  const own = ownAxes(call, rank);
  const axes = [...own, rank - 1];
  const shape = axes.map((axis) => x.shape[axis] ?? 1);
  const label = call.site.label ?? { name: call.name, span: call.site.span };
  const inner = call.env.with({ labels: call.env.labels.child(label.name, label.span), variable: "" });
  return gains.reduce<TensorValue>((so, name) => {
    const init = { kind: name === "gain" ? "ones" : "zeros" } as const;
    const param = call.env.ctx.params.declare(inner, name, shape, init, call.site.span);
    const spread: Operand =
      axes.length === rank ? { id: param.id } : { id: param.id, map: broadcastMap(shape, x.shape, axes) };
    return call.emit.op({ kind: "pointwise", fn: name === "gain" ? "mul" : "add" }, [{ id: so.id }, spread]);
  }, normed);
}

/** `per = "t"`: the first axis has gains of its own, `per = "b t"` the first two; the names only say how many. */
function ownAxes(call: BuiltinCall, rank: number): number[] {
  if (!call.has("per")) return [];
  const { value, span } = call.string("per");
  const names = value.split(/\s+/).filter((name) => name !== "");
  if (names.some((name) => !/^[A-Za-z_]\w*$/.test(name)) || new Set(names).size < names.length) {
    call.fail("RMX0206", span, "`per` lists names of leading axes", { help: 'as in `per = "t"`' });
  }
  if (names.length >= rank) {
    call.fail(
      "RMX0207",
      span,
      `\`per\` names ${names.length} leading axes, the tensor has ${rank - 1} before the last`,
    );
  }
  return names.map((_, i) => i);
}
