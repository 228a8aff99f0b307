/**
 * @file The wire format of ONNX: which field of which message holds what. Field numbers are from `onnx.proto3` of ONNX 1.16
 * (https://github.com/onnx/onnx/blob/v1.16.0/onnx/onnx.proto3); the protobuf encoding itself is `pbf`'s. Only the
 * fields that an exported model uses are here; the reader skips all others, as protobuf readers do.
 */
import { PbfReader, PbfWriter } from "pbf";
import {
  type Attribute,
  byteSize,
  ELEMENTS,
  type ElementType,
  type Initializer,
  type OnnxModel,
  type OnnxNode,
  type ValueInfo,
} from "./model.ts";

/** Where an initialiser's bytes lie if not in the model's own file. */
export interface ExternalPlace {
  /** A file beside the model's. */
  readonly location: string;
  readonly offset: number;
}

/** A model's bytes. `place` says of each initialiser where it lies; undefined: in the model itself. */
export function encodeModel(
  model: OnnxModel,
  place: (tensor: Initializer) => ExternalPlace | undefined = () => undefined,
): Uint8Array {
  const inside = model.initializers.filter((tensor) => place(tensor) === undefined);
  const weights = inside.reduce((sum, tensor) => sum + byteSize(tensor), 0);
  // Room for everything at once: the writer would else double its buffer again and again.
  const pbf = new PbfWriter(new Uint8Array(weights + 2 ** 16));
  pbf.writeVarintField(1, model.irVersion);
  pbf.writeStringField(2, "rmxc");
  pbf.writeMessage(7, (graph, p) => writeGraph(graph, p, place), model);
  pbf.writeMessage(8, writeOpset, model.opset);
  return pbf.finish();
}

type Place = (tensor: Initializer) => ExternalPlace | undefined;

function writeOpset(version: number, pbf: PbfWriter): void {
  // The empty domain is ONNX's own.
  pbf.writeStringField(1, "");
  pbf.writeVarintField(2, version);
}

function writeGraph(model: OnnxModel, pbf: PbfWriter, place: Place): void {
  for (const node of model.nodes) pbf.writeMessage(1, writeNode, node);
  pbf.writeStringField(2, model.name);
  for (const tensor of model.initializers) pbf.writeMessage(5, (t, p) => writeTensor(t, p, place(t)), tensor);
  for (const info of model.inputs) pbf.writeMessage(11, writeValueInfo, info);
  for (const info of model.outputs) pbf.writeMessage(12, writeValueInfo, info);
}

function writeNode(node: OnnxNode, pbf: PbfWriter): void {
  for (const name of node.inputs) pbf.writeStringField(1, name);
  for (const name of node.outputs) pbf.writeStringField(2, name);
  pbf.writeStringField(3, node.name);
  pbf.writeStringField(4, node.op);
  for (const attribute of Object.entries(node.attributes)) pbf.writeMessage(5, writeAttribute, attribute);
}

/** `AttributeProto.AttributeType`. */
const ATTRIBUTE_TYPES = { float: 1, int: 2, string: 3, ints: 7 } as const;

function writeAttribute([name, attribute]: readonly [string, Attribute], pbf: PbfWriter): void {
  pbf.writeStringField(1, name);
  switch (attribute.kind) {
    case "float":
      pbf.writeFloatField(2, attribute.value);
      break;
    case "int":
      pbf.writeVarintField(3, attribute.value);
      break;
    case "string":
      pbf.writeBytesField(4, new TextEncoder().encode(attribute.value));
      break;
    case "ints":
      for (const value of attribute.value) pbf.writeVarintField(8, value);
      break;
    default:
      attribute satisfies never;
  }
  pbf.writeVarintField(20, ATTRIBUTE_TYPES[attribute.kind]);
}

function writeTensor(tensor: Initializer, pbf: PbfWriter, external: ExternalPlace | undefined): void {
  for (const extent of tensor.dims) pbf.writeVarintField(1, extent);
  pbf.writeVarintField(2, ELEMENTS[tensor.type].code);
  pbf.writeStringField(8, tensor.name);
  if (external === undefined) {
    writeRaw(tensor, pbf);
    return;
  }
  const entries = {
    location: external.location,
    offset: String(external.offset),
    length: String(byteSize(tensor)),
  };
  for (const entry of Object.entries(entries)) pbf.writeMessage(13, writeEntry, entry);
  pbf.writeVarintField(14, 1);
}

/** `raw_data`, piece by piece. */
function writeRaw(tensor: Initializer, pbf: PbfWriter): void {
  pbf.writeTag(9, 2);
  pbf.writeVarint(byteSize(tensor));
  for (const chunk of tensor.chunks()) {
    pbf.realloc(chunk.length);
    pbf.buf.set(chunk, pbf.pos);
    pbf.pos += chunk.length;
  }
}

function writeEntry([key, value]: readonly [string, string], pbf: PbfWriter): void {
  pbf.writeStringField(1, key);
  pbf.writeStringField(2, value);
}

function writeValueInfo(info: ValueInfo, pbf: PbfWriter): void {
  pbf.writeStringField(1, info.name);
  // TypeProto { tensor_type { elem_type, shape { dim { dim_value | dim_param } } } }
  pbf.writeMessage(2, (_, type) => type.writeMessage(1, writeTensorType, info), info);
}

function writeTensorType(info: ValueInfo, pbf: PbfWriter): void {
  pbf.writeVarintField(1, ELEMENTS[info.type].code);
  pbf.writeMessage(2, writeShape, info.dims);
}

function writeShape(dims: ValueInfo["dims"], pbf: PbfWriter): void {
  for (const extent of dims) {
    pbf.writeMessage(
      1,
      (d, p) => (typeof d === "number" ? p.writeVarintField(1, d) : p.writeStringField(2, d)),
      extent,
    );
  }
}

/** An initialiser as it was read: its bytes, or where they lie. */
export interface ReadTensor {
  readonly name: string;
  readonly type: ElementType;
  readonly dims: readonly number[];
  readonly raw: Uint8Array | undefined;
  /** `location`, `offset` and `length` where the data is external. */
  readonly external: Readonly<Record<string, string>>;
}

export interface ReadModel extends Omit<OnnxModel, "initializers"> {
  readonly initializers: readonly ReadTensor[];
}

/** The other way: what a file that `encodeModel` could have written says. */
export function decodeModel(bytes: Uint8Array): ReadModel {
  const model = {
    name: "",
    irVersion: 0,
    opset: 0,
    nodes: [] as OnnxNode[],
    initializers: [] as ReadTensor[],
    inputs: [] as ValueInfo[],
    outputs: [] as ValueInfo[],
  };
  const graph = fields<typeof model>({
    1: (m, p) => m.nodes.push(readNode(p)),
    2: (m, p) => (m.name = p.readString()),
    5: (m, p) => m.initializers.push(readTensor(p)),
    11: (m, p) => m.inputs.push(readValueInfo(p)),
    12: (m, p) => m.outputs.push(readValueInfo(p)),
  });
  const opset = fields<typeof model>({ 2: (m, p) => (m.opset = p.readVarint()) });
  const top = fields<typeof model>({
    1: (m, p) => (m.irVersion = p.readVarint()),
    7: (m, p) => p.readMessage(graph, m),
    8: (m, p) => p.readMessage(opset, m),
  });
  return new PbfReader(bytes).readFields(top, model);
}

type Field<T> = (into: T, pbf: PbfReader) => unknown;

function fields<T>(table: Readonly<Record<number, Field<T>>>) {
  return (tag: number, into: T, pbf: PbfReader): void => void table[tag]?.(into, pbf);
}

function readNode(pbf: PbfReader): OnnxNode {
  const node = { name: "", op: "", inputs: [] as string[], outputs: [] as string[] };
  const attributes: Record<string, Attribute> = {};
  const read = fields<typeof node>({
    1: (n, p) => n.inputs.push(p.readString()),
    2: (n, p) => n.outputs.push(p.readString()),
    3: (n, p) => (n.name = p.readString()),
    4: (n, p) => (n.op = p.readString()),
    5: (_, p) => {
      const [name, attribute] = readAttribute(p);
      attributes[name] = attribute;
    },
  });
  return { ...pbf.readMessage(read, node), attributes };
}

function readAttribute(pbf: PbfReader): [string, Attribute] {
  const found = { name: "", type: 0, float: 0, int: 0, string: "", ints: [] as number[] };
  pbf.readMessage(
    fields<typeof found>({
      1: (a, p) => (a.name = p.readString()),
      2: (a, p) => (a.float = p.readFloat()),
      3: (a, p) => (a.int = p.readVarint(true)),
      4: (a, p) => (a.string = new TextDecoder().decode(p.readBytes())),
      8: (a, p) => p.readPackedVarint(a.ints, true),
      20: (a, p) => (a.type = p.readVarint()),
    }),
    found,
  );
  switch (found.type) {
    case ATTRIBUTE_TYPES.float:
      return [found.name, { kind: "float", value: found.float }];
    case ATTRIBUTE_TYPES.int:
      return [found.name, { kind: "int", value: found.int }];
    case ATTRIBUTE_TYPES.string:
      return [found.name, { kind: "string", value: found.string }];
    case ATTRIBUTE_TYPES.ints:
      return [found.name, { kind: "ints", value: found.ints }];
    default:
      throw new Error(`internal: attribute ${found.name} is of type ${found.type}, which no export writes`);
  }
}

function elementType(code: number): ElementType {
  for (const [name, { code: known }] of Object.entries(ELEMENTS))
    if (known === code) return name as ElementType;
  throw new Error(`internal: element type ${code}, which no export writes`);
}

function readTensor(pbf: PbfReader): ReadTensor {
  const found = { name: "", code: 0, dims: [] as number[], raw: undefined as Uint8Array | undefined };
  const external: Record<string, string> = {};
  pbf.readMessage(
    fields<typeof found>({
      1: (t, p) => p.readPackedVarint(t.dims),
      2: (t, p) => (t.code = p.readVarint()),
      8: (t, p) => (t.name = p.readString()),
      9: (t, p) => (t.raw = p.readBytes()),
      13: (_, p) => {
        const entry = p.readMessage(
          fields<{ key: string; value: string }>({
            1: (e, q) => (e.key = q.readString()),
            2: (e, q) => (e.value = q.readString()),
          }),
          { key: "", value: "" },
        );
        external[entry.key] = entry.value;
      },
    }),
    found,
  );
  return { name: found.name, type: elementType(found.code), dims: found.dims, raw: found.raw, external };
}

function readValueInfo(pbf: PbfReader): ValueInfo {
  const info = { name: "", code: 0, dims: [] as (number | string)[] };
  const dim = fields<typeof info>({
    1: (i, p) => i.dims.push(p.readVarint()),
    2: (i, p) => i.dims.push(p.readString()),
  });
  const shape = fields<typeof info>({ 1: (i, p) => p.readMessage(dim, i) });
  const tensor = fields<typeof info>({
    1: (i, p) => (i.code = p.readVarint()),
    2: (i, p) => p.readMessage(shape, i),
  });
  const type = fields<typeof info>({ 1: (i, p) => p.readMessage(tensor, i) });
  pbf.readMessage(
    fields<typeof info>({
      1: (i, p) => (i.name = p.readString()),
      2: (i, p) => p.readMessage(type, i),
    }),
    info,
  );
  return { name: info.name, type: elementType(info.code), dims: info.dims };
}
