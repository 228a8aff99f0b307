/** @file The README shows what is so: its kernel is what the compiler emits, its library text is the library's, its commands exist. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { rmxc, root } from "../support/cli.ts";

const readme = readFileSync(join(root, "README.md"), "utf8");

function block(language: string): string {
  return new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, "s").exec(readme)?.[1] ?? "";
}

describe("README", () => {
  it("shows a kernel as it is emitted", async () => {
    const command = /^npx rmxc (compile .*)$/m.exec(readme)?.[1] ?? "";
    const { stdout } = rmxc(command.split(" "));
    const name = /^\/\/ (\w+)/.exec(block("wgsl"))?.[1] ?? "";
    const kernel = stdout
      .split(/\n(?=\/\/ \w+ \(\w+ stage\)\n)/)
      .find((text) => text.startsWith(`// ${name} `));
    const now = readme.replace(block("wgsl"), () => `${kernel?.trim()}\n`);
    // `npm run test:update` writes a kernel that has changed into the README.
    await expect(now).toMatchFileSnapshot("../../README.md");
  });

  it("shows the library as it is", () => {
    const library = readFileSync(join(root, "src/std/rankmixer.rmx"), "utf8");
    const parts = block("rmx")
      .split("\n\n")
      .map((part) => part.trimEnd());
    expect(parts.length).toBeGreaterThan(1);
    for (const part of parts) expect(library).toContain(part);
  });

  it("names folders and files that exist", () => {
    const named = [...readme.matchAll(/^\| (`.*?`) \|/gm)].flatMap((row) => [
      ...(row[1] ?? "").matchAll(/`([^`]+)`/g),
    ]);
    const linked = [...readme.matchAll(/\]\(([^)]+)\)/g)];
    expect(named.length).toBeGreaterThan(10);
    for (const [, path = ""] of [...named, ...linked]) expect(existsSync(join(root, path)), path).toBe(true);
  });
});
