/** @file Pages of the codes RMX07xx: inputs and outputs. */
import type { CodePage } from "./page.ts";

export const inputPages: Record<string, CodePage> = {
  RMX0701: {
    title: "an inputs file cannot be read",
    meaning: `
Inputs are in the safetensors format, like weights; the note says what is wrong with the file. See \`rmxc explain RMX0601\`.`,
    failing: `
$ rmxc run ranker.rmx --input features.csv`,
    mended: `
$ rmxc run ranker.rmx --input features.safetensors`,
  },
  RMX0702: {
    title: "a file cannot be written",
    meaning: `
The file is first written under another name beside its final one and then renamed, so its folder must exist and be
writable. Nothing is left behind.`,
    failing: `
$ rmxc run ranker.rmx --output missing/folder/scores.safetensors`,
    mended: `
$ mkdir -p missing/folder
$ rmxc run ranker.rmx --output missing/folder/scores.safetensors`,
  },
  RMX0703: {
    title: "inputs do not fit the model",
    meaning: `
Every feature of the spec is given under its name: user features as [R, ...] for R requests, item features as [N, ...] for N
candidates, padded lists at their full length with \`NAME.length\` beside them (left out, all entries are real). Names,
element types and shapes that differ are listed all at once. Ids are integers; dense features may be integers or floats.`,
    failing: `
item { vid: id in videos, stats: f32[32] }
(the file has \`vid\` I64 [100] and \`stats\` F32 [100, 31])`,
    mended: `
(the file has \`vid\` I64 [100] and \`stats\` F32 [100, 32])`,
  },
  RMX0704: {
    title: "an id is outside its table",
    meaning: `
An id numbers a row of its table, from 0. A device would read some other memory, so ids of features are checked before they
get there. What stands behind the length of a padded list is not looked at; any filler may stand there.`,
    failing: `
table videos(rows = 1000, dim = 64)
(\`vid\` of candidate 3 is 1000)`,
    mended: `
table videos(rows = 1001, dim = 64)`,
  },
  RMX0705: {
    title: "a value is no 32-bit integer",
    meaning: `
Devices count in 32-bit integers. Ids may be stored as 64-bit ones as long as their values fit; hashed ids must be brought
into the range of their table first.`,
    failing: `
vid = np.array([hash(name) for name in names])`,
    mended: `
vid = np.array([hash(name) % 5_000_000 for name in names])`,
  },
  RMX0706: {
    title: "a list's length is out of range",
    meaning: `
\`NAME.length\` says how many leading entries of a padded list are real: at least 0, at most the number that the spec declares.`,
    failing: `
watched: ids[50] in videos
(\`watched.length\` of request 0 is 51)`,
    mended: `
(the last 50 events are kept: \`watched.length\` is 50)`,
  },
  RMX0707: {
    title: "a candidate belongs to no request",
    meaning: `
With several requests, \`request\` [N] gives the number of each candidate's request, counted from 0 in the order of the user
features' rows. With one request it may be left out.`,
    failing: `
uid [2], vid [5]`,
    mended: `
uid [2], vid [5], request [5] = 0 0 0 1 1`,
  },
  RMX0708: {
    title: "a feature is not finite",
    meaning: `
NaN or an infinity among dense features would make scores NaN. A missing value needs a number that the model was trained with.`,
    failing: `
stats = np.array([[0.3, np.nan]], np.float32)`,
    mended: `
stats = np.nan_to_num(stats, nan=0.0)`,
  },
  RMX0709: {
    title: "a user handle is not valid",
    meaning: `
\`engine.user\` gives a handle to results that are kept on that engine's device until \`free\`. Afterwards, in another
engine, or after \`engine.restore\`, it stands for nothing. \`retain\` gives a second holder a handle of its own;
\`serialize\` makes a copy that survives the device.`,
    failing: `
const user = await engine.user(features);
user.free();
await engine.score(user, items);`,
    mended: `
const user = await engine.user(features);
await engine.score(user, items);
user.free();`,
  },
  RMX0710: {
    title: "the model reads outside of a tensor",
    meaning: `
An index that the model itself computes (for \`take\` or \`lookup\`) left the tensor. Devices clamp such an index; the
reference evaluator reports it, because two backends would otherwise agree on a wrong row.`,
    failing: `
y = lookup(positions, length(hist))`,
    mended: `
y = lookup(positions, max(length(hist) - 1, 0))`,
  },
};
