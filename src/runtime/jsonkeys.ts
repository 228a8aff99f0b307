/**
 * @file The keys of a JSON object in the order of its text, repeated ones included. `JSON.parse` silently keeps the last of
 * two equal keys; in a weights file a repeated name means that one tensor would be lost.
 */

/** The top-level keys of `text`, which must be a valid JSON object. */
export function topLevelKeys(text: string): string[] {
  const keys: string[] = [];
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const c = text[at];
    if (c === "{" || c === "[") depth++;
    else if (c === "}" || c === "]") depth--;
    else if (c === '"') {
      const begin = at;
      for (at++; text[at] !== '"'; at++) if (text[at] === "\\") at++;
      // A string at depth 1 is a key or a value; only a key has a colon behind it.
      if (depth === 1 && colonFollows(text, at + 1)) keys.push(JSON.parse(text.slice(begin, at + 1)));
    }
  }
  return keys;
}

function colonFollows(text: string, from: number): boolean {
  let at = from;
  while (text[at] === " " || text[at] === "\n" || text[at] === "\r" || text[at] === "\t") at++;
  return text[at] === ":";
}
