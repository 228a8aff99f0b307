/** @file `rmxc graph SPEC -o model.svg`: a picture of the model as it is compiled. */
import { writeFileSync } from "node:fs";
import { InputError } from "../../ir/error.ts";
import { defineCommand } from "../command.ts";
import { readSets, reuseOption, setOption, specPositional } from "../options.ts";
import { sayDiagnostics } from "../report.ts";

export const graphCommand = defineCommand({
  usage: "graph <spec>",
  summary: "draw a model and its kernels as SVG: stages in colour, masks and kept values marked",
  positionals: specPositional,
  options: {
    ...setOption,
    out: { alias: "o", type: "string", requiresArg: true, describe: "write the SVG here [default: stdout]" },
    profile: {
      type: "string",
      requiresArg: true,
      default: "gpu",
      describe: "gpu, software or a JSON file: whose kernels are drawn",
    },
    ...reuseOption,
  },
  examples: [["rmxc graph model.rmx -o model.svg", "open it in a browser; a box's tip says what was fused"]],
  async run(args, out) {
    const { compile } = await import("../../compile.ts");
    const { drawing } = await import("../picture/drawing.ts");
    const reuse = !args["no-reuse"];
    // A kernel whose phases belong to two layers has no place in a picture that draws equal layers once.
    const program = await compile(args.spec, {
      set: readSets(args.set),
      profiles: [args.profile],
      reuse,
      fuse: "vertical",
    });
    await sayDiagnostics(program.warnings, program.sources, out);
    const svg = drawing(program);
    if (args.out === undefined) out.print(svg);
    else {
      write(args.out, svg);
      out.say(`wrote ${args.out}`);
    }
    return 0;
  },
});

function write(path: string, svg: string): void {
  try {
    writeFileSync(path, svg);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new InputError("RMX0510", `cannot write ${path}`, { notes: [why] });
  }
}
