/**
 * @file rmxc against the other ways to run such a model on WebGPU from JavaScript, in one run on one device: workload R
 * (RankMixer blocks) against jax-js, TensorFlow.js and ONNX Runtime, and published models against ONNX Runtime reading what
 * `rmxc export` writes. Two CPU runtimes stand beside them.
 *
 *     npm run bench:peers [-- --only r|zoo --sizes small,medium --models wukong --peers rmxc,jax-js --rounds 5
 *                             --turn 400 --json FILE --markdown FILE]
 *
 * Every peer is first checked against the reference, runs in a process of its own that is stopped while others run, and takes
 * turns with them; figures are medians. Nothing is reused: every candidate of a published model has a request of its own.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { costOf, stageCall } from "../src/cost/cost.ts";
import { openDevice } from "../src/index.ts";
import { software } from "../src/ir/profiles.ts";
import { elaborateSpec } from "../src/spec.ts";
import { bundleBeside } from "./bundle.ts";
import { measureWorkload, type Outcome, type Plan } from "./peers/measure.ts";
import { type PeerId, peerIds, peers } from "./peers/peer.ts";
import { exportWorkload, installPeers } from "./peers/prepare.ts";
import {
  blocksTable,
  fastestPeer,
  markdownTable,
  notes,
  ratio,
  type Table,
  textTable,
  times,
  zooTable,
} from "./peers/report.ts";
import { rankMixers, type Workload, zoo } from "./peers/workloads.ts";

const FOLDER = resolve("bench/peers");
/** On published models the CPU runtimes say nothing new, and the two WebGPU providers are one code. */
const ZOO_PEERS: readonly PeerId[] = ["rmxc", "rmxc-reuse", "ort-node-webgpu"];

function option(name: string, fallback: string): string {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : (process.argv[at + 1] ?? fallback);
}

/** The named ones of a list; exits with what there is where a name is unknown. */
function chosen<T>(name: string, all: readonly T[], nameOf: (each: T) => string): readonly T[] {
  const given = option(name, "");
  if (given === "") return all;
  const wanted = given.split(",");
  const unknown = wanted.filter((word) => !all.some((each) => nameOf(each) === word));
  if (unknown.length > 0) {
    console.error(`--${name}: there is no ${unknown.join(", ")}; there are ${all.map(nameOf).join(", ")}`);
    process.exit(2);
  }
  return all.filter((each) => wanted.includes(nameOf(each)));
}

const say = (line: string): void => console.error(line);
const only = option("only", "");
const wantedPeers = chosen("peers", peerIds, (peer) => peer);
const plan: Plan = {
  peers: wantedPeers,
  rounds: Number(option("rounds", "5")),
  turnMs: Number(option("turn", "400")),
};

installPeers(FOLDER, say);
const device = await openDevice("webgpu", { quiet: true });
const deviceName = device.name;
device.destroy();
const script = await bundleBeside(join(FOLDER, "child.ts"));
const scratch = mkdtempSync(join(tmpdir(), "rmxc-peers-"));

async function measureAll(workloads: readonly Workload[], who: Plan): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const workload of workloads) {
    let file: string | undefined;
    const exported = (): string => {
      file ??= exportWorkload(workload, scratch);
      return file;
    };
    outcomes.push(await measureWorkload(workload, script, who, exported, say));
  }
  return outcomes;
}

try {
  const sizes = chosen("sizes", rankMixers, ({ name }) => name);
  const models = chosen("models", zoo, ({ name }) => name);
  const blocks = only === "zoo" ? [] : await measureAll(sizes, plan);
  const zooPlan = { ...plan, peers: plan.peers.filter((peer) => ZOO_PEERS.includes(peer)) };
  const published = only === "r" ? [] : await measureAll(models, zooPlan);
  report(blocks, published);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

/** Without reuse, at the algebra that rmxc chooses: the same figure stands for every peer. */
function flopsOf({ spec, set, requests, candidates }: Workload): number {
  const { root } = costOf(elaborateSpec(spec, { set }).graph, software, { reuse: false });
  return (["user", "item"] as const).reduce(
    (sum, stage) => sum + stageCall(root.work, stage, { requests, candidates }).flops,
    0,
  );
}

function report(blocks: readonly Outcome[], published: readonly Outcome[]): void {
  const flops = new Map(published.map(({ workload }) => [workload.name, flopsOf(workload)]));
  console.log(render(blocks, published, flops, textTable));
  const markdown = option("markdown", "");
  if (markdown !== "") writeFileSync(markdown, `${render(blocks, published, flops, markdownTable)}\n`);
  const json = option("json", "");
  if (json === "") return;
  const outcomes = [...blocks, ...published].map((outcome) => ({
    ...outcome,
    flops: flops.get(outcome.workload.name),
    ratios: Object.fromEntries(outcome.measured.map(({ peer }) => [peer, ratio(outcome, peer)])),
  }));
  writeFileSync(json, `${JSON.stringify({ device: deviceName, rounds: plan.rounds, outcomes }, null, 2)}\n`);
}

function render(
  blocks: readonly Outcome[],
  published: readonly Outcome[],
  flops: ReadonlyMap<string, number>,
  make: Table,
): string {
  const parts: string[] = [`On ${deviceName}, medians over ${plan.rounds} rounds.`];
  if (blocks.length > 0) parts.push(blocksTable(blocks, make), against(blocks));
  if (published.length > 0) parts.push(zooTable(published, flops, make), against(published));
  const remarks = notes([...blocks, ...published]);
  if (remarks.length > 0) parts.push(remarks.map((line) => `- ${line}`).join("\n"));
  return parts.join("\n\n");
}

function against(outcomes: readonly Outcome[]): string {
  const words = outcomes.flatMap((outcome) => {
    const fastest = fastestPeer(outcome);
    if (fastest === undefined) return [];
    return [`${outcome.workload.name} ${times(ratio(outcome, fastest.peer))} (${peers[fastest.peer].label})`];
  });
  return `Against the fastest WebGPU peer: ${words.join(", ")}.`;
}
