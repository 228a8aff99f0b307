/**
 * @file The plot of `rmxc quantize` as SVG text: a bar a parameter with its signal-to-noise ratio, worst first, and for each task its scores
 * as stored against those with the weights as given. No script, no font from elsewhere, the same bytes for the same figures.
 */
import { storageText } from "../../ir/storage.ts";
import { xmlText } from "../picture/svg.ts";
import type { QuantizeResult } from "./session.ts";

const BAR = { height: 16, left: 330, width: 330, most: 40 } as const;
const SCATTER = { size: 240, gap: 50, most: 4, points: 512 } as const;
const MARGIN = 20;
const HEAD = 60;
const COLORS = {
  int8: "#2f6fb3",
  fp8_e4m3: "#c2621b",
  fp8_e5m2: "#b3123c",
  f16: "#1d7f4c",
  bf16: "#7b61a8",
  f32: "#778",
};

export function quantizePlot(result: QuantizeResult): string {
  const bars = barsOf(result);
  const tasks = (result.scores?.tasks ?? []).slice(0, SCATTER.most);
  const barsHeight = bars.length * BAR.height + 40;
  const rows = Math.ceil(tasks.length / 2);
  const height = HEAD + barsHeight + rows * (SCATTER.size + SCATTER.gap) + MARGIN;
  const width = MARGIN * 2 + BAR.left + BAR.width + 60;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="DejaVu Sans, Verdana, sans-serif" font-size="11">`,
    `<title>${xmlText(`${result.model}: what its storage loses`)}</title>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    `<text x="${MARGIN}" y="26" font-size="16" font-weight="bold">${xmlText(result.model)}</text>`,
    `<text x="${MARGIN}" y="46" fill="#445">signal over quantisation noise in dB, worst first${result.tensors.length > bars.length ? `; ${bars.length} parameters of ${result.tensors.length}` : ""}</text>`,
    ...drawBars(bars),
    ...tasks.flatMap((task, i) => {
      const x = MARGIN + 40 + (i % 2) * (SCATTER.size + 110);
      const y = HEAD + barsHeight + Math.floor(i / 2) * (SCATTER.size + SCATTER.gap);
      return scatter(task, x, y);
    }),
    "</svg>",
    "",
  ].join("\n");
}

interface Bar {
  readonly label: string;
  readonly color: string;
  readonly decibels: number;
  readonly flagged: boolean;
}

function barsOf({ tensors, advice }: QuantizeResult): Bar[] {
  const flagged = new Set(advice.map(({ path }) => path));
  return tensors
    .flatMap(({ param, error }): Bar[] => {
      if (error === undefined || !Number.isFinite(error.sqnr)) return [];
      const label = `${param.path}, ${storageText(param.storage)}`;
      const color = COLORS[param.storage.element];
      return [{ label, color, decibels: error.sqnr, flagged: flagged.has(param.path) }];
    })
    .sort((a, b) => a.decibels - b.decibels)
    .slice(0, BAR.most);
}

function drawBars(bars: readonly Bar[]): string[] {
  const most = Math.max(10, ...bars.map(({ decibels }) => decibels));
  return bars.flatMap(({ label, color, decibels, flagged }, i) => {
    const y = HEAD + i * BAR.height;
    const width = round((Math.max(0, decibels) / most) * BAR.width);
    const x = MARGIN + BAR.left;
    const style = flagged ? ' font-weight="bold" fill="#b3123c"' : ' fill="#334"';
    return [
      `<text x="${x - 8}" y="${y + 12}" text-anchor="end"${style}>${xmlText(short(label))}</text>`,
      `<rect x="${x}" y="${y + 2}" width="${width}" height="${BAR.height - 4}" fill="${color}"/>`,
      `<text x="${x + width + 5}" y="${y + 12}" fill="#445">${decibels.toFixed(1)}</text>`,
    ];
  });
}

/** The end of a path says more than its beginning. */
function short(label: string): string {
  const most = 52;
  return label.length <= most ? label : `…${label.slice(label.length - most + 1)}`;
}

interface Task {
  readonly task: string;
  readonly tau: number;
  readonly given: Float64Array;
  readonly stored: Float64Array;
}

function scatter({ task, tau, given, stored }: Task, x: number, y: number): string[] {
  const all = [...given, ...stored].filter(Number.isFinite);
  const [low, high] = [Math.min(...all, Infinity), Math.max(...all, -Infinity)];
  const span = high > low ? high - low : 1;
  const at = (value: number): number => round(((value - low) / span) * SCATTER.size);
  const step = Math.max(1, Math.ceil(given.length / SCATTER.points));
  const points: string[] = [];
  for (let i = 0; i < given.length; i += step) {
    if (!Number.isFinite(given[i]) || !Number.isFinite(stored[i])) continue;
    points.push(`<circle cx="${x + at(given[i])}" cy="${round(y + SCATTER.size - at(stored[i]))}" r="2"/>`);
  }
  const bottom = y + SCATTER.size;
  const note = Number.isNaN(tau) ? "" : `, Kendall's tau ${tau.toFixed(4)}`;
  return [
    `<text x="${x}" y="${y - 6}" font-weight="bold" fill="#334">${xmlText(`${task}${note}`)}</text>`,
    `<rect x="${x}" y="${y}" width="${SCATTER.size}" height="${SCATTER.size}" fill="none" stroke="#99a"/>`,
    `<path d="M${x} ${bottom}L${x + SCATTER.size} ${y}" stroke="#ccd"/>`,
    `<g fill="#2f6fb3" fill-opacity="0.6">${points.join("")}</g>`,
    ...(all.length === 0
      ? []
      : [
          `<text x="${x}" y="${bottom + 14}" fill="#667">${low.toPrecision(4)}</text>`,
          `<text x="${x + SCATTER.size}" y="${bottom + 14}" text-anchor="end" fill="#667">${high.toPrecision(4)}</text>`,
        ]),
    `<text x="${x + SCATTER.size / 2}" y="${bottom + 14}" text-anchor="middle" fill="#667">as given</text>`,
    `<text transform="translate(${x - 6} ${y + SCATTER.size / 2}) rotate(-90)" text-anchor="middle" fill="#667">as stored</text>`,
  ];
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
