/** @file The package's version, from its package.json: beside `dist/` in a bundle, at the root of the source tree. */
import { readFileSync } from "node:fs";

const CANDIDATES = ["../package.json", "../../package.json"];

export function packageVersion(): string {
  for (const candidate of CANDIDATES) {
    try {
      const found: unknown = JSON.parse(readFileSync(new URL(candidate, import.meta.url), "utf8"));
      if (isPackage(found)) return found.version;
    } catch {
      // Not at this place; the next one may hold it.
    }
  }
  throw new Error("internal: the package has no package.json");
}

function isPackage(value: unknown): value is { name: string; version: string } {
  if (typeof value !== "object" || value === null) return false;
  const { name, version } = value as Record<string, unknown>;
  return name === "rmxc" && typeof version === "string";
}
