/** @file `rmxc cost`: what it prints, its JSON, devices by name and by file, and what is wrong with one. */
import { describe, expect, it } from "vitest";
import { codesIn, folder, rmxc } from "../support/cli.ts";

/** 12 · 8 + 8 parameters: 192 FLOPs of products and 8 others a candidate. */
const spec =
  "model m() {\n  item { x: f32[12] }\n  task y = linear(x, 8)\n  serve { requests <= 2, candidates <= 10 }\n}\n";

describe("cost", () => {
  it("prints parts, stages and what reuse saves", () => {
    const cwd = folder({ "m.rmx": spec });
    const ran = rmxc(["cost", "m.rmx"], { cwd });
    expect(ran).toMatchObject({ status: 0, stderr: "" });
    expect(ran.stdout).toContain("m: 104 parameters (416 B as stored), 0 in tables");
    expect(ran.stdout).toContain("a call: 2 requests with 10 candidates in all");
    // Of each candidate 192 + 8 FLOPs, of the call 2000 and 416 + 10 · 80 bytes.
    expect(ran.stdout).toMatch(/^all +104 +200 +2\.00 k +1\.19 KiB +1\.64$/m);
    expect(ran.stdout).toMatch(
      /^item +10 candidates +2\.00 k +96\.0 % +1\.19 KiB +1\.64 +\S+ [nµ]?s, memory$/m,
    );
    expect(ran.stdout).toMatch(/^FLOPs +2\.00 k +2\.00 k +0\.0 %$/m);
  });

  it("prints the same as JSON, for the device in a file", () => {
    const device = JSON.stringify({ name: "mine", flops: 1000, bandwidth: 1e12 });
    const cwd = folder({ "m.rmx": spec, "mine.json": device });
    const args = ["cost", "m.rmx", "--candidates", "5", "--device", "mine.json", "--json"];
    const said = JSON.parse(rmxc(args, { cwd }).stdout);
    expect(said).toMatchObject({
      model: "m",
      parameters: { dense: 104, tables: 0, training: 0 },
      requests: 2,
      candidates: 5,
      device: { name: "mine" },
      stages: { item: { products: 192, other: 8, call: { flops: 1000, seconds: 1, boundBy: "arithmetic" } } },
    });
    expect(said.parts).toMatchObject([{ label: "y", parameters: 104 }]);
  });

  it.each([
    ["an unknown device", "h1000", {}, /h100-sxm/],
    ["a file that is no JSON", "d.json", { "d.json": "{" }, /bandwidth must be a positive number/],
    [
      "ceilings that are not positive",
      "d.json",
      { "d.json": '{ "name": "d", "flops": 0, "bandwidth": 1 }' },
      /flops must/,
    ],
  ])("refuses %s", (_, device, files, said) => {
    const cwd = folder({ "m.rmx": spec, ...files });
    const ran = rmxc(["cost", "m.rmx", "--device", device], { cwd });
    expect(ran).toMatchObject({ status: 1, stdout: "" });
    expect(codesIn(ran)).toEqual(["RMX0811"]);
    expect(ran.stderr).toMatch(said);
  });

  it("names the errors of a spec, and a depth of nothing", () => {
    const cwd = folder({ "m.rmx": spec.replace("linear", "liner") });
    expect(codesIn(rmxc(["cost", "m.rmx"], { cwd }))).toEqual(["RMX0101"]);
    expect(rmxc(["cost", "m.rmx", "--depth", "0"], { cwd }).status).toBe(2);
  });
});
