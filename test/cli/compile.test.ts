/** @file `rmxc compile`: the artifact, what it never names, and that it appears whole or not at all. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { describe, expect, it } from "vitest";
import { codesIn, folder, rmxc, root } from "../support/cli.ts";

const quickstart = join(root, "examples/quickstart.rmx");
const small = [quickstart, "--set", "D=32"];

/** Every file below `path` with its text. */
function tree(path: string): Map<string, string> {
  const files = readdirSync(path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(
    files
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
      .map((file) => [relative(path, file), readFileSync(file, "utf8")]),
  );
}

describe("compile -o", () => {
  it("writes the same bytes on every run, and nothing of the machine", () => {
    const cwd = folder();
    for (const out of ["a", "b"]) {
      const ran = rmxc(["compile", ...small, "-o", out], { cwd });
      expect(ran).toMatchObject({ status: 0 });
    }
    const [a, b] = [tree(join(cwd, "a")), tree(join(cwd, "b"))];
    expect([...a]).toEqual([...b]);
    expect([...a.keys()]).toContain("plan.json");
    expect([...a.keys()]).toContain("README.txt");
    expect([...a.keys()].filter((name) => /^kernels\/\w+\.wgsl$/.test(name)).length).toBeGreaterThan(3);
    const text = [...a.values()].join("\n");
    expect(text).not.toContain(root);
    expect(text).not.toContain(cwd);
    expect(text).not.toMatch(/\b20\d\d-\d\d-\d\d\b/);
    expect(text).not.toContain(process.version);
    expect(readdirSync(cwd).sort()).toEqual(["a", "b"]);
  });

  it("does not depend on the folder from which the spec is named", () => {
    const cwd = folder();
    rmxc(["compile", ...small, "-o", join(cwd, "a")], { cwd: root });
    rmxc(["compile", relative(join(root, "src"), quickstart), "--set", "D=32", "-o", join(cwd, "b")], {
      cwd: join(root, "src"),
    });
    expect([...tree(join(cwd, "a"))]).toEqual([...tree(join(cwd, "b"))]);
  });

  it("gives each profile a folder of kernels, named by plan.json", () => {
    const cwd = folder();
    const ran = rmxc(["compile", ...small, "--profile", "gpu", "--profile", "software", "-o", "out"], {
      cwd,
    });
    expect(ran.status).toBe(0);
    const files = tree(join(cwd, "out"));
    const plan = JSON.parse(files.get("plan.json") ?? "") as {
      variants: { profile: { name: string }; kernels: Record<string, { file: string }[]> }[];
    };
    expect(plan.variants.map((variant) => variant.profile.name)).toEqual(["gpu", "software"]);
    const named = plan.variants.flatMap((variant) =>
      Object.values(variant.kernels)
        .flat()
        .map((kernel) => kernel.file),
    );
    const written = [...files.keys()].filter((name) => name.startsWith("kernels/"));
    expect([...named].sort()).toEqual(written);
    expect(named.some((file) => file.startsWith("kernels/gpu/"))).toBe(true);
    expect(named.some((file) => file.startsWith("kernels/software/"))).toBe(true);
  });

  it.each(["sm_80", "sm_90", "sm_90a"])(
    "--target cuda --arch %s writes a text a kernel, which needs no header",
    (arch) => {
      const cwd = folder();
      const ran = rmxc(["compile", ...small, "--target", "cuda", "--arch", arch, "-o", "out"], { cwd });
      expect(ran.status, ran.stderr).toBe(0);
      const files = tree(join(cwd, "out"));
      const texts = [...files].filter(([name]) => /^kernels\/\w+\.cu$/.test(name));
      expect(texts.length).toBe(files.size - 2);
      for (const [, text] of texts) {
        expect(text).toContain('extern "C" __global__ void');
        expect(text).not.toContain("#include");
      }
      const plan = JSON.parse(files.get("plan.json") ?? "") as {
        variants: { profile: { cuda?: unknown } }[];
      };
      expect(plan.variants.map(({ profile }) => profile.cuda)).toEqual([{ arch }]);
    },
  );

  it.each([
    [["--target", "cuda", "--arch", "sm_75"], "--arch is one of"],
    [["--arch", "sm_90"], "add --target cuda"],
    [["--target", "cuda", "--profile", "gpu"], "--target cuda and --arch"],
    [["--target", "hip"], "--target is one of"],
  ])("takes no %j, and writes nothing", (args, hint) => {
    const cwd = folder();
    const ran = rmxc(["compile", ...small, ...args, "-o", "out"], { cwd });
    expect(ran).toMatchObject({ status: 2, stdout: "" });
    expect(ran.stderr).toContain(hint);
    expect(readdirSync(cwd)).toEqual([]);
  });

  it("replaces what it wrote before, and leaves nothing of it behind", () => {
    const cwd = folder();
    expect(rmxc(["compile", ...small, "-o", "out", "--profile", "software"], { cwd }).status).toBe(0);
    writeFileSync(join(cwd, "out/kernels/stale.wgsl"), "stale");
    expect(rmxc(["compile", ...small, "-o", "out"], { cwd }).status).toBe(0);
    expect([...tree(join(cwd, "out")).keys()]).not.toContain("kernels/stale.wgsl");
  });

  it("never replaces a folder of someone's files, a file, or what lies under a file", () => {
    const cwd = folder({ "precious/thesis.txt": "years of work", file: "text" });
    for (const out of ["precious", "file", "file/out", "."]) {
      const ran = rmxc(["compile", ...small, "-o", out], { cwd });
      expect(ran).toMatchObject({ status: 1 });
      expect(codesIn(ran)).toEqual(["RMX0510"]);
    }
    expect([...tree(cwd)]).toEqual([
      ["file", "text"],
      ["precious/thesis.txt", "years of work"],
    ]);
  });

  it("fills an empty folder", () => {
    const cwd = folder();
    mkdirSync(join(cwd, "out"));
    expect(rmxc(["compile", ...small, "-o", "out"], { cwd }).status).toBe(0);
    expect(existsSync(join(cwd, "out/plan.json"))).toBe(true);
  });

  it("writes nothing when the spec is wrong", () => {
    const cwd = folder({ "m.rmx": "model m {" });
    expect(rmxc(["compile", "m.rmx", "-o", "out"], { cwd }).status).toBe(1);
    expect(readdirSync(cwd)).toEqual(["m.rmx"]);
  });
});

describe("compile", () => {
  it.each(["graph", "plan", "kernels"])("--emit %s prints it, the same on every run", (what) => {
    const [a, b] = [rmxc(["compile", ...small, "--emit", what]), rmxc(["compile", ...small, "--emit", what])];
    expect(a.status).toBe(0);
    expect(a.stdout.length).toBeGreaterThan(500);
    expect(a.stdout).toBe(b.stdout);
  });

  it("prints the IR after every pass that it lists", () => {
    const { stdout } = rmxc(["compile", "--print-passes", "--json"]);
    const names = (JSON.parse(stdout) as { name: string; summary: string }[]).map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(["simplify", "fold-layout", "split-stages", "fuse"]));
    const all = rmxc(["compile", ...small, ...names.flatMap((name) => ["--print-after", name])]);
    expect(all.status, all.stderr).toBe(0);
    const parts = all.stdout.split(/^\/\/ after (?=[\w-]+$)/m).slice(1);
    // What runs twice is printed twice.
    expect(new Set(parts.map((part) => part.split("\n")[0]))).toEqual(new Set(names));
    for (const part of parts) expect(part.length).toBeGreaterThan(500);
    const one = rmxc(["compile", ...small, "--print-after", "fuse"]);
    expect(one.stdout.startsWith("// after fuse\n")).toBe(true);
    expect(one.stdout.match(/^\/\/ after /gm)).toHaveLength(1);
  });

  it("says what a profile file lacks", () => {
    const cwd = folder({ "p.json": '{ "name": "mine", "limits": { "storageBinding": -4 } }' });
    const ran = rmxc(["compile", ...small, "--profile", "p.json"], { cwd });
    expect(ran.status).toBe(1);
    expect(codesIn(ran)).toEqual(["RMX0809"]);
    expect(ran.stderr).toContain("limits.storageBinding");
  });

  it("says once that WebGPU multiplies in f32", () => {
    const ran = rmxc(["compile", join(root, "examples/rankmixer.rmx"), "--set", "D=64"]);
    expect(ran.status).toBe(0);
    expect(ran.stderr.match(/WebGPU kernels add and multiply in f32/g)).toHaveLength(1);
    expect(rmxc(["compile", ...small]).stderr).toBe("");
  });
});
