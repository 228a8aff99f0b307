import { configDefaults, defineConfig } from "vitest/config";

/** Tests of what `npm run build` makes; their setup builds it. */
const built = ["test/cli/**/*.test.ts", "test/package/**/*.test.ts"];

export default defineConfig({
  test: {
    maxWorkers: 2,
    testTimeout: 30_000,
    pool: "forks",
    projects: [
      {
        extends: true,
        test: {
          name: "source",
          include: ["test/**/*.test.ts"],
          exclude: [...configDefaults.exclude, ...built],
        },
      },
      { extends: true, test: { name: "built", include: built, globalSetup: "test/support/build.ts" } },
    ],
  },
});
