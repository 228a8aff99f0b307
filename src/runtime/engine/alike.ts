/**
 * @file Kernels that differ in names alone. Emitted text is named after the model's parts, so the same computation in two
 * layers is two texts; the driver need compile it once.
 */

/** A key that is equal for two texts exactly if they differ in comments and in the names that they declare alone. */
export function alikeKey(text: string): string {
  const code = text.replace(/\/\/[^\n]*/g, "");
  const declared = new Set<string>();
  for (const [, name] of code.matchAll(/\b(?:let|var)(?:<[^>]*>)?\s+([A-Za-z_]\w*)/g)) declared.add(name);
  const renamed = new Map<string, string>();
  return code.replace(/[A-Za-z_]\w*/g, (word, at: number) => {
    // A component or a field (`.x`, `.rows`) is no name of the text's own.
    if (!declared.has(word) || code[at - 1] === ".") return word;
    let name = renamed.get(word);
    if (name === undefined) {
      name = `$${renamed.size}`;
      renamed.set(word, name);
    }
    return name;
  });
}
