/**
 * @file Reading a spec with everything it uses. A file sees its own blocks, those of the files it names in `use`, and those of
 * `std.prelude`, in this order. A `use` stays inside the project's folder, whether it leaves by `..` or by a symbolic link.
 */
import { dirname, isAbsolute, relative, resolve, sep } from "node:path";
import type { File, ModelDecl, Use } from "../../grammar/ast.ts";
import type { Diagnostic, SourceFile, Span } from "../../grammar/diagnostics.ts";
import { parse } from "../../grammar/parser.ts";
import { closest } from "../../grammar/suggest.ts";
import { type Host, readStandard } from "./host.ts";
import type { Reporter } from "./report.ts";
import type { Block } from "./values.ts";

export interface LoadedFile {
  /** The display name: the key into `Sources` and the `file` of every span. */
  readonly name: string;
  readonly tree: File;
  readonly own: ReadonlyMap<string, Block>;
  /** Own blocks, used ones, the prelude's. */
  readonly visible: Map<string, Block>;
  readonly models: readonly ModelDecl[];
}

export interface Program {
  readonly entry: LoadedFile;
  readonly files: ReadonlyMap<string, LoadedFile>;
}

/** The modules of `std`, for hints. */
const STANDARD_NAMES = ["prelude", "rankmixer"];

export function isStandard(file: string): boolean {
  return file.startsWith("std/");
}

/** The entry's path as the user typed it; a folder of his own called `std` must not look like the library. */
function displayName(path: string): string {
  return isStandard(path) ? `./${path}` : path;
}

interface Open {
  readonly key: string;
  readonly name: string;
  /** The `use` that opened it. */
  readonly span?: Span;
}

export class Loader {
  readonly sources = new Map<string, SourceFile>();
  private readonly files = new Map<string, LoadedFile>();
  private readonly byKey = new Map<string, LoadedFile>();
  private readonly open: Open[] = [];
  private readonly host: Host;
  private readonly reporter: Reporter;

  constructor(host: Host, reporter: Reporter) {
    this.host = host;
    this.reporter = reporter;
  }

  load(entry: string): Program | undefined {
    const path = resolve(entry);
    const text = this.host.readFile(path);
    if (text === undefined) {
      this.reporter.add({
        code: "RMX0501",
        severity: "error",
        message: `there is no readable file ${entry}`,
      });
      return undefined;
    }
    const loaded = this.read(displayName(entry), text, path, { key: this.host.realpath(path) ?? path });
    return { entry: loaded, files: this.files };
  }

  private read(name: string, text: string, path: string, open: { key: string; span?: Span }): LoadedFile {
    const source: SourceFile = { name, text };
    this.sources.set(name, source);
    const { file: tree, diagnostics } = parseCached(source);
    for (const diagnostic of diagnostics) this.reporter.add(diagnostic);
    const own = this.ownBlocks(name, tree);
    const models = tree.items.filter((item): item is ModelDecl => item.kind === "model");
    const loaded: LoadedFile = { name, tree, own, visible: new Map(own), models };
    this.files.set(name, loaded);
    this.byKey.set(open.key, loaded);
    this.open.push({ ...open, name });
    this.useAll(loaded, path);
    this.open.pop();
    return loaded;
  }

  private ownBlocks(file: string, tree: File): Map<string, Block> {
    const own = new Map<string, Block>();
    const first = new Map<string, Span>();
    for (const item of tree.items) {
      if (item.kind === "use") continue;
      const earlier = first.get(item.name.name);
      if (earlier) {
        this.reporter.error(
          "RMX0108",
          item.name.span,
          `\`${item.name.name}\` is declared twice in this file`,
          {
            secondary: [{ span: earlier, message: "first declared here" }],
          },
        );
        continue;
      }
      first.set(item.name.name, item.name.span);
      if (item.kind === "block") own.set(item.name.name, { decl: item, file });
    }
    return own;
  }

  private useAll(loaded: LoadedFile, path: string): void {
    const from = new Map<string, { use: Use; block: Block }>();
    for (const item of loaded.tree.items) {
      if (item.kind !== "use") continue;
      const target = item.std ? this.useStandard(item.path, item.span) : this.useFile(item, path);
      for (const [name, block] of target?.own ?? []) {
        const earlier = from.get(name);
        if (earlier && earlier.block !== block) {
          this.reporter.error(
            "RMX0505",
            item.span,
            `this \`use\` brings a second block called \`${name}\` into scope`,
            {
              secondary: [{ span: earlier.use.span, message: `\`${name}\` comes from here already` }],
              help: "rename one of the two blocks, or use one of the files from a file of its own",
            },
          );
          continue;
        }
        from.set(name, { use: item, block });
        if (!loaded.own.has(name)) loaded.visible.set(name, block);
      }
    }
    if (loaded.name === "std/prelude.rmx") return;
    const prelude = this.useStandard("prelude", loaded.tree.span);
    for (const [name, block] of prelude?.own ?? []) {
      if (!loaded.visible.has(name)) loaded.visible.set(name, block);
    }
  }

  private useStandard(module: string, span: Span): LoadedFile | undefined {
    const key = `std:${module}`;
    const known = this.byKey.get(key);
    if (known) return this.checkCycle(known, key, span);
    const text = /^\w+$/.test(module) ? (this.host.readStandard ?? readStandard)(module) : undefined;
    if (text === undefined) {
      const near = closest(module, STANDARD_NAMES);
      this.reporter.error("RMX0504", span, `the standard library has no module \`${module}\``, {
        help: near
          ? `did you mean \`std.${near}\`?`
          : `it has ${STANDARD_NAMES.map((n) => `\`std.${n}\``).join(", ")}`,
      });
      return undefined;
    }
    return this.read(`std/${module}.rmx`, text, "", { key, span });
  }

  private useFile(use: Use, from: string): LoadedFile | undefined {
    const path = resolve(dirname(from), use.path);
    const root = resolve(this.host.root);
    const real = this.host.realpath(path);
    const realRoot = this.host.realpath(root) ?? root;
    const byLink = real !== undefined && !inside(realRoot, real);
    if (isAbsolute(use.path) || !inside(root, path) || byLink) {
      this.reporter.error(
        "RMX0503",
        use.span,
        `this \`use\` leaves the project's folder${byLink ? " through a symbolic link" : ""}`,
        {
          notes: ["the project is the nearest folder above the entry file that holds package.json or .git"],
          help: "copy the file into the project",
        },
      );
      return undefined;
    }
    const text = real === undefined ? undefined : this.host.readFile(real);
    if (real === undefined || text === undefined) {
      this.reporter.error("RMX0501", use.span, `there is no readable file "${use.path}" beside this one`);
      return undefined;
    }
    const known = this.byKey.get(real);
    if (known) return this.checkCycle(known, real, use.span);
    const entry = this.open[0]?.name ?? "";
    const name = displayName(relative(process.cwd(), path));
    return this.read(isAbsolute(entry) ? path : name, text, path, { key: real, span: use.span });
  }

  /** A file that is still open uses itself in the end. */
  private checkCycle(known: LoadedFile, key: string, span: Span): LoadedFile | undefined {
    const at = this.open.findIndex((open) => open.key === key);
    if (at < 0) return known;
    const chain = [...this.open.slice(at).map((open) => open.name), known.name];
    this.reporter.error("RMX0502", span, `files use each other in a cycle: ${chain.join(" → ")}`, {
      secondary: this.open
        .slice(at + 1)
        .flatMap(({ span }) => (span ? [{ span, message: "used here" }] : [])),
      help: "move the blocks that both need into a third file",
    });
    return undefined;
  }
}

function inside(root: string, path: string): boolean {
  const way = relative(root, path);
  return way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

interface Parsed {
  readonly source: SourceFile;
  readonly result: { file: File; diagnostics: Diagnostic[] };
}

/** The library's own files are the same text in every run of one process. */
const parsedStandard = new Map<string, Parsed>();

function parseCached(source: SourceFile): { file: File; diagnostics: Diagnostic[] } {
  if (!isStandard(source.name)) return parse(source);
  const known = parsedStandard.get(source.name);
  if (known && known.source.text === source.text) return known.result;
  const result = parse(source);
  parsedStandard.set(source.name, { source, result });
  return result;
}
