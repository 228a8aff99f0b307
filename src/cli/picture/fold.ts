/**
 * @file Rounds of a `repeat` that are alike are drawn once. Round k of `layers` holds the nodes whose path begins with `layers.k`;
 * two rounds are alike if their contractions, reductions and norms agree in name, stage and size. (What is stored between
 * these may differ from round to round: a sum of residuals that grows too long to be computed again is stored now and then.) A run
 * of such rounds becomes one, with the number of rounds beside it and names that leave the round out. What only some rounds have
 * says in how many. Of the edges into the run those of its first round are drawn, of those out of it the last round's, and
 * between its rounds those to the next, which are marked; what reaches further (residuals added up again) is left out.
 */
import type { Scene, SceneEdge, SceneNode } from "./scene.ts";

export interface Fold {
  /** The label and the rounds: `layers 0 … 7`. */
  readonly title: string;
  readonly rounds: number;
  /** The nodes of the round that is drawn. */
  readonly members: ReadonlySet<string>;
}

export interface FoldedScene extends Scene {
  readonly edges: readonly FoldedEdge[];
  readonly folds: readonly Fold[];
}

/** `next`: what one round leaves for the next. */
export interface FoldedEdge extends SceneEdge {
  readonly next: boolean;
}

interface Round {
  readonly number: number;
  /** Their names within the round, in the plan's order. */
  readonly nodes: Map<string, SceneNode>;
}

export function foldRounds(scene: Scene): FoldedScene {
  const stands = new Map(scene.nodes.map(({ id }) => [id, id]));
  const folds: Fold[] = [];
  const folded = new Map<string, Place>();
  for (const label of labelsOf(scene)) {
    const free = scene.nodes.filter((n) => !folded.has(n.id));
    for (const run of runsOf(roundsOf(label, free))) {
      const [{ number: start }] = run;
      const last = start + run.length - 1;
      const drawn = new Map<string, SceneNode>();
      const counts = new Map<string, number>();
      for (const { nodes, number } of run) {
        for (const [name, node] of nodes) {
          const shown = drawn.get(name) ?? node;
          drawn.set(name, shown);
          counts.set(shown.id, (counts.get(shown.id) ?? 0) + 1);
          stands.set(node.id, shown.id);
          folded.set(node.id, {
            fold: folds.length,
            number,
            first: start,
            last,
            rounds: run.length,
            label,
            counts,
          });
        }
      }
      folds.push({
        title: `${label} ${start} … ${last}`,
        rounds: run.length,
        members: new Set(counts.keys()),
      });
    }
  }
  const edges = new Map<string, FoldedEdge>();
  for (const { from, to } of scene.edges) {
    const [a, b] = [stands.get(from) ?? from, stands.get(to) ?? to];
    if (a === b) continue;
    const [first, second] = [folded.get(from), folded.get(to)];
    const same = first !== undefined && first.fold === second?.fold;
    const next = same && first.number !== second.number;
    if (next ? second.number !== first.number + 1 : !same && !(leaves(first) && enters(second))) continue;
    // A value that is read in its own round and in the next shows as the former.
    const known = edges.get(`${a} ${b}`);
    edges.set(`${a} ${b}`, { from: a, to: b, next: next && (known?.next ?? true) });
  }
  const nodes = scene.nodes.filter((n) => stands.get(n.id) === n.id).map((n) => renamed(n, folded.get(n.id)));
  return { name: scene.name, nodes, edges: [...edges.values()], folds };
}

/** An edge out of a run starts at its last round; what is kept is read in every round. */
function leaves(place: Place | undefined): boolean {
  return place === undefined || place.number === place.last;
}

function enters(place: Place | undefined): boolean {
  return place === undefined || place.number === place.first;
}

/** Where a node that is folded away or drawn for others belongs. */
interface Place {
  readonly fold: number;
  readonly number: number;
  readonly first: number;
  readonly last: number;
  readonly rounds: number;
  readonly label: string;
  /** By the node that is drawn: in how many rounds it is. */
  readonly counts: ReadonlyMap<string, number>;
}

/** Names within the round; what is kept lies outside of its frame and says how often it is there. */
function renamed(node: SceneNode, place: Place | undefined): SceneNode {
  if (place === undefined) return node;
  const { label, number, rounds, counts } = place;
  const count = counts.get(node.id) ?? rounds;
  const inside = (text: string): string =>
    text.replaceAll(`${label}.${number}.`, "").replaceAll(`${label}.${number - 1}.`, "before: ");
  if (node.kind === "kept") {
    const title = node.title.replace(`${label}.${number}.`, `${label}.*.`);
    return { ...node, title: `${title}  × ${count}` };
  }
  const some = count < rounds ? `  (${count} of ${rounds})` : "";
  return {
    ...node,
    title: `${inside(node.title)}${some}`,
    lines: node.lines.map((l) => ({ ...l, text: inside(l.text) })),
  };
}

/** `layers` of `layers.3.block.norm1`: every chain of labels before a number, the outermost first. */
function labelsOf({ nodes }: Scene): string[] {
  const found = new Set<string>();
  for (const { path } of nodes) {
    const parts = path.split(".");
    parts.forEach((part, i) => {
      if (i > 0 && /^\d+$/.test(part)) found.add(parts.slice(0, i).join("."));
    });
  }
  return [...found].sort((a, b) => a.split(".").length - b.split(".").length || (a < b ? -1 : 1));
}

function roundsOf(label: string, nodes: readonly SceneNode[]): Round[] {
  const rounds = new Map<number, Map<string, SceneNode>>();
  for (const node of nodes) {
    if (!node.path.startsWith(`${label}.`)) continue;
    const [number, ...rest] = node.path.slice(label.length + 1).split(".");
    if (number === undefined || !/^\d+$/.test(number)) continue;
    const round = rounds.get(Number(number)) ?? new Map<string, SceneNode>();
    rounds.set(Number(number), round);
    const name = `${node.stage} ${node.kind} ${node.anchor ? "anchor" : "between"} ${rest.join(".")}`;
    let unique = name;
    for (let i = 2; round.has(unique); i++) unique = `${name} ${i}`;
    round.set(unique, node);
  }
  return [...rounds].map(([number, own]) => ({ number, nodes: own })).sort((a, b) => a.number - b.number);
}

/** Neighbouring rounds that are alike, two at least. */
function runsOf(rounds: readonly Round[]): Round[][] {
  const runs: Round[][] = [];
  let last: { readonly signature: string; readonly run: Round[] } | undefined;
  for (const round of rounds) {
    const signature = signatureOf(round);
    const before = last?.run.at(-1)?.number;
    if (last?.signature === signature && before === round.number - 1) last.run.push(round);
    else {
      last = { signature, run: [round] };
      runs.push(last.run);
    }
  }
  return runs.filter((run) => run.length > 1);
}

function signatureOf({ nodes }: Round): string {
  const anchors = [...nodes].filter(([, { anchor }]) => anchor);
  return anchors
    .map(([name, { shape }]) => `${name}: ${shape}`)
    .sort()
    .join("\n");
}
