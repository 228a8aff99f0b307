/**
 * @file The shape of one page of `rmxc explain CODE`. Pages are written by whoever reports the code, one file a
 * range of codes; `codes.ts` puts them together.
 */

export interface CodePage {
  /** One line, lower-case start, no full stop: "a dimension does not divide". */
  readonly title: string;
  /** What the error means and why the language insists, in a few sentences. */
  readonly meaning: string;
  /** The smallest text that fails with this code: a spec, a command, or a piece of a data file. */
  readonly failing: string;
  /** The same text, mended. */
  readonly mended: string;
}
