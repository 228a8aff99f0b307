/** @file A writer of safetensors that shares nothing with the reader under test, and can write what is wrong. */

export interface RawTensor {
  readonly dtype: "F32" | "F64" | "I32" | "I64";
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

export function safetensors(tensors: Readonly<Record<string, RawTensor>>): Uint8Array {
  const header: Record<string, unknown> = {};
  const parts: Buffer[] = [];
  let offset = 0;
  for (const [name, { dtype, shape, values }] of Object.entries(tensors)) {
    const bytes = encode(dtype, values);
    header[name] = { dtype, shape, data_offsets: [offset, offset + bytes.length] };
    parts.push(bytes);
    offset += bytes.length;
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, ...parts]);
}

function encode(dtype: RawTensor["dtype"], values: readonly number[]): Buffer {
  const size = dtype === "F64" || dtype === "I64" ? 8 : 4;
  const out = Buffer.alloc(values.length * size);
  values.forEach((value, i) => {
    if (dtype === "F32") out.writeFloatLE(value, i * size);
    else if (dtype === "F64") out.writeDoubleLE(value, i * size);
    else if (dtype === "I32") out.writeInt32LE(value, i * size);
    else out.writeBigInt64LE(BigInt(value), i * size);
  });
  return out;
}

/** One element's width and reader, by type. */
const READERS: Readonly<Record<string, readonly [number, (data: Buffer, at: number) => number]>> = {
  F64: [8, (data, at) => data.readDoubleLE(at)],
  F32: [4, (data, at) => data.readFloatLE(at)],
  I64: [8, (data, at) => Number(data.readBigInt64LE(at))],
  I32: [4, (data, at) => data.readInt32LE(at)],
  BOOL: [1, (data, at) => data.readUInt8(at)],
};

/** The tensors of a file as numbers. */
export function readFloats(bytes: Buffer): Map<string, { shape: number[]; values: number[] }> {
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString("utf8", 8, 8 + length)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  const found = new Map<string, { shape: number[]; values: number[] }>();
  for (const [name, { dtype, shape, data_offsets }] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const [from, to] = data_offsets;
    const data = bytes.subarray(8 + length + from, 8 + length + to);
    const reader = READERS[dtype];
    if (reader === undefined) throw new Error(`no reader for ${dtype}`);
    const [size, read] = reader;
    const values = Array.from({ length: data.length / size }, (_, i) => read(data, i * size));
    found.set(name, { shape, values });
  }
  return found;
}
