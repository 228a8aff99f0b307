/** @file `rmxc explain CODE`: the page behind a diagnostic's code. */
import { defineCommand, UsageError } from "../command.ts";
import { jsonOption } from "../options.ts";

export const explainCommand = defineCommand({
  usage: "explain [code]",
  summary: "explain a diagnostic: what it means, a failing and a mended example",
  positionals: {
    code: { type: "string", describe: "RMX and four digits; without it, all codes are listed" },
  },
  options: { ...jsonOption },
  examples: [["rmxc explain RMX0107", "the page of that code"]],
  async run(args, out) {
    const { codes } = await import("../../../grammar/codes/codes.ts");
    if (args.code === undefined) {
      const all = [...codes].map(([code, { title }]) => ({ code, title }));
      if (args.json) out.json(all);
      else out.print(all.map(({ code, title }) => `${code}  ${title}`).join("\n"));
      return 0;
    }
    const code = args.code.toUpperCase();
    const entry = codes.get(code);
    if (entry === undefined) {
      const { closest } = await import("../../../grammar/suggest.ts");
      const near = closest(code, [...codes.keys()]);
      throw new UsageError(
        `there is no code ${JSON.stringify(args.code)}`,
        near === undefined
          ? "rmxc explain lists all codes"
          : `did you mean ${near}? rmxc explain lists all codes`,
      );
    }
    if (args.json) out.json({ code, ...entry });
    else out.print(entry.page);
    return 0;
  },
});
