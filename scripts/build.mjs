/**
 * @file Builds the package: `dist/cli.js` and `dist/index.js` (bundled, with what they share and load lazily under
 * `dist/chunks/`), the standard library, and the declarations of the API.
 */
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import ts from "typescript";

const root = join(import.meta.dirname, "..");
/** Built aside and swapped in whole, so that a build that fails, or two at once, leave the old one usable. */
const dist = join(root, `dist.${process.pid}`);

/** Left to Node: the native device bindings, and CommonJS packages that `require` Node's own modules. */
const external = ["webgpu", "koffi", "yargs", "yargs/helpers", "cli-progress", "picocolors"];

async function bundle() {
  await build({
    absWorkingDir: root,
    entryPoints: { cli: "src/cli/main.ts", index: "src/index.ts" },
    outdir: dist,
    chunkNames: "chunks/[name]-[hash]",
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20",
    external,
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: "none",
    logLevel: "warning",
  });
  chmodSync(join(dist, "cli.js"), 0o755);
}

function copyLibrary() {
  const from = join(root, "src/std");
  const to = join(dist, "std");
  mkdirSync(to, { recursive: true });
  for (const name of readdirSync(from)) if (name.endsWith(".rmx")) cpSync(join(from, name), join(to, name));
}

/** Declarations of `src/index.ts` and what it exports. Types are checked elsewhere (`npm run typecheck`). */
function declare() {
  const { config } = ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile);
  const { options: written } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const options = { ...written, outDir: join(dist, "types") };
  const program = ts.createProgram([join(root, "src/index.ts")], options);
  const { diagnostics } = program.emit(undefined, undefined, undefined, true);
  if (diagnostics.length > 0) {
    const host = {
      getCanonicalFileName: (name) => name,
      getCurrentDirectory: () => root,
      getNewLine: () => "\n",
    };
    throw new Error(ts.formatDiagnostics(diagnostics, host));
  }
}

/** Puts the finished build in the place of the one before. */
function swap() {
  const final = join(root, "dist");
  const old = join(root, `dist.${process.pid}.old`);
  if (existsSync(final)) renameSync(final, old);
  renameSync(dist, final);
  rmSync(old, { recursive: true, force: true });
}

try {
  await bundle();
  copyLibrary();
  declare();
  swap();
} finally {
  rmSync(dist, { recursive: true, force: true });
}
