/**
 * @file Whether serving leaks: a small model answers many calls from several tasks through a cache that keeps evicting, and
 * the process is looked at along the way. Fails if the device holds more at the end than at the first look, or if in half of
 * the time between looks the process grew by more than a kilobyte a call.
 *
 *     npm run bench:soak [-- --calls 100000] [--json]
 */
import { compile, drawnInputs, drawnWeights, openDevice } from "../src/index.ts";
import { integerAt, streamKey } from "../src/runtime/random.ts";

const SPEC = "examples/quickstart.rmx";
const SET = { T: 2, U: 1, D: 8 };
const TASKS = 8;
const KEYS = 64;
/** Entries that the cache has room for; fewer than keys. */
const ROOM = 32;
const LOOKS = 8;
const BYTES_A_CALL = 1024;

interface Look {
  readonly calls: number;
  readonly seconds: number;
  readonly residentMiB: number;
  readonly heapMiB: number;
  readonly externalMiB: number;
  readonly buffers: number;
  readonly deviceKiB: number;
}

function option(name: string, fallback: number): number {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
}

const calls = option("calls", 10_000);
const device = await openDevice("auto");
const program = await compile(SPEC, { set: SET, profiles: [device.profile] });
const { features, params } = program.graph;
const engine = await program.load(drawnWeights(params, { seed: 1 }), device);
const drawn = Array.from({ length: KEYS }, (_, key) => {
  const { features: values } = drawnInputs(features, { requests: 1, candidates: 1 + (key % 5), seed: key });
  const of = (stage: "user" | "item") =>
    Object.fromEntries(
      features.filter((f) => f.stage === stage).map(({ name }) => [name, values.get(name) ?? []]),
    );
  return { user: of("user"), item: of("item") };
});
const probe = await engine.user(drawn[0]?.user ?? {});
const cache = engine.cache({ maxBytes: probe.bytes * ROOM });
probe.free();

async function serve(first: number, count: number): Promise<void> {
  const task = async (number: number): Promise<void> => {
    for (let i = first + number; i < first + count; i += TASKS) {
      const key = integerAt(keys, i, KEYS);
      const values = drawn[key];
      if (values === undefined) throw new Error("internal: no such key");
      const user = await cache.user(String(key), values.user);
      await engine.score(user, values.item);
      user.free();
    }
  };
  await Promise.all(Array.from({ length: TASKS }, (_, number) => task(number)));
}

const keys = streamKey(1, "keys");
const began = performance.now();
const looks: Look[] = [];
for (let look = 0; look < LOOKS; look++) {
  const each = Math.ceil(calls / LOOKS);
  await serve(look * each, each);
  globalThis.gc?.();
  const { rss, heapUsed, external } = process.memoryUsage();
  const { buffers, bytes } = engine.stats();
  looks.push({
    calls: (look + 1) * each,
    seconds: round((performance.now() - began) / 1000),
    residentMiB: round(rss / 2 ** 20),
    heapMiB: round(heapUsed / 2 ** 20),
    externalMiB: round(external / 2 ** 20),
    buffers,
    deviceKiB: round(bytes / 2 ** 10),
  });
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** After the first look; the allocator's arenas come in leaps, a leak grows with every call. */
const steps = looks.slice(1).map((look, i) => {
  const before = looks[i] ?? look;
  return ((look.residentMiB - before.residentMiB) * 2 ** 20) / (look.calls - before.calls);
});
const bytesACall = steps.toSorted((a, b) => a - b)[Math.floor(steps.length / 2)] ?? Number.NaN;
const [first, last] = [looks[0], looks.at(-1)];
const held = first?.buffers === last?.buffers && first?.deviceKiB === last?.deviceKiB;
const leaked = !held || !(bytesACall <= BYTES_A_CALL);
const { hits, misses, evictions } = cache.stats();
if (process.argv.includes("--json")) {
  console.log(
    JSON.stringify({ spec: SPEC, set: SET, tasks: TASKS, device: device.name, looks, bytesACall, leaked }),
  );
} else {
  console.log(`${SPEC} on ${device.name}: ${TASKS} tasks, cache of ${ROOM} for ${KEYS} users`);
  console.table(looks);
  console.log(`cache: ${hits} hits, ${misses} misses, ${evictions} evictions`);
  console.log(`resident memory grew by ${round(bytesACall)} bytes a call: ${leaked ? "LEAK" : "no leak"}`);
}
engine.destroy();
device.destroy();
if (leaked) process.exitCode = 3;
