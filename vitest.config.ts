import { configDefaults, defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Tests of what `npm run build` makes; their setup builds it. */
const built = ["test/cli/**/*.test.ts", "test/package/**/*.test.ts"];
/** Kernels as the driver's optimiser leaves them. */
const optimised = ["test/device/rankmixer.test.ts"];
/** Kernels for subgroups of eight, which some of these tests name. */
const eight = ["test/device/**/*.test.ts", "test/lower/**/*.test.ts"];
/** Elsewhere a software driver would optimise for seconds what runs for microseconds: it is told not to. */
const plain = { GALLIVM_PERF: "nopt" };
/** Its code has a branch for each lane of each store, so that kernels for subgroups of four compile in half the time. */
const four = { ...plain, LP_NATIVE_VECTOR_WIDTH: "128" };

/** What takes longest starts first, or one worker would still be at it when the other has nothing left: whole models. */
class ModelsFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const projects = [...new Set(sorted.map(({ project }) => project))];
    const rank = ({ project, moduleId }: TestSpecification): number =>
      2 * projects.indexOf(project) + (/\/test\/(zoo|precision|cuda)\//.test(moduleId) ? 0 : 1);
    return sorted.sort((a, b) => rank(a) - rank(b));
  }
}

export default defineConfig({
  test: {
    maxWorkers: 2,
    testTimeout: 30_000,
    pool: "forks",
    // Files share what they import: half of the time would go into loading the compiler anew for each.
    isolate: false,
    sequence: { sequencer: ModelsFirst },
    projects: [
      {
        extends: true,
        test: {
          name: "source",
          include: ["test/**/*.test.ts"],
          exclude: [...configDefaults.exclude, ...built, ...eight],
          env: four,
        },
      },
      { extends: true, test: { name: "eight", include: eight, exclude: optimised, env: plain } },
      { extends: true, test: { name: "optimised", include: optimised } },
      {
        extends: true,
        test: { name: "built", include: built, env: four, globalSetup: "test/support/build.ts" },
      },
    ],
  },
});
