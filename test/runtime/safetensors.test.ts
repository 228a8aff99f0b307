import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { fromBf16Bits, fromF16Bits } from "../../src/ir/codecs/half.ts";
import { InputError } from "../../src/ir/error.ts";
import { SafetensorsFile, writeSafetensors } from "../../src/runtime/safetensors.ts";

const folder = mkdtempSync(join(tmpdir(), "rmxc-safetensors-"));
afterAll(() => rmSync(folder, { recursive: true }));

const role = { code: "RMX0601", noun: "weights file" };
const path = join(folder, "a.safetensors");

function file(header: string | object, data: Uint8Array | number[] = [], length?: bigint): Uint8Array {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(data, 8 + text.length);
  return bytes;
}

function open<T>(bytes: Uint8Array, use: (opened: SafetensorsFile) => T): T {
  writeFileSync(path, bytes);
  const opened = SafetensorsFile.open(path, role);
  try {
    return use(opened);
  } finally {
    opened.close();
  }
}

function failure(bytes: Uint8Array): string {
  try {
    open(bytes, () => undefined);
  } catch (error) {
    if (error instanceof InputError && error.code === role.code) return error.notes.join("\n");
    throw error;
  }
  throw new Error("the file was accepted");
}

const tensor = (dtype: string, shape: number[], begin: number, end: number) => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

describe("round trip", () => {
  it("keeps names, shapes and values of every type that is written", () => {
    const data = {
      "layers.0.w": { shape: [2, 3], data: Float32Array.of(1, -2, 3.5, 0, 1e-30, 1e30) },
      'ünïcode "name"': { shape: [], data: Float64Array.of(0.1) },
      ids: { shape: [2], data: BigInt64Array.of(7n, -1n) },
      small: { shape: [3], data: Int32Array.of(-5, 0, 2 ** 31 - 1) },
      bytes: { shape: [2], data: Uint8Array.of(0, 255) },
      signed: { shape: [2], data: Int8Array.of(-128, 127) },
      none: { shape: [0, 4], data: new Float32Array() },
    };
    writeSafetensors(path, new Map(Object.entries(data)), { format: "test" });
    const opened = SafetensorsFile.open(path, role);
    expect(opened.metadata).toEqual({ format: "test" });
    expect([...opened.tensors.keys()]).toEqual(Object.keys(data));
    for (const [name, { shape, data: values }] of Object.entries(data)) {
      expect(opened.info(name).shape).toEqual(shape);
      expect(opened.readFloats(name)).toEqual(Float32Array.from(values, Number));
    }
    const bad = (): never => {
      throw new Error("unexpected");
    };
    expect(opened.readInts("ids", bad)).toEqual(Int32Array.of(7, -1));
    expect(opened.readInts("signed", bad)).toEqual(Int32Array.of(-128, 127));
    expect(opened.readFloats("layers.0.w", 2, 3)).toEqual(Float32Array.of(3.5, 0, 1e-30));
    opened.close();
    expect(readdirSync(folder)).toEqual(["a.safetensors"]);
  });

  it("aligns the data to eight bytes", () => {
    writeSafetensors(path, new Map([["x", { shape: [1], data: Float64Array.of(1) }]]));
    const bytes = readFileSync(path);
    expect(Number(bytes.readBigUInt64LE(0)) % 8).toBe(0);
  });

  it("says where an integer does not fit 32 bits", () => {
    writeSafetensors(path, new Map([["x", { shape: [3], data: BigInt64Array.of(1n, 2n ** 31n, 0n) }]]));
    const opened = SafetensorsFile.open(path, role);
    const bad = (element: number, value: bigint): never => {
      throw new Error(`${element}: ${value}`);
    };
    expect(() => opened.readInts("x", bad)).toThrow("1: 2147483648");
    opened.close();
  });
});

// The values of these bit patterns are those of IEEE 754-2019, table 3.5, and of bfloat16 as the upper half of an f32.
describe("short floats", () => {
  it.each([
    [0x3c00, 1],
    [0xc000, -2],
    [0x7bff, 65504],
    [0x0400, 2 ** -14],
    [0x0001, 2 ** -24],
    [0x3555, 0.333251953125],
    [0x8000, -0],
    [0x7c00, Infinity],
    [0xfc00, -Infinity],
    [0x7e00, NaN],
  ])("binary16 %i is %d", (bits, value) => expect(fromF16Bits(bits)).toBe(value));

  it.each([
    [0x3f80, 1],
    [0xc040, -3],
    [0x0080, 2 ** -126],
    [0x7f80, Infinity],
    [0x4049, 3.140625],
  ])("bfloat16 %i is %d", (bits, value) => expect(fromBf16Bits(bits)).toBe(value));

  it("are read from files, at odd offsets too", () => {
    const header = { a: tensor("U8", [1], 0, 1), h: tensor("F16", [2], 1, 5), b: tensor("BF16", [1], 5, 7) };
    open(file(header, [9, 0x00, 0x3c, 0x00, 0xc0, 0x80, 0x3f]), (opened) => {
      expect(opened.readFloats("h")).toEqual(Float32Array.of(1, -2));
      expect(opened.readFloats("b")).toEqual(Float32Array.of(1));
    });
  });
});

describe("malformed files", () => {
  const four = [0, 0, 0, 0];
  const good = { a: tensor("F32", [1], 0, 4) };

  it.each<[string, Uint8Array, RegExp]>([
    ["empty", new Uint8Array(), /it has 0 bytes/],
    ["length beyond the file", file(good, four, 1000n), /truncated: its header claims 1000 bytes/],
    ["absurd length", file(good, four, 2n ** 63n), /claims 9223372036854775808 bytes; the limit/],
    ["no JSON", file("{nope", four), /is not JSON/],
    ["no UTF-8", file("", [0xff], 1n), /is not JSON/],
    ["an array", file("[]"), /not a JSON object/],
    [
      "a name twice",
      file(
        '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}, "\\u0061" :{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
        four,
      ),
      /`a` appears twice/,
    ],
    ["metadata of numbers", file({ __metadata__: { a: 1 } }), /__metadata__/],
    ["an entry that is no object", file({ a: 3 }), /`a` is not described/],
    ["an unknown type", file({ a: tensor("F8", [4], 0, 4) }, four), /element type "F8"; supported are F64/],
    ["a negative extent", file({ a: tensor("F32", [-1], 0, 4) }, four), /shape \[-1\]/],
    ["a fractional extent", file({ a: tensor("F32", [1.5], 0, 4) }, four), /shape \[1.5\]/],
    [
      "an overflowing shape",
      file({ a: tensor("F32", [2 ** 30, 2 ** 30], 0, 4) }, four),
      /claims 1152921504606847000 elements/,
    ],
    ["offsets backwards", file({ a: tensor("F32", [1], 4, 0) }, four), /takes -4 bytes/],
    [
      "offsets of another size",
      file({ a: tensor("F32", [2], 0, 4) }, four),
      /takes 4 bytes, but F32 \[2\] takes 8/,
    ],
    ["data missing", file({ a: tensor("F32", [2], 0, 8) }, four), /truncated: `a` ends at byte/],
    ["overlap", file({ a: tensor("U8", [3], 0, 3), b: tensor("U8", [2], 2, 4) }, four), /`b` overlaps `a`/],
    [
      "a hole",
      file({ a: tensor("U8", [1], 0, 1), b: tensor("U8", [2], 2, 4) }, four),
      /1 bytes between a and `b`/,
    ],
    ["trailing bytes", file({ a: tensor("U8", [3], 0, 3) }, four), /1 bytes at its end/],
  ])("%s", (_, bytes, message) => expect(failure(bytes)).toMatch(message));

  it("a missing file and a directory are named", () => {
    expect(() => SafetensorsFile.open(join(folder, "nowhere"), role)).toThrow(
      /weights file .*nowhere cannot be opened/,
    );
    expect(() => SafetensorsFile.open(folder, role)).toThrow(InputError);
    expect(() => SafetensorsFile.open("/dev/null", role)).toThrow(InputError);
  });

  it("a key inside a string or a nested object does not count as a name", () => {
    const header = { __metadata__: { a: '{"a": 1, "a": 2}' }, ...good };
    open(file(header, four), (opened) => expect([...opened.tensors.keys()]).toEqual(["a"]));
  });

  it("random damage gives an input error or a file whose every tensor can be read", () => {
    const names = ["a", "b", "c"];
    const header = {
      a: tensor("F32", [2], 0, 8),
      b: tensor("I64", [1], 8, 16),
      c: tensor("U8", [3], 16, 19),
    };
    const whole = file(
      header,
      Array.from({ length: 19 }, (_, i) => i),
    );
    const damage = fc.record({
      at: fc.nat(whole.length - 1),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 6 }),
      keep: fc.option(fc.nat(whole.length)),
    });
    let rejected = 0;
    fc.assert(
      fc.property(damage, ({ at, bytes, keep }) => {
        const broken = whole.slice(0, keep ?? whole.length);
        broken.set(bytes.subarray(0, Math.max(0, broken.length - at)), Math.min(at, broken.length));
        try {
          open(broken, (opened) => {
            for (const name of opened.tensors.keys()) {
              expect(opened.readFloats(name)).toHaveLength(opened.info(name).count);
            }
          });
        } catch (error) {
          if (!(error instanceof InputError)) throw error;
          rejected++;
        }
      }),
      { numRuns: 1500, seed: 7 },
    );
    expect(rejected).toBeGreaterThan(500);
    open(whole, (opened) => expect([...opened.tensors.keys()]).toEqual(names));
  });
});
