import { configDefaults, defineConfig } from "vitest/config";

/** Tests of what `npm run build` makes; their setup builds it. */
const built = ["test/cli/**/*.test.ts", "test/package/**/*.test.ts"];
/** Kernels as the driver's optimiser leaves them. */
const device = ["test/device/rankmixer.test.ts"];
/** Elsewhere a software driver would optimise for seconds what runs for microseconds: it is told not to. */
const env = { GALLIVM_PERF: "nopt" };

export default defineConfig({
  test: {
    maxWorkers: 2,
    testTimeout: 30_000,
    pool: "forks",
    // Files share what they import: half of the time would go into loading the compiler anew for each.
    isolate: false,
    projects: [
      {
        extends: true,
        test: {
          name: "source",
          include: ["test/**/*.test.ts"],
          exclude: [...configDefaults.exclude, ...built, ...device],
          env,
        },
      },
      { extends: true, test: { name: "device", include: device } },
      { extends: true, test: { name: "built", include: built, env, globalSetup: "test/support/build.ts" } },
    ],
  },
});
