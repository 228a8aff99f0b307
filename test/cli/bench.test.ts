/** @file `rmxc bench`, `rmxc tune` and `rmxc cache` as a user calls them, on a real device. */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { cachedFileOf, type TunedDevice } from "../../src/runtime/schedules.ts";
import { codesIn, folder, type Ran, rmxc, root } from "../support/cli.ts";

const quickstart = join(root, "examples/quickstart.rmx");
/** Small, so that little is compiled and run. */
const small = [quickstart, "--set", "D=16", "--set", "T=4", "--set", "U=2", "--set", "L=1"];
const size = ["--requests", "2", "--candidates", "9"];
const PATIENCE_MS = 240_000;

function run(args: readonly string[], cache: string): Ran {
  return rmxc(args, { env: { RMXC_CACHE: cache }, timeoutMs: PATIENCE_MS });
}

interface Spread {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly least: number;
  readonly most: number;
}
interface Report {
  readonly seconds: Readonly<Record<string, Spread>>;
  readonly calls: number;
  readonly candidates: number;
  readonly throughput: { readonly calls: number; readonly candidates: number };
  readonly measured: Readonly<Record<string, number>>;
  readonly kernels: readonly { readonly stage: string; readonly seconds: number; readonly share: number }[];
  readonly sums: { readonly user: number; readonly item: number };
  readonly outside: number;
  readonly advice: readonly { readonly about: string }[];
  readonly schedules: { readonly tuned: number; readonly from?: string };
}

interface Doctor {
  readonly adapters: readonly TunedDevice[];
}

describe("bench", () => {
  it(
    "prints one JSON object whose figures agree with each other, and writes a trace",
    () => {
      const place = folder();
      const trace = join(place, "trace.json");
      const ran = run(["bench", ...small, ...size, "--runs", "6", "--json", "--trace", trace], place);
      expect(ran.status, ran.stderr).toBe(0);
      const report = JSON.parse(ran.stdout) as Report;
      expect(report).toMatchObject({ ok: true, calls: 6, requests: 2, candidates: 9, reuse: true });
      const { call, load: _, ...parts } = report.seconds;
      for (const { p50, p90, p99, least, most } of Object.values({ call, ...parts })) {
        expect([least, p50, p90, p99, most]).toEqual([least, p50, p90, p99, most].sort((a, b) => a - b));
      }
      expect(report.throughput.candidates).toBeCloseTo(9 * report.throughput.calls);
      expect(report.outside).toBeGreaterThanOrEqual(0);
      expect(report.outside).toBeLessThan(1);
      for (const name of ["flops", "bandwidth", "cached", "dispatch", "roundTrip"])
        expect(report.measured[name], name).toBeGreaterThan(0);
      expect(report.kernels.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1);
      for (const stage of ["user", "item"] as const) {
        const own = report.kernels.filter((kernel) => kernel.stage === stage);
        expect(own.reduce((sum, { seconds }) => sum + seconds, 0)).toBeCloseTo(report.sums[stage]);
      }
      expect(report.schedules).toEqual({ tuned: 0 });
      expect(report.advice.map(({ about }) => about)).toContain("schedules");
      const { traceEvents } = JSON.parse(readFileSync(trace, "utf8")) as { traceEvents: { ph: string }[] };
      expect(traceEvents.filter(({ ph }) => ph === "X").length).toBeGreaterThan(12);
      expect(readdirSync(place)).toEqual(["trace.json"]);
    },
    PATIENCE_MS,
  );

  it(
    "prints the device, percentiles and a table of kernels",
    () => {
      const ran = run(["bench", ...small, ...size, "--runs", "3", "--no-reuse"], folder());
      expect(ran.status, ran.stderr).toBe(0);
      expect(ran.stderr).toBe("");
      for (const line of [
        /^device +\S/,
        /^call +2 requests, 9 candidates, f32, no reuse$/,
        /^ {2}read-back( +\d+\.\d+){5}$/,
      ])
        expect(ran.stdout).toMatch(new RegExp(line.source, "m"));
      expect(ran.stdout).toMatch(/^kernel +stage +form +time +share +GFLOP\/s/m);
    },
    PATIENCE_MS,
  );

  it.each([
    ["--runs", "5", "--seconds", "5"],
    ["--runs", "0"],
    ["--candidates", "0"],
    ["--schedules", "f.json", "--no-tuned"],
  ])("%s %s %s %s is wrong usage", (...args) => {
    const ran = run(["bench", quickstart, ...args], folder());
    expect(ran).toMatchObject({ status: 2, stdout: "" });
  });
});

describe("tune", () => {
  it(
    "stores what run, bench and compile then use, in the cache and in a file",
    () => {
      const cache = folder();
      const file = join(folder(), "tuned.json");
      const tuned = run(["tune", ...small, ...size, "--budget", "5s", "-o", file, "--json"], cache);
      expect(tuned.status, tuned.stderr).toBe(0);
      const said = JSON.parse(tuned.stdout) as { stored?: string; tuned: { refused: string[] }[] };
      expect(said.tuned.flatMap(({ refused }) => refused)).toEqual([]);
      // Slower whole calls are not stored: on a machine that is doing something else that can happen.
      if (said.stored === undefined) return expect(tuned.stderr).toContain("nothing stored");
      expect(said.stored).toBe(file);
      const bench = run(["bench", ...small, ...size, "--runs", "3", "--schedules", file, "--json"], folder());
      const report = JSON.parse(bench.stdout) as Report;
      expect(report.schedules.from).toBe(file);
      expect(report.schedules.tuned).toBeGreaterThan(0);
      const verified = run(["run", ...small, ...size, "--schedules", file, "--verify"], folder());
      expect(verified.status, verified.stderr).toBe(0);
      const [device] = (JSON.parse(run(["doctor", "--json"], cache).stdout) as Doctor).adapters;
      if (device === undefined) throw new Error("the tests run on a device");
      const cached = cachedFileOf(device, cache);
      mkdirSync(dirname(cached), { recursive: true });
      copyFileSync(file, cached);
      const found = run(["bench", ...small, ...size, "--runs", "3", "--json"], cache);
      expect((JSON.parse(found.stdout) as Report).schedules).toEqual({ ...report.schedules, from: cached });
      const none = run(["bench", ...small, ...size, "--runs", "3", "--no-tuned", "--json"], cache);
      expect((JSON.parse(none.stdout) as Report).schedules).toEqual({ tuned: 0 });
      const elsewhere = run(["compile", ...small, "--profile", "gpu", "--schedules", file], cache);
      expect(codesIn(elsewhere)).toEqual(["RMX0823"]);
      expect(elsewhere.status).toBe(1);
      const profile = join(folder({ "device.json": JSON.stringify(device.profile) }), "device.json");
      const compiled = run(["compile", ...small, "--profile", profile, "--schedules", file], cache);
      expect(compiled.status, compiled.stderr).toBe(0);
    },
    PATIENCE_MS,
  );

  it.each(["soon", "0s", "-5s", "5 minutes"])("takes no budget of %s", (budget) => {
    const ran = run(["tune", quickstart, "--budget", budget], folder());
    expect(ran).toMatchObject({ status: 2, stdout: "" });
    expect(ran.stderr).toContain("--budget 45s");
  });
});

describe("cache", () => {
  const broken = (): string => {
    const cache = folder();
    mkdirSync(join(cache, "schedules"));
    writeFileSync(join(cache, "schedules/some-device-00000000.json"), '{ "format": 0 }');
    return cache;
  };

  it("lists nothing where there is nothing", () => {
    const cache = folder();
    expect(run(["cache", "ls"], cache)).toEqual({ status: 0, stdout: `nothing in ${cache}\n`, stderr: "" });
    expect(run(["cache", "clear", "--yes"], cache).stdout).toBe(`removed 0 files from ${cache}\n`);
  });

  it("lists a file that cannot be read with the reason, and clears it when told to", () => {
    const cache = broken();
    const listed = run(["cache", "ls"], cache);
    expect(listed.status).toBe(0);
    expect(listed.stdout).toContain("some-device-00000000.json (cannot be read)");
    expect(listed.stderr).toMatch(/warning\[RMX0822\]/);
    const json = JSON.parse(run(["cache", "ls", "--json"], cache).stdout) as { devices: unknown[] };
    expect(json.devices).toMatchObject([{ device: null, kernels: 0, bytes: 15 }]);
    expect(run(["cache", "clear"], cache)).toMatchObject({ status: 2, stdout: "" });
    expect(run(["cache", "clear", "--device", "another", "--yes"], cache).stdout).toContain(
      "removed 0 files",
    );
    expect(run(["cache", "clear", "--device", "SOME-device", "--yes"], cache).stdout).toContain(
      "removed 1 file",
    );
    expect(readdirSync(join(cache, "schedules"))).toEqual([]);
  });

  it(
    "is in nobody's way when it is broken; a file that is named must be right",
    () => {
      const cache = folder();
      const [device] = (JSON.parse(run(["doctor", "--json"], cache).stdout) as Doctor).adapters;
      if (device === undefined) throw new Error("the tests run on a device");
      const path = cachedFileOf(device, cache);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, "{");
      const ran = run(["run", ...small, ...size], cache);
      expect(ran.status, ran.stderr).toBe(0);
      expect(ran.stderr).toMatch(/^warning\[RMX0822\]/m);
      expect(run(["run", ...small, ...size, "--no-tuned"], cache)).toMatchObject({ status: 0, stderr: "" });
      const named = run(["run", ...small, ...size, "--schedules", path], folder());
      expect(named.status).toBe(1);
      expect(codesIn(named)).toEqual(["RMX0822"]);
      expect(named.stderr).toContain("rmxc tune SPEC");
    },
    PATIENCE_MS,
  );
});
