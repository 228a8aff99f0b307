/**
 * @file Whatever text the compiler is given, it answers with kernels or with diagnostics, and soon: random mutations of
 * the examples go through the whole of `compile`.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DiagnosticError } from "../../grammar/diagnostics.ts";
import { compile } from "../../src/compile.ts";
import { InputError } from "../../src/ir/error.ts";
import { folder, root } from "../support/cli.ts";

const examples = ["quickstart", "rankmixer"].map((name) =>
  readFileSync(join(root, `examples/${name}.rmx`), "utf8"),
);

/** Pieces that mean something, so that mutations get past the parser. */
const words = [
  "0",
  "1",
  "7",
  "1_000_000_000",
  "-1",
  "(",
  ")",
  "{",
  "}",
  "[",
  "]",
  ",",
  "=",
  "x",
  "T",
  "D",
  "+ x",
  "* 2",
  "/ 3",
].concat([
  "as y",
  "|> relu()",
  '"t d -> d"',
  "\n",
  "//",
  "repeat 3 as l {",
  "param w: [D]",
  "inf",
  "user",
  "item",
  "if true {",
  "3.5",
]);

const mutation = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  cut: fc.nat(12),
  put: fc.oneof(fc.constantFrom(...words), fc.constant(""), fc.string({ maxLength: 4 })),
});

function mutate(text: string, mutations: readonly { at: number; cut: number; put: string }[]): string {
  return mutations.reduce((mutated, { at, cut, put }) => {
    const start = Math.floor(at * mutated.length);
    return mutated.slice(0, start) + put + mutated.slice(start + cut);
  }, text);
}

/** Of processor time, which other processes on the machine do not lengthen. */
const LIMIT_MS = 1000;

describe("compile", () => {
  it("answers every mutation of the examples with kernels or diagnostics within a second", async () => {
    const path = join(folder(), "m.rmx");
    // Warm: the first compile of a process pays for the compiler's own start.
    writeFileSync(path, examples[0] ?? "");
    await compile(path);
    let compiled = 0;
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...examples),
        fc.array(mutation, { minLength: 1, maxLength: 4 }),
        async (text, mutations) => {
          writeFileSync(path, mutate(text, mutations));
          const started = process.cpuUsage();
          try {
            await compile(path);
            compiled += 1;
          } catch (error) {
            if (!(error instanceof DiagnosticError || error instanceof InputError)) throw error;
            refused += 1;
          }
          const { user, system } = process.cpuUsage(started);
          expect((user + system) / 1000).toBeLessThan(LIMIT_MS);
        },
      ),
      { numRuns: 500, seed: 20, endOnFailure: true },
    );
    expect(compiled).toBeGreaterThan(0);
    expect(refused).toBeGreaterThan(0);
  }, 60_000);
});
