/** Uploads, copies and their order, on the fake driver. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type CudaDevice, openDevice } from "../../src/runtime/device.ts";
import { BufferUsage, type ComputeBuffer, MapMode } from "../../src/runtime/engine/compute.ts";
import { fakeCuda, pointAt } from "./fake.ts";

let device: CudaDevice;
let leave: () => void;

beforeAll(async () => {
  leave = pointAt(await fakeCuda());
  const opened = await openDevice("cuda");
  if (opened.kind !== "cuda") throw new Error("another device");
  device = opened;
}, 120_000);
afterAll(() => {
  device.destroy();
  leave();
});

const { STORAGE, COPY_SRC, COPY_DST, MAP_READ } = BufferUsage;

function buffer(words: number, usage: number): ComputeBuffer {
  return device.gpu.createBuffer({ label: "test", size: 4 * words, usage });
}

function write(to: ComputeBuffer, values: readonly number[] | Int32Array, at = 0): void {
  const words = Int32Array.from(values);
  device.gpu.queue.writeBuffer(to, 4 * at, words.buffer, 0, words.byteLength);
}

function copy(from: ComputeBuffer, to: ComputeBuffer, words: number, fromAt = 0, toAt = 0): void {
  const encoder = device.gpu.createCommandEncoder({ label: "test" });
  encoder.copyBufferToBuffer(from, 4 * fromAt, to, 4 * toAt, 4 * words);
  device.gpu.queue.submit([encoder.finish()]);
}

async function contents(of: ComputeBuffer, words: number): Promise<Int32Array> {
  const read = buffer(words, MAP_READ | COPY_DST);
  copy(of, read, words);
  await read.mapAsync(MapMode.READ);
  const values = new Int32Array(read.getMappedRange(), 0, words).slice();
  read.unmap();
  read.destroy();
  return values;
}

describe("the queue", () => {
  it("copies what it is given before it returns", async () => {
    const to = buffer(4, STORAGE);
    const words = Int32Array.of(1, 2, 3, 4);
    device.gpu.queue.writeBuffer(to, 0, words.buffer, 4, 8);
    words.fill(9);
    expect([...(await contents(to, 2))]).toEqual([2, 3]);
    to.destroy();
  });

  it("keeps the order of writes and commands", async () => {
    const staging = buffer(2, COPY_SRC | COPY_DST);
    const to = buffer(4, STORAGE);
    write(staging, [1, 2]);
    copy(staging, to, 2);
    write(staging, [3, 4]);
    copy(staging, to, 2, 0, 2);
    // Behind both copies, which have not run yet.
    write(to, [7], 1);
    expect([...(await contents(to, 4))]).toEqual([1, 7, 3, 4]);
    to.destroy();
    staging.destroy();
  });

  it("keeps what a staging buffer holds where only a part is written", async () => {
    const staging = buffer(3, COPY_SRC | COPY_DST);
    const to = buffer(3, STORAGE);
    write(staging, [1, 2, 3]);
    copy(staging, to, 3);
    write(staging, [8], 1);
    copy(staging, to, 3);
    expect([...(await contents(to, 3))]).toEqual([1, 8, 3]);
    to.destroy();
    staging.destroy();
  });

  it("sends large pieces ahead, to their place in turn", async () => {
    const words = 200_000;
    const staging = buffer(words + 3, COPY_SRC | COPY_DST);
    const to = buffer(words, STORAGE);
    for (let round = 1; round <= 4; round++) {
      const values = Int32Array.from({ length: words + 3 }, (_, i) => round * i);
      write(staging, values);
      copy(staging, to, words, 3);
      expect((await contents(to, words))[words - 1]).toBe(round * (words + 2));
    }
    write(staging, new Int32Array(words + 3).fill(5));
    copy(staging, to, words);
    write(staging, new Int32Array(words + 3).fill(6));
    copy(staging, to, words - 1);
    const last = await contents(to, words);
    expect([last[0], last[words - 2], last[words - 1]]).toEqual([6, 6, 5]);
    to.destroy();
    staging.destroy();
  });

  it("passes weights of any size through a few blocks", async () => {
    const words = 24 * 1024 * 1024;
    const to = buffer(words, STORAGE);
    const values = new Int32Array(words);
    for (let i = 0; i < words; i += 997) values[i] = i;
    device.gpu.queue.writeBuffer(to, 0, values.buffer, 0, values.byteLength);
    const seen = await contents(to, words);
    expect(seen.every((word, i) => word === values[i])).toBe(true);
    to.destroy();
  });

  it("reports what the driver refuses where it happens", () => {
    const [from, to] = [buffer(4, STORAGE), buffer(4, STORAGE)];
    expect(() => copy(from, to, 999)).toThrow(expect.objectContaining({ code: "RMX0807" }));
    from.destroy();
    to.destroy();
  });
});
