/** Pictures as text: one held as an expectation, and what every picture must be. */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { drawing } from "../../src/cli/picture/drawing.ts";
import { compile } from "../../src/compile.ts";

const spec = join(import.meta.dirname, "../../examples/ug_rankmixer.rmx");
const draw = async (set: Readonly<Record<string, number>>, reuse = true): Promise<string> =>
  drawing(await compile(spec, { set: { T: 4, U: 2, D: 16, rows: 20, ...set }, reuse, fuse: "vertical" }));

const count = (text: string, what: RegExp): number => [...text.matchAll(what)].length;
const kept = /rx="[\d.]+" fill="#d9f2e3" stroke="#1d7f4c" stroke-width="2"/g;

describe("the picture of a model", () => {
  it("is the one that was looked at", async () => {
    await expect(await draw({ L: 2 })).toMatchFileSnapshot("ug_rankmixer.svg");
  });

  it("is the same text on every run", async () => {
    expect(await draw({ L: 3 })).toBe(await draw({ L: 3 }));
  });

  it("marks what is kept, and the mask in the user's kernel alone", async () => {
    const svg = await draw({ L: 1 });
    // The user's tokens for the first layer's mixing, and the user's rows of its result for the mean.
    expect(count(svg, kept)).toBe(2);
    expect(count(svg, /▨ layers\.0\.block\.ug_token_mixing: masks 50 % of rows 0:2/g)).toBe(1);
    expect(count(svg, />user: once a request</g)).toBe(1);
  });

  it("has no kernel of the user stage without reuse", async () => {
    const svg = await draw({ L: 1 }, false);
    // The legend has the colour of the user's kernels once.
    const kernels = /fill="#e3eefb"/g;
    expect(count(svg, kernels)).toBe(1);
    expect(count(await draw({ L: 1 }), kernels)).toBeGreaterThan(4);
  });

  it("of eight layers shows one, and stays small", async () => {
    const svg = await draw({ L: 8 });
    expect(count(svg, /layers 0 … 7 {3}× 8/g)).toBe(2);
    expect(svg).not.toContain(">layers.1.");
    const [, width, height] = /width="(\d+)" height="(\d+)"/.exec(svg) ?? [];
    expect(Number(width)).toBeLessThan(1600);
    expect(Number(height)).toBeLessThan(1600);
  });

  it("is well-formed: every element that opens closes, and no text holds a bare < or &", async () => {
    const svg = await draw({ L: 2 });
    const open: string[] = [];
    for (const [, closing, name, selfClosing] of svg.matchAll(/<(\/?)([a-zA-Z]+)[^<>]*?(\/?)>/g)) {
      if (closing) expect(open.pop()).toBe(name);
      else if (!selfClosing) open.push(name ?? "");
    }
    expect(open).toEqual([]);
    expect(svg.replace(/<\/?[a-zA-Z]+[^<>]*>/g, "")).not.toMatch(/<|&(?!amp;|lt;|gt;|quot;)/);
  });
});
