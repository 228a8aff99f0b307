/** @file Words, streams and exit codes of the command line. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { folder, rmxc, root } from "../support/cli.ts";

const quickstart = "examples/quickstart.rmx";

describe("usage", () => {
  it("prints help and the version on stdout", () => {
    const help = rmxc(["--help"]);
    expect(help).toMatchObject({ status: 0, stderr: "" });
    for (const command of ["check", "compile", "run", "params", "fmt", "explain", "doctor"]) {
      expect(help.stdout).toContain(`rmxc ${command}`);
    }
    const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
    expect(rmxc(["--version"])).toEqual({ status: 0, stdout: `${version}\n`, stderr: "" });
  });

  it.each([
    [["complie", quickstart], "did you mean compile?"],
    [["check", quickstart, "--jsn"], "did you mean --json?"],
    [["run", quickstart, "--candidate", "3"], "did you mean --candidates?"],
    [["compile", quickstart, "--print-after", "fold-layot"], "did you mean fold-layout?"],
    [["explain", "RMX9999"], "rmxc explain lists all codes"],
  ])("%j is wrong usage with a hint", (args, hint) => {
    const ran = rmxc(args);
    expect(ran).toMatchObject({ status: 2, stdout: "" });
    expect(ran.stderr).toContain(hint);
  });

  it.each([
    [[]],
    [["check"]],
    [["check", quickstart, "more"]],
    [["check", quickstart, "--set", "D"]],
    [["check", quickstart, "--set", "D=1", "--set", "D=2"]],
    [["run", quickstart, "--candidates", "many"]],
    [["run", quickstart, "--candidates", "-1"]],
    [["run", quickstart, "--seed", "1", "--seed", "2"]],
    [["run", quickstart, "--device", "abacus"]],
    [["compile", quickstart, "--target", "cobol"]],
    [["compile", quickstart, "--emit", "plan", "--json"]],
    [["compile"]],
  ])("%j is wrong usage", (args) => {
    const ran = rmxc(args);
    expect(ran).toMatchObject({ status: 2, stdout: "" });
    expect(ran.stderr).toMatch(/^rmxc: \S/);
  });

  it("keeps talk out of stdout and results out of stderr", () => {
    const ran = rmxc(["params", quickstart]);
    expect(ran.status).toBe(0);
    expect(ran.stderr).toBe("");
    expect(ran.stdout).toContain("layers.0.block.ffn.w1");
  });

  it.each([
    ["check", quickstart],
    ["params", quickstart],
    ["compile", quickstart],
    ["explain", "RMX0501"],
    ["explain"],
    ["doctor"],
  ])("%s %s --json prints one JSON document", (...args) => {
    const ran = rmxc([...args, "--json"]);
    expect(ran.status).toBe(0);
    expect(() => JSON.parse(ran.stdout)).not.toThrow();
  });

  it("prints diagnostics as JSON too, and still exits 1", () => {
    const cwd = folder({ "m.rmx": "model m {\n  task t = nothing\n}\n" });
    const ran = rmxc(["check", "m.rmx", "--json"], { cwd });
    expect(ran).toMatchObject({ status: 1, stderr: "" });
    const { ok, diagnostics } = JSON.parse(ran.stdout) as { ok: boolean; diagnostics: { code: string }[] };
    expect(ok).toBe(false);
    expect(diagnostics.map((d) => d.code)).toEqual(["RMX0101"]);
  });

  it("is quiet when the reader of stdout leaves", () => {
    const command = `"${process.execPath}" dist/cli.js compile ${quickstart} --emit kernels | head -n 1; exit \${PIPESTATUS[0]}`;
    const { status, stderr } = spawnSync("bash", ["-c", command], { cwd: root, encoding: "utf8" });
    expect(stderr).toBe("");
    expect(status).toBe(0);
  });

  it("explains a code that a diagnostic showed", () => {
    const ran = rmxc(["explain", "rmx0501"]);
    expect(ran.status).toBe(0);
    expect(ran.stdout).toMatch(/^# RMX0501: /);
    expect(ran.stdout).toContain("This fails:");
    expect(ran.stdout).toContain("This is right:");
  });
});

describe("fmt", () => {
  const crooked = "block  b( x:[D] )->[D]{\nreturn   x+1\n}\n";

  it("rewrites what is not canonical and names it", () => {
    const cwd = folder({ "a.rmx": crooked });
    expect(rmxc(["fmt", "--check", "."], { cwd })).toMatchObject({ status: 1, stdout: "a.rmx\n" });
    expect(readFileSync(join(cwd, "a.rmx"), "utf8")).toBe(crooked);
    expect(rmxc(["fmt", "."], { cwd })).toMatchObject({ status: 0, stdout: "a.rmx\n" });
    expect(readFileSync(join(cwd, "a.rmx"), "utf8")).toBe("block b(x: [D]) -> [D] {\n  return x + 1\n}\n");
    expect(rmxc(["fmt", "--check", "a.rmx"], { cwd })).toMatchObject({ status: 0, stdout: "" });
  });

  it("leaves a file with a syntax error alone", () => {
    const cwd = folder({ "a.rmx": "block {\n" });
    const ran = rmxc(["fmt", "a.rmx"], { cwd });
    expect(ran.status).toBe(1);
    expect(ran.stderr).toMatch(/^error\[RMX00/m);
    expect(readFileSync(join(cwd, "a.rmx"), "utf8")).toBe("block {\n");
  });

  it("finds the examples and the library canonical", () => {
    expect(rmxc(["fmt", "--check", "examples", "src/std"])).toMatchObject({ status: 0, stdout: "" });
  });
});
