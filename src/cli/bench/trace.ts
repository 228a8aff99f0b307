/**
 * @file Calls as trace events, which chrome://tracing and ui.perfetto.dev draw: what the host does on one track, stages and
 * kernels on the device's. Form: "Trace Event Format" (the Chromium project), complete events (`ph: "X"`), microseconds.
 *
 * The device's clock has another origin than the host's: its events begin where the host had submitted the call.
 */
import type { CallTimes } from "../../runtime/engine/types.ts";
import type { Watched } from "./measure.ts";
import type { BenchResult } from "./session.ts";

/** Calls of each kind that a trace shows, the last. */
const SHOWN = 10;
const PID = 1;
const HOST = 1;
const DEVICE = 2;

interface TraceEvent {
  readonly name: string;
  readonly cat?: string;
  readonly ph: "X" | "M";
  readonly pid: number;
  readonly tid: number;
  readonly ts?: number;
  readonly dur?: number;
  readonly args?: Readonly<Record<string, unknown>>;
}

export function traceOf({ model, device, measured, kernels }: BenchResult) {
  const last = (calls: readonly Watched[]): Watched[] => calls.slice(-SHOWN);
  const about = new Map(kernels.map((row) => [row.name, row]));
  const calls = [...last(measured.stages), ...last(measured.kernels)];
  const origin = Math.min(...calls.flatMap(({ chunks }) => chunks.map(({ begin }) => begin)));
  const argsOf = (name: string): Record<string, unknown> => {
    const row = about.get(name);
    return row === undefined ? {} : { flops: row.flops, bytes: row.bytes, fused: row.fused };
  };
  const events = calls.flatMap(({ chunks }) => chunks.flatMap((times) => eventsOf(times, origin, argsOf)));
  return {
    displayTimeUnit: "ms",
    otherData: { model, device: device.name },
    traceEvents: [
      named("process_name", HOST, `rmxc bench: ${model}`),
      named("thread_name", HOST, "host"),
      named("thread_name", DEVICE, device.name),
      ...events,
    ],
  };
}

function named(what: "process_name" | "thread_name", tid: number, name: string): TraceEvent {
  return { name: what, ph: "M", pid: PID, tid, args: { name } };
}

function eventsOf(
  { stage, rows, begin, submitted, end, launches }: CallTimes,
  origin: number,
  argsOf: (kernel: string) => Record<string, unknown>,
): TraceEvent[] {
  const micro = (ms: number): number => 1000 * (ms - origin);
  const host = (name: string, from: number, to: number): TraceEvent => ({
    name,
    cat: "host",
    ph: "X",
    pid: PID,
    tid: HOST,
    ts: micro(from),
    dur: 1000 * (to - from),
    args: { rows },
  });
  return [
    host(`${stage}: upload`, begin, submitted),
    host(`${stage}: wait and read back`, submitted, end),
    ...launches.map(
      (launch): TraceEvent => ({
        name: launch.name,
        cat: launch.name === stage ? "stage" : "kernel",
        ph: "X",
        pid: PID,
        tid: DEVICE,
        ts: micro(submitted) + launch.begin / 1000,
        dur: (launch.end - launch.begin) / 1000,
        args: { rows, ...argsOf(launch.name) },
      }),
    ),
  ];
}
