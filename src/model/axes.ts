/**
 * @file Patterns meet shapes: the sizes of their axes, and the index maps between a tensor and its atoms (the axes that a pattern
 * names, groups taken apart and `1` dropped).
 */
import type { Label, Span } from "../../grammar/diagnostics.ts";
import { broadcastMap, composeMaps, type IndexMap, reshapeMap } from "../ir/indexmap.ts";
import type { GroupItem, Side } from "./patterns.ts";
import type { Reporter } from "./report.ts";
import { type Bound, describe, numel, shapeText } from "./values.ts";

export interface Atom {
  readonly name: string;
  readonly size: number;
}

interface Known {
  readonly size: number;
  /** What gave the size: an argument `h = 8`, or an operand. */
  readonly span: Span;
}

export class AxisSizes {
  private readonly known = new Map<string, Known>();
  private readonly reporter: Reporter;

  /** `given` are the named arguments of the call: `h = 8`. */
  constructor(given: ReadonlyMap<string, Bound>, sides: readonly Side[], reporter: Reporter) {
    this.reporter = reporter;
    const used = new Set(sides.flatMap(namesOf));
    for (const [name, { value, span }] of given) {
      if (!used.has(name)) {
        reporter.fail("RMX0103", span, `the pattern has no axis \`${name}\``, {
          notes: [`its axes are ${[...used].join(", ")}`],
        });
      }
      if (value.kind !== "int" || value.value < 1) {
        reporter.fail(
          "RMX0212",
          span,
          `the size of \`${name}\` is an int of at least 1, found ${describe(value)}`,
        );
      } else {
        this.known.set(name, { size: value.value, span });
      }
    }
  }

  get(name: string): number | undefined {
    return this.known.get(name)?.size;
  }

  /** Takes a tensor of `shape` apart as `side` says. `span` is where the tensor was written. */
  atomsOf(side: Side, shape: readonly number[], span: Span): Atom[] {
    const { items } = side;
    const open = items.findIndex((item) => item.kind === "ellipsis");
    const free = shape.length - items.length + (open >= 0 ? 1 : 0);
    if (free < 0 || (open < 0 && free !== 0)) {
      const axes = items.length - (open >= 0 ? 1 : 0);
      this.reporter.fail(
        "RMX0207",
        side.span,
        `the pattern names ${open >= 0 ? "at least " : ""}${axes} ${axes === 1 ? "axis" : "axes"}, the tensor has ${shape.length}`,
        {
          secondary: [{ span, message: shapeText(shape) }],
        },
      );
    }
    const atoms: Atom[] = [];
    let axis = 0;
    for (const item of items) {
      const extent = shape[axis] ?? 1;
      if (item.kind === "ellipsis") {
        for (let i = 0; i < free; i++) atoms.push({ name: `...${free - i}`, size: shape[axis++] ?? 1 });
        continue;
      }
      axis++;
      if (item.kind === "axis") {
        this.settle(item.name, extent, item.span, span, shape);
        atoms.push({ name: item.name, size: extent });
      } else if (item.kind === "group") {
        atoms.push(...this.splitGroup(item, extent, span, shape));
      } else if (extent !== 1) {
        this.reporter.fail(
          "RMX0207",
          item.span,
          `an axis of ${extent} elements stands where the pattern says 1`,
          {
            secondary: [{ span, message: shapeText(shape) }],
          },
        );
      }
    }
    return atoms;
  }

  private settle(name: string, size: number, span: Span, operand: Span, shape: readonly number[]): void {
    const known = this.known.get(name);
    if (!known) {
      this.known.set(name, { size, span: operand });
      return;
    }
    if (known.size === size) return;
    this.reporter.fail("RMX0207", span, `\`${name}\` is ${known.size} and ${size}`, {
      secondary: [
        { span: known.span, message: `${known.size} here` },
        { span: operand, message: `${size} here: ${shapeText(shape)}` },
      ],
    });
  }

  /** One axis of `extent` elements as the axes of a group, one of which may be unknown. */
  private splitGroup(group: GroupItem, extent: number, operand: Span, shape: readonly number[]): Atom[] {
    const axes = group.items.flatMap((item) => (item.kind === "axis" ? [item] : []));
    const unknown = axes.filter((item) => !this.known.has(item.name));
    const [missing, ...others] = unknown;
    if (missing && others.length > 0) {
      this.reporter.fail(
        "RMX0214",
        group.span,
        `the sizes of ${unknown.map((item) => `\`${item.name}\``).join(" and ")} are open`,
        {
          help: `give all but one as arguments: \`${others[0]?.name ?? missing.name} = …\``,
        },
      );
    }
    const named = axes.filter((item) => item !== missing);
    const product = named.reduce((size, item) => size * (this.get(item.name) ?? 1), 1);
    if (missing ? extent % product !== 0 : product !== extent) {
      const text = named.map((item) => `${item.name} = ${this.get(item.name)}`).join(", ");
      const secondary: Label[] = [{ span: operand, message: shapeText(shape) }];
      for (const item of named) {
        const known = this.known.get(item.name);
        if (known && known.span !== operand)
          secondary.push({ span: known.span, message: `\`${item.name}\` is ${known.size} here` });
      }
      this.reporter.fail(
        "RMX0204",
        group.span,
        missing
          ? `\`${text}\` does not divide an axis of ${extent} elements`
          : `\`${text}\` does not make up an axis of ${extent} elements`,
        { secondary },
      );
    }
    if (missing) this.known.set(missing.name, { size: extent / product, span: operand });
    return axes.map((item) => ({ name: item.name, size: this.get(item.name) ?? 1 }));
  }
}

/** The axes that a side names. */
export function namesOf(side: Side): string[] {
  return side.items.flatMap((item) => {
    if (item.kind === "axis") return [item.name];
    return item.kind === "group"
      ? item.items.flatMap((inner) => (inner.kind === "axis" ? [inner.name] : []))
      : [];
  });
}

export interface OutputLayout {
  /** In the order of the output; groups taken apart. */
  readonly atoms: readonly Atom[];
  /** The output's shape; groups joined, `1` in place. */
  readonly shape: readonly number[];
}

/**
 * How the output side lays out its atoms. `available` are the atoms of the inputs; a name that is none of them takes its size
 * from `sizes` where `fresh` allows new axes.
 */
export function layoutOutput(
  side: Side,
  available: readonly Atom[],
  sizes: AxisSizes,
  fresh: boolean,
  reporter: Reporter,
): OutputLayout {
  const atoms: Atom[] = [];
  const shape: number[] = [];
  const take = (name: string, span: Span): number => {
    const known = available.find((atom) => atom.name === name);
    const size = known?.size ?? (fresh ? sizes.get(name) : undefined);
    if (size === undefined) {
      reporter.fail("RMX0207", span, `\`${name}\` comes from nowhere`, {
        help: fresh ? `give its size: \`${name} = …\`` : "every axis on the right stands on the left too",
      });
    }
    atoms.push({ name, size: size ?? 1 });
    return size ?? 1;
  };
  for (const item of side.items) {
    if (item.kind === "axis") shape.push(take(item.name, item.span));
    else if (item.kind === "one") shape.push(1);
    else if (item.kind === "group") {
      shape.push(
        item.items.reduce(
          (size, inner) => (inner.kind === "axis" ? size * take(inner.name, inner.span) : size),
          1,
        ),
      );
    } else {
      for (const atom of available.filter(({ name }) => name.startsWith("..."))) {
        atoms.push(atom);
        shape.push(atom.size);
      }
    }
  }
  return { atoms, shape };
}

/** The view that brings a tensor of `inShape`, taken apart into `atoms`, into `output`'s layout; missing atoms are broadcast. */
export function relayout(inShape: readonly number[], atoms: readonly Atom[], output: OutputLayout): IndexMap {
  const sizes = atoms.map((atom) => atom.size);
  const outSizes = output.atoms.map((atom) => atom.size);
  const places = atoms.map((atom) => output.atoms.findIndex(({ name }) => name === atom.name));
  const apart = reshapeMap(inShape, sizes);
  const moved = broadcastMap(sizes, outSizes, places);
  return composeMaps(composeMaps(reshapeMap(outSizes, output.shape), moved), apart);
}

export function sameSizes(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && numel(a) === numel(b) && a.every((extent, i) => extent === b[i]);
}
