/** @file Where this user's caches lie, by the customs of each system. */
import { createHash } from "node:crypto";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * `RMXC_CACHE` where it is set; else `%LOCALAPPDATA%\rmxc\cache` on Windows, `~/Library/Caches/rmxc` on macOS,
 * `$XDG_CACHE_HOME/rmxc` elsewhere, by default `~/.cache/rmxc` (XDG Base Directory Specification: a relative path is ignored).
 */
export function cacheFolder(
  env: Environment = process.env,
  platform: NodeJS.Platform = process.platform,
  home: string = homedir(),
): string {
  if (env.RMXC_CACHE) return env.RMXC_CACHE;
  if (platform === "win32") return join(env.LOCALAPPDATA || join(home, "AppData", "Local"), "rmxc", "cache");
  if (platform === "darwin") return join(home, "Library", "Caches", "rmxc");
  const xdg = env.XDG_CACHE_HOME;
  return join(xdg && isAbsolute(xdg) ? xdg : join(home, ".cache"), "rmxc");
}

/** A file name for a thing that people know by `name` and that `identity` tells apart: `llvmpipe-mesa-25-0-7-1a2b3c4d`. */
export function fileNameOf(name: string, identity: string): string {
  const slug = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "")
    .slice(0, 40)
    .replace(/-$/, "");
  const hash = createHash("sha256").update(identity).digest("hex").slice(0, 8);
  return slug === "" ? hash : `${slug}-${hash}`;
}
