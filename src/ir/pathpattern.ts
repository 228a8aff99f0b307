/**
 * @file Patterns over parameter paths: `*` stays within one segment, `**` spans any number of them (none too). Matching is a
 * table over (pattern, path) positions, so no pattern is slow.
 */

export function matchesPath(pattern: string, path: string): boolean {
  return wild(pattern.split("."), path.split("."), (part) => part === "**", matchesSegment);
}

function matchesSegment(pattern: string, segment: string): boolean {
  return wild(
    [...pattern],
    [...segment],
    (part) => part === "*",
    (a, b) => a === b,
  );
}

/** Whether `parts` matches `items`, where a wild part stands for any number of items. */
function wild(
  parts: readonly string[],
  items: readonly string[],
  isWild: (part: string) => boolean,
  same: (part: string, item: string) => boolean,
): boolean {
  /** reach[j]: the parts so far match the first j items. */
  let reach = items.map(() => false);
  reach = [true, ...reach];
  for (const part of parts) {
    const next = reach.map(() => false);
    for (let j = 0; j <= items.length; j++) {
      const item = items[j - 1];
      next[j] = isWild(part)
        ? reach[j] === true || (j > 0 && next[j - 1] === true)
        : item !== undefined && reach[j - 1] === true && same(part, item);
    }
    reach = next;
  }
  return reach[items.length] === true;
}
