/** @file JSON that people can read: whatever fits on a line stays on one. */

const WIDTH = 110;

/** `value` as JSON, members indented by two spaces, short arrays and objects on one line. Undefined members are left out. */
export function printJson(value: unknown): string {
  return `${print(value, 0)}\n`;
}

function print(value: unknown, depth: number): string {
  const line = JSON.stringify(value);
  if (line === undefined) throw new Error("internal: a value that JSON cannot hold");
  if (typeof value !== "object" || value === null || 2 * depth + line.length <= WIDTH) return spaced(line);
  const inner = "  ".repeat(depth + 1);
  const outer = "  ".repeat(depth);
  if (Array.isArray(value)) {
    if (value.every((element) => typeof element === "number")) return `[\n${filled(value, inner)}\n${outer}]`;
    return `[\n${value.map((element) => inner + print(element, depth + 1)).join(",\n")}\n${outer}]`;
  }
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .map(([key, member]) => `${inner}${JSON.stringify(key)}: ${print(member, depth + 1)}`);
  return `{\n${members.join(",\n")}\n${outer}}`;
}

/** Numbers, as many on a line as fit. */
function filled(values: readonly number[], indent: string): string {
  const lines: string[] = [];
  let line = indent;
  values.forEach((value, i) => {
    const word = `${JSON.stringify(value)}${i + 1 < values.length ? "," : ""}`;
    if (line.length > indent.length && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = indent;
    }
    line += line.length > indent.length ? ` ${word}` : word;
  });
  return [...lines, line].join("\n");
}

/** A space after `:` and `,` outside strings, as people write it. */
function spaced(line: string): string {
  return line.replace(/"(?:[^"\\]|\\.)*"|[:,]/g, (token) =>
    token === ":" || token === "," ? `${token} ` : token,
  );
}
