/**
 * @file The registry of diagnostic codes, read by `rmxc explain CODE`. A code is `RMX` and four digits whose first
 * two name the part of the compiler that reports it:
 *
 * | range | subject | file |
 * |---|---|---|
 * | RMX00xx | syntax | `syntax.ts` |
 * | RMX01xx | names and elaboration | `names.ts` |
 * | RMX02xx | shapes | `shapes.ts` |
 * | RMX03xx | limits | `limits.ts` |
 * | RMX04xx | parameters and precision | `parameters.ts` |
 * | RMX05xx | files and `use` | `files.ts` |
 * | RMX06xx | weights files | `weights.ts` |
 * | RMX07xx | inputs | `inputs.ts` |
 * | RMX08xx | devices, the runtime and verification | `devices.ts` |
 */
import { devicePages } from "./devices.ts";
import { filePages } from "./files.ts";
import { inputPages } from "./inputs.ts";
import { limitPages } from "./limits.ts";
import { namePages } from "./names.ts";
import type { CodePage } from "./page.ts";
import { parameterPages } from "./parameters.ts";
import { shapePages } from "./shapes.ts";
import { stagePages } from "./stages.ts";
import { syntaxPages } from "./syntax.ts";
import { weightPages } from "./weights.ts";

/** Every code with its title and the text of its page. */
export interface CodeEntry {
  readonly title: string;
  /** Markdown: what it means, a failing example, the mended example. */
  readonly page: string;
}

const allPages: Readonly<Record<string, CodePage>> = {
  ...syntaxPages,
  ...namePages,
  ...shapePages,
  ...limitPages,
  ...parameterPages,
  ...filePages,
  ...weightPages,
  ...inputPages,
  ...devicePages,
  ...stagePages,
};

export const codes: ReadonlyMap<string, CodeEntry> = new Map(
  Object.entries(allPages)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([code, page]) => [code, { title: page.title, page: pageText(code, page) }]),
);

function pageText(code: string, page: CodePage): string {
  return [
    `# ${code}: ${page.title}`,
    page.meaning.trim(),
    "This fails:",
    indented(page.failing),
    "This is right:",
    indented(page.mended),
    "",
  ]
    .join("\n\n")
    .trimEnd();
}

/** An indented Markdown code block, which also reads well in a terminal. */
function indented(text: string): string {
  return text
    .replace(/^\n+|\s+$/g, "")
    .split("\n")
    .map((line) => (line === "" ? "" : `    ${line}`))
    .join("\n");
}
