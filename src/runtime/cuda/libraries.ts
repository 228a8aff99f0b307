/**
 * @file Where CUDA's pieces lie. The driver, libcuda, comes with the kernel module and is found by the loader's own paths. A compiler
 * is either NVRTC, a library that any of a toolkit, a distribution's package or a Python wheel brings along, under a name
 * with its version in it, or `nvcc`. Environment variables go first: whoever sets one means it.
 */
import { existsSync, readdirSync, realpathSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, join } from "node:path";

type Environment = Readonly<Record<string, string | undefined>>;

const windows = process.platform === "win32";

/** Names and paths of the driver to try, in order. */
export function driverCandidates(env: Environment = process.env): string[] {
  if (env.RMXC_LIBCUDA) return [env.RMXC_LIBCUDA];
  if (windows) return ["nvcuda.dll"];
  // The second is where WSL puts it.
  return ["libcuda.so.1", "/usr/lib/wsl/lib/libcuda.so.1"];
}

/** Names and paths of NVRTC to try, best first: those that the environment names, toolkits, Python's, the loader's. */
export function nvrtcCandidates(env: Environment = process.env): string[] {
  if (env.RMXC_NVRTC) return [env.RMXC_NVRTC];
  const folders = [
    ...toolkits(env).flatMap((root) =>
      windows ? [join(root, "bin"), join(root, "bin", "x64")] : [join(root, "lib64"), join(root, "lib")],
    ),
    ...pythonPackages(env).flatMap((root) => [
      join(root, "nvidia", "cuda_nvrtc", windows ? "bin" : "lib"),
      join(root, "nvidia", "cu13", windows ? "bin" : "lib"),
    ]),
  ];
  const named = windows
    ? ["nvrtc64_130_0.dll", "nvrtc64_120_0.dll", "nvrtc64_112_0.dll"]
    : ["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2", "libnvrtc.so"];
  return [...new Set([...folders.flatMap(librariesIn), ...named])];
}

/** Paths of `nvcc` that exist, best first. */
export function nvccCandidates(env: Environment = process.env): string[] {
  if (env.RMXC_NVCC) return [env.RMXC_NVCC];
  const name = windows ? "nvcc.exe" : "nvcc";
  const onPath = (env.PATH ?? "").split(delimiter).filter(Boolean);
  return [...toolkits(env).map((root) => join(root, "bin")), ...onPath]
    .map((folder) => join(folder, name))
    .filter((path) => existsSync(path));
}

/** Folders of CUDA toolkits, the newest first where nobody says which. */
function toolkits(env: Environment): string[] {
  const named = [env.CUDA_PATH, env.CUDA_HOME].filter((path) => path !== undefined && path !== "");
  const place = "/usr/local";
  const found = windows
    ? []
    : entries(place)
        .filter((name) => /^cuda(-[\d.]+)?$/.test(name))
        .sort((a, b) => b.localeCompare(a, "en", { numeric: true }))
        .map((name) => join(place, name));
  return [...new Set([...(named as string[]), ...found])];
}

/** `site-packages` of the Pythons at hand: the active environment's, the user's, the system's. */
function pythonPackages(env: Environment): string[] {
  const prefixes = [env.VIRTUAL_ENV, env.CONDA_PREFIX, pythonPrefix(env), join(homedir(), ".local")];
  const roots = [...prefixes, "/usr/local", "/usr"].filter((path) => path !== undefined && path !== "");
  return [...new Set(roots as string[])].flatMap((root) => {
    if (windows) return [join(root, "Lib", "site-packages")];
    const lib = join(root, "lib");
    return entries(lib)
      .filter((name) => /^python3/.test(name))
      .flatMap((name) => [join(lib, name, "site-packages"), join(lib, name, "dist-packages")]);
  });
}

function pythonPrefix(env: Environment): string | undefined {
  for (const folder of (env.PATH ?? "").split(delimiter).filter(Boolean)) {
    const python = join(folder, windows ? "python.exe" : "python3");
    if (!existsSync(python)) continue;
    return windows ? folder : dirname(dirname(realpathSync(python)));
  }
  return undefined;
}

/** What NVRTC loads by its name while it compiles, and finds nowhere if it lies in a Python wheel: the files beside it. */
export function builtinsBeside(nvrtc: string): string[] {
  const pattern = windows ? /^nvrtc-builtins[\d_]+\.dll$/ : /^libnvrtc-builtins\.so[\d.]*$/;
  if (dirname(nvrtc) === ".") return [];
  const folder = dirname(existsSync(nvrtc) ? realpathSync(nvrtc) : nvrtc);
  return entries(folder)
    .filter((name) => pattern.test(name))
    .map((name) => join(folder, name));
}

/** NVRTC itself, not its `builtins`. */
function librariesIn(folder: string): string[] {
  const pattern = windows ? /^nvrtc64_[\d_]+\.dll$/ : /^libnvrtc\.so(\.[\d.]+)?$/;
  return entries(folder)
    .filter((name) => pattern.test(name))
    .sort((a, b) => b.localeCompare(a, "en", { numeric: true }))
    .map((name) => join(folder, name));
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
