/** @file Figures and tables as people read them. */

export type Align = "left" | "right";

/** Rows under a header, columns two spaces apart, no trailing spaces. */
export function table(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  align: readonly Align[],
): string {
  const lines = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? "").length)));
  return lines
    .map((line) =>
      widths
        .map((width, column) => {
          const cell = line[column] ?? "";
          return align[column] === "right" ? cell.padStart(width) : cell.padEnd(width);
        })
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** 1536 bytes → `1.5 KiB`. */
export function bytes(count: number): string {
  return scaled(count, 1024, ["B", "KiB", "MiB", "GiB", "TiB"]);
}

/** 151_000_000 → `151 M`. */
export function figure(count: number): string {
  return scaled(count, 1000, ["", "k", "M", "G", "T", "P"]);
}

function scaled(count: number, base: number, units: readonly string[]): string {
  let value = count;
  let unit = 0;
  while (value >= base && unit < units.length - 1) {
    value /= base;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? String(Math.round(value)) : value.toPrecision(3)} ${units[unit]}`.trimEnd();
}

/** 0.0123 s → `12.3 ms`. */
export function seconds(value: number): string {
  if (value >= 100) return `${Math.round(value)} s`;
  if (value >= 1) return `${value.toPrecision(3)} s`;
  if (value >= 1e-3) return `${(value * 1e3).toPrecision(3)} ms`;
  return `${(value * 1e6).toPrecision(3)} µs`;
}

export function plural(count: number, noun: string, nouns = `${noun}s`): string {
  return `${count.toLocaleString("en-US")} ${count === 1 ? noun : nouns}`;
}

/** 0.1234 → `12 %`; below a tenth one decimal: `3.4 %`. */
export function percent(part: number): string {
  return `${(100 * part).toFixed(part < 0.0995 ? 1 : 0)} %`;
}
