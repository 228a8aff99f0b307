import { describe, expect, it } from "vitest";
import { decode, encode, rounded, roundedActivation, scaleFor } from "../../src/ir/codecs/codec.ts";
import { spanOf, splitsByRow } from "../../src/ir/codecs/span.ts";
import { type Storage, type StorageElement, scaleShape, storedBytes } from "../../src/ir/storage.ts";

const f32 = (...values: number[]): Float32Array => Float32Array.from(values);

/** Values without a pattern, both signs, of a few magnitudes. */
function values(count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => Math.sin(i * 12.9898) * 10 ** ((i % 5) - 2));
}

const perColumn = (symmetric: boolean): Storage => ({ element: "int8", scale: { shared: [0], symmetric } });

describe("int8 by hand", () => {
  it("per channel: columns share a scale", () => {
    // [3, 2]: the columns (1, −2, 0.5) and (254, 127, −63.5).
    const w = f32(1, 254, -2, 127, 0.5, -63.5);
    const { data, scales, zeros } = encode(w, [3, 2], perColumn(true));
    expect([...scales]).toEqual([Math.fround(2 / 127), 2]);
    // 1 / (2/127) = 63.5 falls short of a tie or not by the scale's rounding; 127 / 2 = 63.5 is one: to 64. −63.5 / 2 = −31.75.
    expect([...new Int8Array(data.buffer, 0, 6)]).toEqual([
      Math.round(1 / Math.fround(2 / 127)),
      127,
      -127,
      64,
      32,
      -32,
    ]);
    expect(data.length).toBe(8);
    expect(zeros).toBeUndefined();
    expect(decode({ data, scales }, [3, 2], perColumn(true))[3]).toBe(128);
  });

  it("ties go to the even code", () => {
    const w = f32(127, 0.5, 1.5, 2.5, -0.5, -1.5);
    const { data, scales } = encode(w, [6, 1], perColumn(true));
    expect([...scales]).toEqual([1]);
    expect([...new Int8Array(data.buffer, 0, 6)]).toEqual([127, 0, 2, 2, 0, -2]);
  });

  it("asymmetric: zero points that are not zero, and 0 is exact", () => {
    // One column from −1 to 254: scale 1, zero −127. One from 10 to 255, which 0 widens: scale 1, zero −128.
    const w = f32(-1, 10, 254, 255, 0, 0, 100, 100);
    const { data, scales, zeros } = encode(w, [4, 2], perColumn(false));
    expect([...scales]).toEqual([1, 1]);
    expect([...(zeros ?? [])]).toEqual([-127, -128]);
    expect([...new Int8Array(data.buffer)]).toEqual([-128, -118, 127, 127, -127, -128, -27, -28]);
    expect(decode({ data, scales, zeros }, [4, 2], perColumn(false))).toEqual(w);
  });

  it("asymmetric: a column without positive values has the zero point 127", () => {
    const { zeros, data } = encode(f32(-255, -1), [2, 1], perColumn(false));
    expect([...(zeros ?? [])]).toEqual([127]);
    expect([...new Int8Array(data.buffer, 0, 2)]).toEqual([-128, 126]);
  });

  it.each([true, false])("a column of zeros stays one, symmetric: %s", (symmetric) => {
    const { scales } = encode(f32(0, 3, 0, -4, 0, 5), [3, 2], perColumn(symmetric));
    expect(scales[0]).toBe(1);
    expect(
      rounded(f32(0, 3, 0, -4, 0, 5), [3, 2], perColumn(symmetric)).filter((_, i) => i % 2 === 0),
    ).toEqual(f32(0, 0, 0));
  });

  it("an outlier spoils its channel, its group alone where there are groups", () => {
    const n = 64;
    const column = values(n).map((v) => v / 1000);
    column[5] = 100;
    const whole = rounded(column, [n, 1], perColumn(true));
    expect(whole[5]).toBe(100);
    expect(whole.filter((v) => v !== 0)).toEqual(f32(100));
    const grouped: Storage = { element: "int8", scale: { shared: [0], group: 16, symmetric: true } };
    const split = rounded(column, [n, 1], grouped);
    expect(split.slice(0, 16).filter((v) => v !== 0)).toEqual(f32(100));
    for (let g = 16; g < n; g += 16) {
      const largest = Math.max(...column.slice(g, g + 16).map(Math.abs));
      for (let i = g; i < g + 16; i++)
        expect(Math.abs(split[i] - column[i])).toBeLessThanOrEqual(largest / 253);
    }
  });

  it("holds subnormal and huge channels", () => {
    expect(rounded(f32(1e-40, 3e38), [1, 2], perColumn(true))[1]).toBeCloseTo(3e38, -33);
    expect(encode(f32(1e-40), [1, 1], perColumn(true)).scales[0]).toBe(2 ** -126);
  });
});

describe("every scaled type at awkward shapes", () => {
  const scalings = [
    { shared: [0], symmetric: true },
    { shared: [1], symmetric: true },
    { shared: [0, 1, 2], symmetric: true },
    { shared: [1], group: 3, symmetric: true },
    { shared: [0, 2], group: 4, symmetric: true },
    { shared: [2], group: 100, symmetric: true },
    { shared: [1], group: 2, symmetric: false },
    { shared: [], symmetric: true },
  ];
  const shapes = [
    [1, 1, 1],
    [2, 7, 3],
    [5, 1, 13],
    [3, 4, 0],
  ];
  const cases = shapes.flatMap((shape) => scalings.map((scale) => ({ shape, scale })));

  it.each(cases)("$shape, $scale", ({ shape, scale }) => {
    const count = shape.reduce((a, b) => a * b, 1);
    const given = values(count);
    const scales = scaleShape(shape, scale);
    for (const element of ["int8", "fp8_e4m3", "fp8_e5m2"] as const) {
      const storage: Storage = { element, scale };
      const stored = encode(given, shape, storage);
      const scaleCount = scales.reduce((a, b) => a * b, 1);
      expect(stored.data.length).toBe(Math.ceil(count / 4) * 4);
      expect(stored.scales.length).toBe(scaleCount);
      expect(storedBytes(shape, storage)).toBe(count + scaleCount * (scale.symmetric ? 4 : 5));
      const back = decode(stored, shape, storage);
      // Element by element with a scale found by its own index: an int8 step is half a scale, fp8 keeps 3 or 2 fraction bits.
      const relative = element === "fp8_e4m3" ? 2 ** -4 : 2 ** -3;
      for (let i = 0; i < count; i++) {
        const s = stored.scales[scaleAt(i, shape, scale)];
        const bound = element === "int8" ? s * 0.5001 : Math.max(Math.abs(given[i]) * relative, s * 2 ** -9);
        expect(Math.abs(back[i] - given[i])).toBeLessThanOrEqual(bound);
      }
    }
  });
});

/** The scale of element `flat`, from the definition. */
function scaleAt(
  flat: number,
  shape: readonly number[],
  scale: { readonly shared: readonly number[]; readonly group?: number; readonly symmetric: boolean },
): number {
  let rest = flat;
  let at = 0;
  let stride = 1;
  const extents = scaleShape(shape, scale);
  for (let j = shape.length - 1; j >= 0; j--) {
    const i = rest % shape[j];
    rest = Math.floor(rest / shape[j]);
    const grouped = scale.group !== undefined && j === scale.shared.at(-1);
    at += stride * (grouped ? Math.floor(i / (scale.group ?? 1)) : scale.shared.includes(j) ? 0 : i);
    stride *= extents[j];
  }
  return at;
}

describe("16-bit types", () => {
  it("are little endian, padded to a word, and keep the largest finite value finite", () => {
    const { data } = encode(f32(1, -2, 1e6), [3], { element: "f16" });
    expect([...data]).toEqual([0x00, 0x3c, 0x00, 0xc0, 0xff, 0x7b, 0, 0]);
    expect([...rounded(f32(1e6, -1e6), [2], { element: "f16" })]).toEqual([65504, -65504]);
    const largest = (2 - 2 ** -23) * 2 ** 127;
    expect([...rounded(f32(largest), [1], { element: "bf16" })]).toEqual([(2 - 2 ** -7) * 2 ** 127]);
  });

  it("f32 is a copy", () => {
    const given = values(5);
    const { data } = encode(given, [5], { element: "f32" });
    expect(decode({ data, scales: f32() }, [5], { element: "f32" })).toEqual(given);
    data.fill(0);
    expect(given[1]).not.toBe(0);
  });
});

describe("a calibrated scale", () => {
  const elements: readonly StorageElement[] = ["int8", "fp8_e4m3", "fp8_e5m2"];
  it.each(elements)(
    "%s maps the calibrated magnitude to the largest code and saturates beyond",
    (element) => {
      const scale = scaleFor(6, element);
      const [inside, edge, beyond] = roundedActivation([1, 6, -60], [3], element, [0], scale);
      expect(Math.abs(inside - 1)).toBeLessThanOrEqual(2 ** -3);
      expect(edge).toBeCloseTo(6, 5);
      expect(beyond).toBeCloseTo(-6, 5);
    },
  );
  it("f16 needs none", () => {
    const half = rounded(f32(0.1), [1], { element: "f16" });
    expect([...roundedActivation([0.1], [1], "f16", [0], 5)]).toEqual([...half]);
  });
});

describe("pieces", () => {
  const byRow: Storage = { element: "int8", scale: { shared: [1], symmetric: true } };
  it("are whole rows where rows have scales of their own", () => {
    expect(spanOf([10, 4], byRow, 5, 6)).toEqual({ from: 1, shape: [2, 4], skip: 1 });
    expect(spanOf([10, 4], perColumn(true), 5, 6)).toEqual({ from: 0, shape: [10, 4], skip: 5 });
    expect(splitsByRow([], { element: "f32" })).toBe(false);
  });
  it("encode to what the whole encodes to", () => {
    const given = values(40);
    const whole = rounded(given, [10, 4], byRow);
    const { from, shape, skip } = spanOf([10, 4], byRow, 13, 6);
    const piece = rounded(given.slice(from * 4, (from + shape[0]) * 4), shape, byRow);
    expect(piece.slice(skip, skip + 6)).toEqual(whole.slice(13, 19));
  });
});
