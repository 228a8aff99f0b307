/** @file The tarball that `npm pack` makes installs into an empty folder, holds what it needs and no more, and works. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { folder, root } from "../support/cli.ts";

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

function run(command: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd,
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1" },
  });
  expect(status, `${command} ${args.join(" ")}\n${stdout}\n${stderr}`).toBe(0);
  return stdout;
}

/** The dependencies as `npm ci` installed them here, so that the test needs no network. */
function installDependencies(into: string): void {
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
    packages: Record<string, { dev?: boolean; optional?: boolean }>;
  };
  for (const [path, { dev, optional }] of Object.entries(lock.packages)) {
    if (path === "" || dev === true || optional === true) continue;
    cpSync(join(root, path), join(into, path), { recursive: true });
  }
}

describe("the package", () => {
  it("packs, installs into an empty folder and works without the device bindings", () => {
    const cwd = folder({ "package.json": '{ "name": "user", "version": "1.0.0", "type": "module" }' });
    const [packed] = JSON.parse(
      run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", cwd], root),
    ) as Packed[];
    const files = packed?.files.map((file) => file.path) ?? [];
    expect(files).toEqual(
      expect.arrayContaining(["dist/cli.js", "dist/index.js", "LICENSE", "README.md", "package.json"]),
    );
    expect(
      files.filter((path) => /^(test|bench|node_modules|src\/(?!std\/)|grammar|passes)\//.test(path)),
    ).toEqual([]);

    const place = join(cwd, "node_modules/rmxc");
    mkdirSync(place, { recursive: true });
    run("tar", ["-xzf", join(cwd, packed?.filename ?? ""), "-C", place, "--strip-components=1"], cwd);
    installDependencies(cwd);

    const cli = join(place, "dist/cli.js");
    const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
    expect(run(process.execPath, [cli, "--version"], cwd)).toBe(`${version}\n`);
    cpSync(join(root, "examples/quickstart.rmx"), join(cwd, "model.rmx"));
    expect(run(process.execPath, [cli, "check", "model.rmx"], cwd)).toContain("is fine");
    expect(
      run(process.execPath, [cli, "run", "model.rmx", "--set", "D=16", "--candidates", "3"], cwd),
    ).toContain("reference");

    writeFileSync(
      join(cwd, "use.js"),
      'import { compile } from "rmxc";\nconst program = await compile("model.rmx", { set: { D: 16 } });\nconsole.log(program.plans.length, program.kernels(program.plans[0]).length > 0);\n',
    );
    expect(run(process.execPath, ["use.js"], cwd)).toBe("1 true\n");
  }, 60_000);
});
