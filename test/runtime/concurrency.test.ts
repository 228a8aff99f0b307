/** Many calls at once, many calls in a row, and a device that goes away under them. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openDevice, type WebGpuDevice } from "../../src/runtime/device.ts";
import type { WebGpuEngine } from "../../src/runtime/engine/webgpu.ts";
import { randomStream } from "../../src/runtime/random.ts";
import { expectClose, inputs, openTestDevice, scoresOf, tinyEngine, userOf, want } from "./tinyengine.ts";

let device: WebGpuDevice;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.destroy());
