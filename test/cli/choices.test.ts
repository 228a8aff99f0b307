/** @file What `rmxc run --verify` says of discontinuous choices, and that nothing internal shows among the tasks. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { folder, rmxc } from "../support/cli.ts";

/** In f32 every score of the selection is 1; in f64 their order is that of x. */
const tied = `model tied() {
  item {
    x: f32[6]
  }
  task best = sum(where(top_k_mask(x * 0.000000001 + 1, 2), x, 0))
  task finish = sigmoid(linear(x, 1))
}
`;

it("counts the choices that differ, accepts near ties, and names no internal output", () => {
  const cwd = folder({ "tied.rmx": tied });
  const args = ["run", "tied.rmx", "--candidates", "9", "--device", "webgpu", "--verify"];
  const ran = rmxc([...args, "--output", "out.safetensors"], { cwd });
  expect(ran.status, ran.stderr).toBe(0);
  expect(ran.stdout).toMatch(
    /discontinuous choices: [1-9] of 9 differ from the reference's; .* from a tie: passed/,
  );
  expect(ran.stdout).toMatch(/^ {2}best: top_k_mask, [1-9] of 9/m);
  expect(ran.stdout.split("\n\n")[1]).not.toContain("#");
  const file = readFileSync(join(cwd, "out.safetensors"));
  const header = JSON.parse(file.subarray(8, 8 + Number(file.readBigUInt64LE())).toString()) as object;
  expect(Object.keys(header).filter((name) => name !== "__metadata__")).toEqual(["best", "finish"]);

  const { ok, tasks, verification } = JSON.parse(rmxc([...args, "--json"], { cwd }).stdout);
  expect(ok).toBe(true);
  expect(tasks.map(({ task }: { task: string }) => task)).toEqual(["best", "finish"]);
  expect(verification.choices).toMatchObject([
    { name: "best", what: "top_k_mask", stage: "item", choices: 9 },
  ]);
  expect(verification.choices[0].differing).toBeGreaterThan(0);
});
