import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { checkLibrary, type Elaborated, elaborate } from "../../src/model/elaborate.ts";
import { virtualHost } from "./harness.ts";

const MODEL = "model m() {\n  item { x: f32[4] }\n  task score = sum(half(x))\n}\n";
const HALF = "block half(x: [D]) -> [D] { return x * 0.5 }\n";

function run(files: Record<string, string>, links?: Record<string, string>): Elaborated {
  return elaborate("/project/m.rmx", { host: virtualHost(files, links) });
}

const codes = (result: Elaborated): string[] => result.diagnostics.map((d) => d.code);

describe("use", () => {
  test("brings the blocks of a file into scope, not those it uses itself", () => {
    expect(codes(run({ "m.rmx": `use "./lib/a.rmx"\n${MODEL}`, "lib/a.rmx": HALF }))).toEqual([]);
    const far = run({ "m.rmx": `use "./a.rmx"\n${MODEL}`, "a.rmx": 'use "./b.rmx"\n', "b.rmx": HALF });
    expect(codes(far)).toEqual(["RMX0101"]);
  });

  test("a diamond reads the shared file once and is no clash", () => {
    const shared = {
      "m.rmx": `use "./a.rmx"\nuse "./b.rmx"\nuse "./c.rmx"\n${MODEL}`,
      "a.rmx": 'use "./c.rmx"\n',
      "b.rmx": 'use "./c.rmx"\n',
    };
    expect(codes(run({ ...shared, "c.rmx": HALF }))).toEqual([]);
  });

  test("a cycle shows its chain", () => {
    const result = run({
      "m.rmx": `use "./a.rmx"\n${MODEL}`,
      "a.rmx": 'use "./b.rmx"\n',
      "b.rmx": `use "./a.rmx"\n${HALF}`,
    });
    expect(codes(result)).toEqual(["RMX0502"]);
    expect(result.diagnostics[0]?.message).toMatch(/a\.rmx → .*b\.rmx → .*a\.rmx$/);
    expect(result.diagnostics[0]?.secondary).toHaveLength(1);
  });

  test("missing files and modules", () => {
    const result = run({ "m.rmx": `use "./nowhere.rmx"\nuse std.rankmixr\n${MODEL}` });
    expect(codes(result)).toEqual(["RMX0501", "RMX0504"]);
    expect(result.diagnostics[1]?.help).toBe("did you mean `std.rankmixer`?");
    expect(codes(elaborate("/project/none.rmx", { host: virtualHost({}) }))).toEqual(["RMX0501"]);
  });

  test("two files that declare one name", () => {
    const result = run({ "m.rmx": `use "./a.rmx"\nuse "./b.rmx"\n${MODEL}`, "a.rmx": HALF, "b.rmx": HALF });
    expect(codes(result)).toEqual(["RMX0505"]);
  });

  test("leaving the project by `..`, by an absolute path, by a link", () => {
    expect(codes(run({ "m.rmx": `use "../out.rmx"\n${MODEL}`, "../out.rmx": HALF }))).toEqual(["RMX0503"]);
    expect(codes(run({ "m.rmx": `use "/etc/out.rmx"\n${MODEL}`, "/etc/out.rmx": HALF }))).toEqual([
      "RMX0503",
    ]);
    const linked = run(
      { "m.rmx": `use "./in.rmx"\n${MODEL}`, "../out.rmx": HALF },
      { "in.rmx": "../out.rmx" },
    );
    expect(codes(linked)).toEqual(["RMX0503"]);
    expect(linked.diagnostics[0]?.message).toContain("symbolic link");
  });

  test("the same on a real disk", () => {
    const folder = mkdtempSync(join(tmpdir(), "rmxc-"));
    mkdirSync(join(folder, "project"));
    writeFileSync(join(folder, "project", "package.json"), "{}");
    writeFileSync(join(folder, "half.rmx"), HALF);
    symlinkSync(join(folder, "half.rmx"), join(folder, "project", "link.rmx"));
    const entry = join(folder, "project", "m.rmx");
    writeFileSync(entry, `use "./link.rmx"\n${MODEL}`);
    expect(codes(elaborate(entry))).toEqual(["RMX0503"]);
    writeFileSync(join(folder, "project", "half.rmx"), HALF);
    writeFileSync(entry, `use "./half.rmx"\n${MODEL}`);
    expect(codes(elaborate(entry))).toEqual([]);
  });
});

describe("models of a file", () => {
  const two = `${MODEL}${MODEL.replace("model m", "model n")}${HALF}`;

  test("the last one unless one is named", () => {
    const host = virtualHost({ "m.rmx": two });
    expect(elaborate("/project/m.rmx", { host }).graph?.name).toBe("n");
    expect(elaborate("/project/m.rmx", { host, model: "m" }).graph?.name).toBe("m");
    expect(codes(elaborate("/project/m.rmx", { host, model: "q" }))).toEqual(["RMX0110"]);
  });

  test("a library is checked without one", () => {
    expect(checkLibrary("/project/m.rmx", virtualHost({ "m.rmx": HALF }))).toMatchObject({
      models: [],
      diagnostics: [],
    });
    const wrong = checkLibrary(
      "/project/m.rmx",
      virtualHost({ "m.rmx": "block b(x: [D]) -> [D] { return y }" }),
    );
    expect(wrong.diagnostics.map((d) => d.code)).toEqual(["RMX0101"]);
  });

  test("--set", () => {
    const text =
      "model m(D: int = 4, wide: bool = false, sizes: int[] = [1, 2]) {\n  item { x: f32[D] }\n  task score = linear(x, len(sizes))\n}";
    const host = virtualHost({ "m.rmx": text });
    const set = (sets: Record<string, string>): Elaborated => elaborate("/project/m.rmx", { host, sets });
    expect(set({ D: "1_6", sizes: "[1, 2, 3]" }).graph?.params[0]?.shape).toEqual([16, 3]);
    expect(codes(set({ d: "16" }))).toEqual(["RMX0115"]);
    expect(codes(set({ D: "4.5" }))).toEqual(["RMX0115"]);
    expect(codes(set({ wide: "yes" }))).toEqual(["RMX0115"]);
  });
});
