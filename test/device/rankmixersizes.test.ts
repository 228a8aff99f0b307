/** RankMixer against the reference, at sizes that rankmixer.test.ts leaves out. */
import { rankmixerAgrees } from "../support/rankmixerdevice.ts";

rankmixerAgrees([
  { T: 2, D: 24, U: 1 },
  { T: 6, D: 30, U: 3 },
  { T: 16, D: 128, U: 8 },
]);
