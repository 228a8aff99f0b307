import { describe, expect, test } from "vitest";
import { limitPages } from "../../grammar/codes/limits.ts";
import { namePages } from "../../grammar/codes/names.ts";
import type { CodePage } from "../../grammar/codes/page.ts";
import { parameterPages } from "../../grammar/codes/parameters.ts";
import { shapePages } from "../../grammar/codes/shapes.ts";
import { codesOf, elaborateText } from "./harness.ts";

/** The elaborator reports all of them but RMX0490, a note of the command line. */
const pages: [string, CodePage][] = [namePages, shapePages, limitPages, parameterPages]
  .flatMap((range) => Object.entries(range))
  .filter(([code]) => code !== "RMX0490");

describe("the examples of every code's page", () => {
  test.each(pages)("%s fails as its page says, and only so", (code, page) => {
    expect(new Set(codesOf(page.failing))).toEqual(new Set([code]));
  });

  test.each(pages)("%s is mended by its page", (_code, page) => {
    expect(elaborateText(page.mended).diagnostics).toEqual([]);
  });

  test.each(pages)("%s is reported within a second", (_code, page) => {
    const start = performance.now();
    elaborateText(page.failing);
    expect(performance.now() - start).toBeLessThan(1000);
  });
});
