import { execFileSync, spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Profile } from "../../src/ir/profile.ts";
import { builtinProfiles, gpu, software } from "../../src/ir/profiles.ts";
import { openDevice } from "../../src/runtime/device.ts";
import { loadProfile, missingLimits } from "../../src/runtime/profile.ts";
import { Waiter } from "../../src/runtime/wait.ts";

const root = join(import.meta.dirname, "../..");
// Inside the repository, so that the bundle finds the package `webgpu`.
const folder = mkdtempSync(join(root, "node_modules/.rmxc-device-"));
const outside = mkdtempSync(join(tmpdir(), "rmxc-profile-"));
afterAll(() => {
  rmSync(folder, { recursive: true });
  rmSync(outside, { recursive: true });
});

describe("opening", () => {
  it("gives a WebGPU device whose profile has every limit", async () => {
    const device = await openDevice("webgpu");
    expect(device.kind).toBe("webgpu");
    expect(device.notice).toBeUndefined();
    expect(device.name.length).toBeGreaterThan(0);
    for (const value of Object.values(device.profile.limits)) expect(value).toBeGreaterThan(0);
    expect(device.profile.limits.storageBinding).toBeGreaterThanOrEqual(128 * 1024 * 1024);
    device.destroy();
    expect(await device.lost).toBeUndefined();
  });

  it("the reference needs nothing and says nothing", async () => {
    const device = await openDevice("reference");
    expect(device).toMatchObject({ kind: "reference", name: "reference" });
    expect(device.notice).toBeUndefined();
    device.destroy();
  });
});

describe("a process", () => {
  const script = join(folder, "open.mjs");
  const entry = join(folder, "open.ts");

  beforeAll(() => {
    writeFileSync(
      entry,
      `import { openDevice } from ${JSON.stringify(join(root, "src/runtime/device.ts"))};
       const device = await openDevice("auto", { quiet: true });
       console.log(device.kind);
       if (device.notice !== undefined) console.log(device.notice);
       console.error("stderr is back");
       device.destroy();`,
    );
    const esbuild = join(root, "node_modules/.bin/esbuild");
    const options = ["--bundle", "--format=esm", "--platform=node", "--external:webgpu", "--log-level=error"];
    execFileSync(esbuild, [entry, ...options, `--outfile=${script}`]);
  });

  /**
   * stderr goes to a file: a socket, which is what Node's own pipes are, cannot be opened a second time. So does stdout: a process that
   * need not wait for a reader ends at once, while Dawn may be at work.
   */
  function run(env: NodeJS.ProcessEnv): { status: number | null; stdout: string; stderr: string } {
    const paths = ["stdout", "stderr"].map((name) => join(outside, name));
    const files = paths.map((path) => openSync(path, "w"));
    const { status } = spawnSync(process.execPath, [script], {
      timeout: 20_000,
      env,
      stdio: ["ignore", ...files],
    });
    for (const file of files) closeSync(file);
    const [stdout = "", stderr = ""] = paths.map((path) => readFileSync(path, "utf8"));
    return { status, stdout, stderr };
  }

  it("ends by itself once its device is destroyed, and is quiet where asked to be", () => {
    expect(run(process.env)).toEqual({ status: 0, stdout: "webgpu\n", stderr: "stderr is back\n" });
  });

  it("falls back to the reference without a driver, with one line that says so", () => {
    const ran = run({ ...process.env, VK_ICD_FILENAMES: "/nowhere.json", VK_DRIVER_FILES: "/nowhere.json" });
    const [kind, notice, ...rest] = ran.stdout.trimEnd().split("\n");
    expect(kind).toBe("reference");
    expect(notice).toMatch(/`reference` device: WebGPU found no adapter; install a Vulkan driver/);
    expect(rest).toEqual([]);
    expect(ran).toMatchObject({ status: 0, stderr: "stderr is back\n" });
  });
});

describe("profiles", () => {
  const file = (data: unknown): string => {
    const path = join(outside, "profile.json");
    writeFileSync(path, typeof data === "string" ? data : JSON.stringify(data));
    return path;
  };

  it("are found by name or read from a file", () => {
    expect(loadProfile("software")).toBe(software);
    for (const profile of Object.values(builtinProfiles)) expect(loadProfile(file(profile))).toEqual(profile);
  });

  it.each<[string, () => string, RegExp]>([
    ["a name that is none", () => "gpuu", /`gpuu` is neither/],
    ["a property of objects", () => "constructor", /neither/],
    ["no JSON", () => file("{"), /is not JSON/],
    ["nothing in it", () => file({}), /incomplete/],
    ["a limit of 0", () => file({ ...gpu, limits: { ...gpu.limits, bufferSize: 0 } }), /incomplete/],
    ["subgroups upside down", () => file({ ...gpu, subgroup: { min: 8, max: 4 } }), /incomplete/],
  ])("%s is an error", (_, path, message) => {
    expect(() => loadProfile(path())).toThrow(message);
    expect(() => loadProfile(path())).toThrow(expect.objectContaining({ code: "RMX0809", exit: 1 }));
  });

  it("a device that has less is told by limit", () => {
    const limits: Profile["limits"] = { ...gpu.limits, storageBuffers: 8, offsetAlignment: 32 };
    expect(missingLimits(gpu, { ...gpu, limits })).toEqual([
      "storageBuffers: compiled for 10, the device has 8",
    ]);
    expect(missingLimits({ ...gpu, limits }, gpu)).toEqual([
      "offsetAlignment: compiled for 32, the device has 256",
    ]);
    expect(missingLimits(software, { ...software, subgroup: { min: 4, max: 8 } })).toEqual([
      "subgroup sizes: compiled for 8 to 8, the device has 4 to 8",
    ]);
    expect(missingLimits(software, { ...gpu, limits: software.limits })).toEqual([
      "subgroups: the device has none",
      "f16: the device has no 16-bit floats",
    ]);
  });
});

describe("waiting", () => {
  const later = (ms: number): Promise<string> =>
    new Promise((resolve) => setTimeout(() => resolve("done"), ms));

  it("gives the promise's result, or its error", async () => {
    for (const asleep of [true, false]) {
      const waiter = new Waiter(asleep);
      expect(await waiter.wait("x", later(5))).toBe("done");
      expect(await waiter.wait("x", Promise.resolve(3))).toBe(3);
      await expect(waiter.wait("x", Promise.reject(new Error("no")))).rejects.toThrow("no");
    }
  });

  it("uses little of the processor, and lets timers run", async () => {
    const waiter = new Waiter(true);
    let ticks = 0;
    const timer = setInterval(() => ticks++, 5);
    await waiter.wait("y", later(100));
    const before = process.cpuUsage();
    const begin = performance.now();
    await waiter.wait("y", later(200));
    const elapsed = performance.now() - begin;
    const used = process.cpuUsage(before);
    clearInterval(timer);
    expect(elapsed).toBeGreaterThanOrEqual(190);
    expect((used.user + used.system) / 1000).toBeLessThan(elapsed / 2);
    expect(ticks).toBeGreaterThan(10);
  });
});
