/** @file Pages of the codes RMX05xx: files and `use`. */
import type { CodePage } from "./page.ts";

export const filePages: Record<string, CodePage> = {
  RMX0501: {
    title: "a file that is not there",
    meaning:
      "The file does not exist or cannot be read. A path in `use` starts at the folder of the file that it stands in.",
    failing: `
use "./blocks.rmx"    // there is only block.rmx`,
    mended: `
use "./block.rmx"`,
  },
  RMX0502: {
    title: "files that use each other in a cycle",
    meaning:
      "Each file is read before what uses it, so a chain of `use` does not come back to where it began.",
    failing: `
// a.rmx
use "./b.rmx"

// b.rmx
use "./a.rmx"`,
    mended: `
// a.rmx
use "./b.rmx"
use "./common.rmx"

// b.rmx
use "./common.rmx"`,
  },
  RMX0503: {
    title: "a use that leaves the project",
    meaning:
      "A spec reads files of its own project alone: below the nearest folder that holds package.json or .git, or else the entry file's folder. Links out of it do not count as inside.",
    failing: `
use "../../elsewhere/blocks.rmx"`,
    mended: `
use "./blocks.rmx"    // a copy within the project`,
  },
  RMX0504: {
    title: "no such module of the library",
    meaning:
      "The standard library has `std.prelude`, which is always in scope, and the modules that the hint lists.",
    failing: `
use std.rankmixr`,
    mended: `
use std.rankmixer`,
  },
  RMX0505: {
    title: "one name from two files",
    meaning: "Two files in `use` declare a block of the same name, and neither is meant more than the other.",
    failing: `
// a.rmx and b.rmx both declare \`block pool\`
use "./a.rmx"
use "./b.rmx"`,
    mended: `
// b.rmx declares \`block max_pooling\` instead
use "./a.rmx"
use "./b.rmx"`,
  },
  RMX0510: {
    title: "a place that cannot be written",
    meaning:
      "Files and folders are written under a temporary name beside their place and renamed into it, so that nothing half written is ever seen. The place must allow that; and a folder that holds files which rmxc did not write is never replaced.",
    failing: `
rmxc compile model.rmx -o ~/Documents    # holds other files`,
    mended: `
rmxc compile model.rmx -o ~/Documents/model`,
  },
  RMX0511: {
    title: "a file that is no spec",
    meaning: "A spec is a text file of at most 16 MiB: no folder, no pipe, no binary.",
    failing: `
rmxc check models/`,
    mended: `
rmxc check models/ranker.rmx`,
  },
  RMX0520: {
    title: "a compiled model that cannot be read",
    meaning:
      "A folder of a compiled model holds plan.json and the kernels that it names, as `rmxc compile -o` wrote them. One of these is missing or was changed.",
    failing: `
loadArtifact("out/kernels")`,
    mended: `
loadArtifact("out")`,
  },
  RMX0530: {
    title: "a name that would mean two values in an exported model",
    meaning:
      "`rmxc export` calls the model's inputs as its features are called, its outputs as its tasks, and a task's logit TASK.logit; `request` is the request of each candidate. In an ONNX model a name is one value, so no two of these may be equal.",
    failing: `
model m() {
  item { score: f32[4] }
  task score = sum(score)
}`,
    mended: `
model m() {
  item { x: f32[4] }
  task score = sum(x)
}`,
  },
};
