/**
 * @file Where comments go when a file is printed anew. The printer walks the tree in the order of the text and
 * asks, before each part, for the comments that stand before it: each comes out exactly once, in order.
 */
import type { Comment } from "../ast.ts";

export class CommentCursor {
  private readonly text: string;
  private readonly comments: readonly Comment[];
  private next = 0;

  constructor(text: string, comments: readonly Comment[]) {
    this.text = text;
    this.comments = comments;
  }

  /** Whether a comment is left that begins before `offset`. */
  anyBefore(offset: number): boolean {
    return (this.comments[this.next]?.span.start ?? Number.POSITIVE_INFINITY) < offset;
  }

  /** Takes the comments that begin before `offset`. */
  before(offset: number): Comment[] {
    const from = this.next;
    while (this.anyBefore(offset)) this.next += 1;
    return this.comments.slice(from, this.next);
  }

  /** Takes the block comments that follow `offset` with nothing but blanks between, before `limit`. */
  touching(offset: number, limit: number): Comment[] {
    const from = this.next;
    this.follow(offset, limit, /^[ \t]*$/, (comment) => comment.style === "block");
    return this.comments.slice(from, this.next);
  }

  /**
   * Takes the comments that end the line on which `offset` lies: nothing but comments, blanks and a comma stand
   * between, and nothing but blanks and a comma after the last. `limit` is where the next part begins.
   */
  endingLine(offset: number, limit: number): Comment[] {
    const [from, at] = [this.next, this.follow(offset, limit, /^[ \t]*,?[ \t]*$/, () => true)];
    if (!/^[ \t]*,?[ \t]*(?:[\r\n]|$)/.test(this.text.slice(at, at + maxGap))) this.next = from;
    return this.comments.slice(from, this.next);
  }

  /** Moves over the comments that follow one another from `offset`; where the last one ends. */
  private follow(
    offset: number,
    limit: number,
    between: RegExp,
    wanted: (comment: Comment) => boolean,
  ): number {
    let at = offset;
    for (;;) {
      const comment = this.comments[this.next];
      if (comment === undefined || !wanted(comment)) return at;
      const { start, end } = comment.span;
      if (start < at || start >= limit || start > at + maxGap || !between.test(this.text.slice(at, start)))
        return at;
      at = end;
      this.next += 1;
    }
  }

  /** Whether an empty line stands between two offsets. */
  blankBetween(from: number, to: number): boolean {
    return /\n[ \t\r]*\n|\r[ \t]*\r/.test(this.text.slice(from, to));
  }

  sameLine(from: number, to: number): boolean {
    return !/[\r\n]/.test(this.text.slice(from, to));
  }
}

/** Blanks that are looked over in search of what ends a line. */
const maxGap = 400;
