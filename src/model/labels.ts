/**
 * @file Parameter paths. A path is the chain of labels from the model down (`layers.0.block.ffn.w1`). A label is claimed in its
 * scope only once something below it declares a parameter, so calls without parameters may share one freely.
 */
import type { Span } from "../../grammar/diagnostics.ts";
import type { Reporter } from "./report.ts";

interface Claim {
  readonly span: Span;
  /** The scope that the label opens; absent for a parameter. */
  readonly scope?: LabelScope;
}

export class LabelScope {
  readonly path: string;
  private claims = new Map<string, Claim>();
  private readonly parent?: LabelScope;
  private readonly label: string;
  private readonly span?: Span;
  /** Set for the body of a `repeat` without a label: it must not hold parameters. */
  private readonly unlabelled: boolean;
  private claimed = false;

  private constructor(
    parent: LabelScope | undefined,
    label: string,
    span: Span | undefined,
    unlabelled: boolean,
  ) {
    this.parent = parent;
    this.label = label;
    this.span = span;
    this.unlabelled = unlabelled;
    this.path = unlabelled ? (parent?.path ?? "") : (parent?.join(label) ?? "");
  }

  static root(): LabelScope {
    return new LabelScope(undefined, "", undefined, false);
  }

  /** The path of `name` in this scope. */
  join(name: string): string {
    return this.path === "" ? name : `${this.path}.${name}`;
  }

  child(label: string, span: Span): LabelScope {
    return new LabelScope(this, label, span, false);
  }

  /** A round of a `repeat` that has no label. */
  unlabelledRound(span: Span): LabelScope {
    return new LabelScope(this, "", span, true);
  }

  /** Claims `name` for a parameter, and the labels above it. False where a diagnostic was reported. */
  claimParameter(name: string, span: Span, reporter: Reporter): boolean {
    const earlier = this.claims.get(name);
    if (earlier) {
      reportTwice(reporter, name, span, earlier.span);
      return false;
    }
    this.claims.set(name, { span });
    return this.claimUpwards(reporter);
  }

  private claimUpwards(reporter: Reporter): boolean {
    if (this.claimed || !this.parent || !this.span) return true;
    this.claimed = true;
    if (this.unlabelled) {
      reporter.error("RMX0402", this.span, "a `repeat` whose body declares parameters needs a label", {
        help: "write `repeat … as NAME { … }`; the parameters are then called `NAME.0.…`, `NAME.1.…`",
      });
      return false;
    }
    const earlier = this.parent.claims.get(this.label);
    if (earlier && earlier.scope !== this) {
      reportTwice(reporter, this.label, this.span, earlier.span);
      return false;
    }
    this.parent.claims.set(this.label, { span: this.span, scope: this });
    return this.parent.claimUpwards(reporter);
  }

  /** The claims as they are now, for the branch that only training takes; `merge` brings them back. */
  fork(): ReadonlyMap<string, unknown> {
    return new Map(this.claims);
  }

  /** Runs `body` with the claims of `fork` and afterwards holds those of both branches. */
  within(fork: ReadonlyMap<string, unknown>, body: () => void): void {
    const now = this.claims;
    this.claims = new Map([...now].filter(([name]) => fork.has(name)));
    body();
    this.claims = new Map([...this.claims, ...now]);
  }
}

function reportTwice(reporter: Reporter, label: string, span: Span, first: Span): void {
  reporter.error(
    "RMX0401",
    span,
    `two declarations with parameters are both called \`${label}\` in this scope`,
    {
      label: "second use",
      secondary: [{ span: first, message: "first use here" }],
      help: "give one of the calls a name of its own: `f(…) as NAME`",
    },
  );
}
