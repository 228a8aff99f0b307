/** @file A placed picture as SVG text: no script, no font or style from elsewhere, the same bytes for the same model. */
import { type Frame, LINE_HEIGHT, PADDING, type Placed, type Point } from "./place.ts";
import type { SceneLine, SceneNode } from "./scene.ts";

const COLORS = {
  load: { fill: "#f1edf8", line: "#7b61a8", soft: "#faf8fd" },
  user: { fill: "#e3eefb", line: "#2f6fb3", soft: "#f5f9fe" },
  item: { fill: "#fdeadb", line: "#c2621b", soft: "#fef8f3" },
} as const;
const KEPT = { fill: "#d9f2e3", line: "#1d7f4c" };
const MASK = "#b3123c";
const HEAD = 64;

export function svgOf(placed: Placed, title: string): string {
  const width = Math.max(placed.width, 640);
  const height = placed.height + HEAD;
  const body = [
    ...placed.groups.map(group),
    ...placed.edges.map(path),
    ...placed.nodes.map(({ node, frame }) => shape(node, frame)),
  ];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="DejaVu Sans, Verdana, sans-serif" font-size="11">`,
    `<title>${xmlText(title)}</title>`,
    `<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="#667"/></marker></defs>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    `<text x="16" y="26" font-size="16" font-weight="bold">${xmlText(title)}</text>`,
    legend(),
    `<g transform="translate(0 ${HEAD})">`,
    ...body,
    "</g>",
    "</svg>",
    "",
  ].join("\n");
}

function legend(): string {
  const entries = [
    ["kernel, once at load", COLORS.load.fill, COLORS.load.line],
    ["kernel, once a request", COLORS.user.fill, COLORS.user.line],
    ["kernel, once a candidate", COLORS.item.fill, COLORS.item.line],
    ["kept between the stages", KEPT.fill, KEPT.line],
    ["▨ mask", "#ffffff", MASK],
    ["dashed: to the next round", "#ffffff", "#778"],
  ] as const;
  let x = 16;
  return entries
    .map(([label, fill, line]) => {
      const entry = `<rect x="${x}" y="38" width="14" height="12" rx="3" fill="${fill}" stroke="${line}"/><text x="${x + 20}" y="48" fill="#445">${label}</text>`;
      x += 34 + label.length * 6.4;
      x = Math.round(x);
      return entry;
    })
    .join("\n");
}

function group({ kind, stage, title, frame }: Placed["groups"][number]): string {
  const { line, soft } = COLORS[stage];
  const { x, y, width, height } = frame;
  if (kind === "stage") {
    return [
      `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="10" fill="${soft}" stroke="${line}" stroke-opacity="0.35"/>`,
      `<text x="${x + 12}" y="${y + 18}" font-size="12" font-weight="bold" fill="${line}">${xmlText(title)}</text>`,
    ].join("\n");
  }
  return [
    `<rect x="${x + 5}" y="${y + 5}" width="${width}" height="${height}" rx="8" fill="none" stroke="${line}" stroke-opacity="0.5" stroke-dasharray="5 4"/>`,
    `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="8" fill="#ffffff" fill-opacity="0.6" stroke="${line}" stroke-dasharray="5 4"/>`,
    `<text x="${x + 12}" y="${y + 16}" font-size="12" font-weight="bold" fill="${line}">${xmlText(title)}</text>`,
  ].join("\n");
}

function shape(node: SceneNode, frame: Frame): string {
  const { x, y, width, height } = frame;
  const { fill, line } = node.kind === "kept" ? KEPT : COLORS[node.stage];
  const radius = node.kind === "kernel" ? 4 : height / 2;
  const plain = node.kind === "feature" || node.kind === "task";
  const stroke = `fill="${plain ? "#ffffff" : fill}" stroke="${line}" stroke-width="${node.kind === "kept" ? 2 : 1.2}"`;
  let baseline = y + PADDING + 11;
  const put = (content: string, style: string): string => {
    const at = node.kind === "kernel" ? `x="${x + PADDING}"` : `x="${x + width / 2}" text-anchor="middle"`;
    const line = `<text ${at} y="${baseline}" ${style}>${xmlText(content)}</text>`;
    baseline += LINE_HEIGHT;
    return line;
  };
  return [
    `<g><title>${xmlText(node.tip)}</title>`,
    `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="${radius}" ${stroke}/>`,
    put(node.title, `font-weight="bold" fill="#223"`),
    ...node.lines.map((l) => put(lineText(l), lineStyle(l))),
    ...(node.footer === "" ? [] : [put(node.footer, `font-size="10" fill="#667"`)]),
    "</g>",
  ].join("\n");
}

function lineText(line: SceneLine): string {
  return line.kind === "mask" ? `▨ ${line.text}` : line.text;
}

function lineStyle({ kind }: SceneLine): string {
  if (kind === "mask") return `font-size="10" fill="${MASK}"`;
  return `font-size="10" fill="${kind === "before" ? "#889" : "#334"}"`;
}

/** Through the layout's points with their corners rounded, or a curve between lanes; dashed to the next round. */
function path({ edge, points, curve }: Placed["edges"][number]): string {
  const { from, to, next } = edge;
  const [first, ...rest] = points;
  if (first === undefined) return "";
  const at = ({ x, y }: Point): string => `${x} ${y}`;
  const d = [`M${at(first)}`];
  if (curve) d.push(`C${rest.map(at).join(" ")}`);
  else {
    rest.forEach((point, i) => {
      const after = rest[i + 1];
      if (after === undefined) d.push(`L${at(point)}`);
      else d.push(`Q${at(point)} ${half(point.x, after.x)} ${half(point.y, after.y)}`);
    });
  }
  const kept = from.startsWith("kept ") || to.startsWith("kept ");
  const color = kept ? KEPT.line : "#778";
  return `<path d="${d.join("")}" fill="none" stroke="${color}" stroke-width="${kept ? 1.6 : 1.1}"${next ? ' stroke-dasharray="4 3"' : ""} marker-end="url(#arrow)"/>`;
}

function half(a: number, b: number): number {
  return Math.round((a + b) * 5) / 10;
}

export function xmlText(content: string): string {
  return content.replace(
    /[&<>"]/g,
    (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c] ?? c,
  );
}
