/** @file "Did you mean …?": the nearest of the names that would have been right. */
import { distance } from "fastest-levenshtein";

/**
 * The candidate nearest to `name`, or undefined if none is near: one edit for up to three letters, two for up to
 * eight (a transposition is two), three for longer ones, case aside. Of equally near ones the first is taken.
 */
export function closest(name: string, candidates: Iterable<string>): string | undefined {
  const wanted = name.toLowerCase();
  const limit = name.length <= 3 ? 1 : name.length <= 8 ? 2 : 3;
  let best: string | undefined;
  let bestDistance = limit + 1;
  for (const candidate of candidates) {
    if (candidate === name || Math.abs(candidate.length - name.length) >= bestDistance) continue;
    const edits = distance(wanted, candidate.toLowerCase());
    // A name replaced from end to end is no misspelling: `ab` is not near `xy`, nor `T` near `D`.
    if (edits < bestDistance && edits < Math.max(name.length, candidate.length)) {
      best = candidate;
      bestDistance = edits;
    }
  }
  return best;
}
