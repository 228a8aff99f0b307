/** @file `rmxc fmt PATH…`: rewrites specs in the one canonical form; `--check` only says which are not. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Diagnostic, DiagnosticError, type SourceFile } from "../../../grammar/diagnostics.ts";
import { writeFileAtomic } from "../../files.ts";
import { InputError } from "../../ir/error.ts";
import { defineCommand } from "../command.ts";
import { plural } from "../text.ts";

export const fmtCommand = defineCommand({
  usage: "fmt <paths..>",
  summary: "print specs in the canonical form, in place",
  positionals: {
    paths: {
      type: "string",
      array: true,
      demandOption: true,
      describe: ".rmx files, or folders that hold some",
    },
  },
  options: {
    check: {
      type: "boolean",
      default: false,
      describe: "change nothing; exit 1 if a file is not in the canonical form",
    },
  },
  examples: [["rmxc fmt --check examples src/std", "as continuous integration runs it"]],
  async run(args, out) {
    const { format } = await import("../../../grammar/format.ts");
    const files = args.paths.flatMap((path) => specsAt(path));
    const errors: Diagnostic[] = [];
    const sources = new Map<string, SourceFile>();
    const changed: string[] = [];
    for (const name of files) {
      const source = { name, text: readSpec(name) };
      sources.set(name, source);
      const { text, diagnostics } = format(source);
      errors.push(...diagnostics.filter((d) => d.severity === "error"));
      if (text === undefined || text === source.text) continue;
      changed.push(name);
      if (!args.check) writeFileAtomic(name, text);
    }
    for (const name of changed) out.print(name);
    if (errors.length > 0) throw new DiagnosticError(errors, sources);
    const verb = args.check ? "not in the canonical form" : "formatted";
    out.say(`${plural(changed.length, "file")} of ${files.length} ${verb}`);
    return args.check && changed.length > 0 ? 1 : 0;
  },
});

/** The spec itself, or every `.rmx` file below a folder, in a fixed order. */
function specsAt(path: string): string[] {
  let folder: boolean;
  try {
    folder = statSync(path).isDirectory();
  } catch {
    throw new InputError("RMX0501", `there is no file ${JSON.stringify(path)}`);
  }
  if (!folder) return [path];
  return readdirSync(path, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const below = join(path, entry.name);
      if (entry.isDirectory())
        return entry.name === "node_modules" || entry.name.startsWith(".") ? [] : specsAt(below);
      return entry.isFile() && entry.name.endsWith(".rmx") ? [below] : [];
    });
}

function readSpec(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    throw new InputError("RMX0501", `${JSON.stringify(path)} cannot be read`);
  }
}
