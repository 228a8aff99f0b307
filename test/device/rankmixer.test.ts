/** RankMixer against the reference with kernels as the driver's optimiser leaves them; rankmixersizes.test.ts has more sizes. */
import { rankmixerAgrees } from "../support/rankmixerdevice.ts";

rankmixerAgrees([
  { T: 3, D: 24, U: 2 },
  { T: 16, D: 64, U: 8 },
]);
