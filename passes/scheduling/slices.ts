/**
 * @file Parameters above the binding limit: a kernel that reads one is launched once a slice, cut along a grid axis that leads
 * the parameter's index, or along the groups of a list of active rows.
 */
import { InputError } from "../../src/ir/error.ts";
import type { Expr } from "../../src/ir/expr.ts";
import { bytesOf, type PlanValue } from "../../src/ir/plan.ts";
import type { Profile } from "../../src/ir/profile.ts";
import { expressionsOf, GROUP, type Slicing, type TileKernel } from "../../src/ir/tile.ts";

export function sliceParameters(
  kernel: TileKernel,
  values: readonly PlanValue[],
  profile: Profile,
): TileKernel {
  const limit = profile.limits.storageBinding;
  const large = kernel.buffers
    .map((b) => values[b.value])
    .filter(
      (v) =>
        (v.home.kind === "param" || v.home.kind === "load" || v.home.kind === "constant") &&
        bytesOf(v, v.unit) > limit,
    );
  if (large.length === 0) return kernel;
  const byGroup = sliceGroups(kernel, large, profile);
  if (byGroup) return { ...kernel, slicing: byGroup };
  const leading = large.map((v) => leadingAxes(kernel, v)[0]);
  const [first] = leading;
  const axis = kernel.grid.find((a) => a.name === first);
  if (!axis || typeof axis.extent !== "number" || axis.tile !== 1 || leading.some((n) => n !== first)) {
    throw new InputError(
      "RMX0810",
      `the parameter \`${large[0].name}\` is larger than one binding of the device and cannot be read in slices`,
      {
        notes: [`it takes ${bytesOf(large[0], large[0].unit)} bytes; a binding holds ${limit}`],
        help: "split it along a token axis, or compile for a device with larger bindings",
        exit: 1,
      },
    );
  }
  return { ...kernel, slicing: slicingOf(axis.name, 1, axis.extent, large, profile) };
}

/** A product over active rows is sliced along its groups, of which a launch takes some. */
function sliceGroups(kernel: TileKernel, large: readonly PlanValue[], profile: Profile): Slicing | undefined {
  const groups = kernel.grid.flatMap((a) => a.rows?.group ?? []);
  if (groups.length === 0) return undefined;
  const led = (v: PlanValue, depth: number): boolean => {
    const axes = leadingAxes(kernel, v);
    const inner = v.strides.slice(depth - 1);
    const dense = v.strides
      .slice(0, depth - 1)
      .every((s, a) => s === (v.shape[a + 1] as number) * v.strides[a + 1]);
    return (
      groups.slice(0, depth).every((g, a) => axes[a] === g.name) && dense && inner.every((s) => s <= inner[0])
    );
  };
  if (!large.every((v) => led(v, groups.length))) return undefined;
  const count = groups.reduce((n, g) => n * g.extent, 1);
  return slicingOf(GROUP, groups.length, count, large, profile);
}

function slicingOf(
  axis: string,
  depth: number,
  extent: number,
  large: readonly PlanValue[],
  profile: Profile,
): Slicing {
  const most = Math.min(...large.map((v) => sliceRows(v, v.strides[depth - 1], profile)));
  const ranges: { from: number; to: number }[] = [];
  for (let from = 0; from < extent; from += most) ranges.push({ from, to: Math.min(extent, from + most) });
  return { axis, depth, values: large.map((v) => v.id), ranges };
}

/** Rows of `stride` elements that one binding holds, such that every slice starts at an aligned offset. */
function sliceRows(value: PlanValue, stride: number, profile: Profile): number {
  const bytes = bytesOf(value, stride);
  const most = Math.floor(profile.limits.storageBinding / bytes);
  const align = profile.limits.offsetAlignment;
  let multiple = 1;
  while ((multiple * bytes) % align !== 0) multiple *= 2;
  const rows = Math.floor(most / multiple) * multiple;
  if (rows < 1) {
    throw new InputError(
      "RMX0810",
      `one row of the parameter \`${value.name}\` is larger than one binding of the device`,
      {
        notes: [`a row takes ${bytes} bytes; a binding holds ${profile.limits.storageBinding}`],
        exit: 1,
      },
    );
  }
  return rows;
}

/** The axes that are the indices of every load of `value`, from the leading one as far as they are axes. */
function leadingAxes(kernel: TileKernel, value: PlanValue): readonly string[] {
  let names: readonly string[] | undefined;
  const visit = (e: Expr): void => {
    if (e.kind === "load") {
      if (e.source === value.id) {
        const own = e.index.map((i) => (i.kind === "axis" ? i.name : ""));
        names = own.slice(
          0,
          own.findIndex((n, a) => n === "" || (names !== undefined && n !== names[a])) >>> 0,
        );
      }
      for (const i of e.index) visit(i);
    } else if (e.kind === "apply") for (const a of e.args) visit(a);
  };
  for (const s of kernel.body) {
    for (const e of s.kind === "store" ? [s.value] : expressionsOf(s)) visit(e);
  }
  return value.strides.every((s) => s <= value.strides[0]) ? (names ?? []) : [];
}
