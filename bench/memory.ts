/**
 * @file Memory of every example at its own size, loaded, against the sum of its stored bytes: what padding, packing and folded weights add.
 *
 *     npm run bench:memory -- [--profiles software,gpu,sm_80] [--json memory.json]
 *
 * From plans: nothing is loaded, so that models above the machine's memory are there too. Parameters that a plan does not hold
 * (rows of tables above one binding, which the host gathers) are on neither side.
 */
import { readdirSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { runPipeline } from "../passes/pipeline.ts";
import { table } from "../src/cli/text.ts";
import { loadProfile } from "../src/runtime/profile.ts";
import { elaborateSpec } from "../src/spec.ts";
import { loadedBytes, storedOnDevice } from "./loadedbytes.ts";

const TYPES: Readonly<Record<string, string | undefined>> = {
  "its own": undefined,
  f16: '"**" = f16',
  int8: '"**" = int8 per channel',
  fp8_e4m3: '"**" = fp8_e4m3',
};

interface Row {
  readonly example: string;
  readonly type: string;
  readonly profile: string;
  readonly stored: number;
  readonly loaded: number;
}

const { values: args } = parseArgs({
  options: { profiles: { type: "string", default: "software,gpu,sm_80" }, json: { type: "string" } },
});
const profiles = args.profiles.split(",").map(loadProfile);
const over = ({ stored, loaded }: Row): string => `${((loaded / stored - 1) * 100).toFixed(2)} %`;

const rows: Row[] = [];
for (const file of readdirSync("examples").filter((name) => name.endsWith(".rmx"))) {
  for (const [type, precision] of Object.entries(TYPES)) {
    const { graph } = elaborateSpec(`examples/${file}`, precision === undefined ? {} : { precision });
    for (const profile of profiles) {
      const { plan } = runPipeline(graph, { profile });
      const example = file.replace(/\.rmx$/, "");
      const sizes = { stored: storedOnDevice(plan), loaded: loadedBytes(plan) };
      rows.push({ example, type, profile: profile.name, ...sizes });
    }
  }
}

const of = (example: string, type: string): Row[] =>
  rows.filter((row) => row.example === example && row.type === type);
const groups = [...new Set(rows.map(({ example }) => example))].flatMap((example) =>
  Object.keys(TYPES).map((type) => of(example, type)),
);
console.log(
  table(
    ["example", "stored in", "MiB", ...profiles.map(({ name }) => `over, ${name}`)],
    groups.map((group) => [
      group[0].example,
      group[0].type,
      (group[0].stored / 2 ** 20).toFixed(1),
      ...group.map(over),
    ]),
    ["left", "left", "right", ...profiles.map(() => "right" as const)],
  ),
);
const worst = rows.reduce((most, row) => (row.loaded / row.stored > most.loaded / most.stored ? row : most));
console.log(`\nmost: ${over(worst)}, ${worst.example} in ${worst.type} on ${worst.profile}`);
if (args.json !== undefined) writeFileSync(args.json, `${JSON.stringify(rows, null, 2)}\n`);
