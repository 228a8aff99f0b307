/** @file Every way that a spec can be wrong, through the command line: the code, the frame, the hint, and exit 1. */
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { codesIn, folder, type Ran, rmxc } from "../support/cli.ts";

/** A model around `body`, which scores `y`. */
function model(body: string, head = ""): string {
  return `${head}model m(T: int = 4, D: int = 16) {
  item { x: f32[4, 16] }
${body}
  task t = mean(y, "t d -> ")
}
`;
}

function check(text: string, args: readonly string[] = []): Ran {
  const cwd = folder({ "m.rmx": text });
  const ran = rmxc(["check", "m.rmx", ...args], { cwd });
  expect(ran.stderr).not.toMatch(/^\s+at .*:\d+:\d+\)?$/m);
  return ran;
}

function expectError(ran: Ran, code: string): void {
  expect(codesIn(ran)).toContain(code);
  expect(ran.status).toBe(1);
  expect(ran.stdout).toBe("");
}

describe("a spec that is wrong", () => {
  it("reports a syntax error in the middle and a second one later", () => {
    const ran = check(model("  y = x + * 2\n  a = 3\n  z = (1 * )\n"));
    expect(ran.status).toBe(1);
    expect(codesIn(ran)).toHaveLength(2);
    expect(codesIn(ran).every((code) => code.startsWith("RMX00"))).toBe(true);
    expect(ran.stderr).toContain("m.rmx:3:");
    expect(ran.stderr).toContain("m.rmx:5:");
  });

  it("offers the name that is one letter off", () => {
    const ran = check(model("  y = layer_nrm(x)"));
    expectError(ran, "RMX0101");
    expect(ran.stderr).toContain("m.rmx:3:7");
    expect(ran.stderr).toMatch(/did you mean `layer_norm`\?/);
  });

  it("shows the call and the place where a dimension was bound, three calls deep", () => {
    const blocks = `block inner(a: [T, D], b: [T, D]) -> [T, D] {
  return a + b
}
block middle(a: [T, D]) -> [T, D] {
  return inner(a, a[:, 0:8])
}
block outer(a: [T, D]) -> [T, D] {
  return middle(a)
}
`;
    const ran = check(model("  y = outer(x)", blocks));
    expect(ran.status).toBe(1);
    expect(codesIn(ran)[0]).toMatch(/^RMX02/);
    expect(ran.stderr).toMatch(/bound to 16/);
    expect(ran.stderr).toMatch(/in this call of `outer`/);
    expect(ran.stderr).toContain("return inner(a, a[:, 0:8])");
  });

  it("names the heads that do not divide", () => {
    const ran = check(model("  y = token_mixing(x, heads = 5)", "use std.rankmixer\n"));
    expect(ran.status).toBe(1);
    expect(codesIn(ran)[0]).toMatch(/^RMX02/);
    expect(ran.stderr).toContain("y = token_mixing(x, heads = 5)");
    expect(ran.stderr).toMatch(/divi/);
  });

  it("shows the chain of a use cycle", () => {
    const cwd = folder({
      "package.json": "{}",
      "m.rmx": model("  y = x", 'use "./a.rmx"\n'),
      "a.rmx": 'use "./b.rmx"\nblock a(x: [D]) -> [D] {\n  return x\n}\n',
      "b.rmx": 'use "./a.rmx"\nblock b(x: [D]) -> [D] {\n  return x\n}\n',
    });
    const ran = rmxc(["check", "m.rmx"], { cwd });
    expectError(ran, "RMX0502");
    expect(ran.stderr).toContain("a.rmx → b.rmx → a.rmx");
  });

  it("says that a used file is missing", () => {
    expectError(check(model("  y = x", 'use "./nowhere.rmx"\n')), "RMX0501");
  });

  it("refuses a use that leaves the project through ..", () => {
    const cwd = folder({
      "outside.rmx": "",
      "project/package.json": "{}",
      "project/m.rmx": model("  y = x", 'use "../outside.rmx"\n'),
    });
    expectError(rmxc(["check", "m.rmx"], { cwd: join(cwd, "project") }), "RMX0503");
  });

  it("refuses a use that leaves the project through a link", () => {
    const cwd = folder({
      "outside.rmx": "",
      "project/package.json": "{}",
      "project/m.rmx": model("  y = x", 'use "./inside.rmx"\n'),
    });
    symlinkSync(join(cwd, "outside.rmx"), join(cwd, "project/inside.rmx"));
    const ran = rmxc(["check", "m.rmx"], { cwd: join(cwd, "project") });
    expectError(ran, "RMX0503");
    expect(ran.stderr).toContain("symbolic link");
  });

  it.each([
    ["a huge repeat", "  y = x\n  repeat 1_000_000_000 as l {\n    y = y + 1\n  }"],
    [
      "nested repeats",
      "  y = x\n  repeat 10_000 as a {\n    repeat 10_000 as b {\n      y = y + 1\n    }\n  }",
    ],
    ["a huge parameter", "  param w: [1_000_000_000, 1_000_000_000]\n  y = x + sum(w)"],
    ["a huge value", '  y = broadcast(x, "t d -> a t d", a = 1_000_000_000_000) |> mean("a t d -> t d")'],
    ["endless recursion", "  y = forever(x)"],
  ])("stops at a limit that the message names: %s", (_, body) => {
    const forever = "block forever(x: [T, D]) -> [T, D] {\n  return forever(x)\n}\n";
    const started = performance.now();
    const ran = check(model(body, forever));
    expect(ran.status).toBe(1);
    expect(codesIn(ran)[0]).toMatch(/^RMX03/);
    expect(ran.stderr).toMatch(/\d/);
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it("knows the model's parameters that --set may name", () => {
    const ran = check(model("  y = x"), ["--set", "W=3"]);
    expect(ran.status).toBe(1);
    expect(codesIn(ran)).toHaveLength(1);
  });
});

describe("a path that is no spec", () => {
  it("is not there", () => {
    expectError(rmxc(["check", "nowhere.rmx"]), "RMX0501");
  });

  it("is a folder", () => {
    const cwd = folder();
    mkdirSync(join(cwd, "d.rmx"));
    expectError(rmxc(["compile", "d.rmx"], { cwd }), "RMX0511");
  });

  it("is binary", () => {
    const cwd = folder();
    writeFileSync(join(cwd, "b.rmx"), Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 1, 2, 3, 0xff, 0xfe]));
    expectError(rmxc(["run", "b.rmx"], { cwd }), "RMX0511");
  });

  it("is garbage that is not UTF-8", () => {
    const bytes = Buffer.from(Array.from({ length: 2000 }, (_, i) => 128 + ((i * 37) % 127)));
    const cwd = folder({ "g.rmx": bytes });
    const ran = rmxc(["check", "g.rmx"], { cwd });
    expect(ran.status).toBe(1);
    expect(codesIn(ran).length).toBeGreaterThan(0);
  });

  it("is a library, which check takes and compile does not", () => {
    const cwd = folder({ "l.rmx": "block twice(x: [D]) -> [D] {\n  return x + x\n}\n" });
    expect(rmxc(["check", "l.rmx"], { cwd })).toMatchObject({ status: 0, stderr: "" });
    expectError(rmxc(["compile", "l.rmx"], { cwd }), "RMX0110");
  });

  it("is empty", () => {
    const ran = check("");
    expect(ran.status).toBe(1);
    expect(codesIn(ran)).toHaveLength(1);
  });
});
