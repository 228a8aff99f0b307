/**
 * @file How much two scorings of the same candidates agree on their order: what a ranking model is for, whatever its scores' error.
 */

export interface Agreement {
  /** Kendall's τ-b: 1 for the same order, −1 for the reverse. NaN where either side has fewer than two different scores. */
  readonly tau: number;
  /** The share of the pairs of candidates whose order is reversed. */
  readonly swapped: number;
  /** The share of the ten best that both have among their ten best. NaN where there are no more than ten. */
  readonly top10: number;
}

const TOP = 10;

/**
 * Kendall's τ-b (Kendall, Biometrika 1945): (C − D) / √((P − T₁)(P − T₂)) over the P pairs, of which C agree, D disagree, and T₁, T₂
 * are ties of either side. Every pair is looked at: the reference that scored them took longer.
 */
export function agreement(a: ArrayLike<number>, b: ArrayLike<number>): Agreement {
  const n = a.length;
  let [agree, disagree, tiesA, tiesB] = [0, 0, 0, 0];
  for (let i = 0; i < n; i++) {
    for (let j = i + 1; j < n; j++) {
      const [p, q] = [Math.sign(a[i] - a[j]), Math.sign(b[i] - b[j])];
      if (p === 0) tiesA++;
      if (q === 0) tiesB++;
      if (p * q > 0) agree++;
      else if (p * q < 0) disagree++;
    }
  }
  const pairs = (n * (n - 1)) / 2;
  const best = new Set(order(b).slice(0, TOP));
  const kept = order(a)
    .slice(0, TOP)
    .filter((i) => best.has(i));
  return {
    tau: (agree - disagree) / Math.sqrt((pairs - tiesA) * (pairs - tiesB)),
    swapped: pairs === 0 ? 0 : disagree / pairs,
    top10: n <= TOP ? NaN : kept.length / TOP,
  };
}

/** Candidates from the highest score down; equal scores: the lower index first. */
function order(scores: ArrayLike<number>): number[] {
  return Array.from({ length: scores.length }, (_, i) => i).sort((i, j) => scores[j] - scores[i] || i - j);
}
