import { readFileSync } from 'node:fs';
import { ConfigError, messageOf } from '../errors.ts';
import type { ModelInterface } from './backend.ts';
import { interfaceOf, type Pads, type ValueInfo } from './model-interface.ts';

/** Element types of onnx.proto3's TensorProto.DataType, by number. */
const ELEMENT_TYPES = [
  'undefined',
  'float32',
  'uint8',
  'int8',
  'uint16',
  'int16',
  'int32',
  'int64',
  'string',
  'bool',
  'float16',
  'float64',
  'uint32',
  'uint64',
];

/**
 * What an ONNX file says of its inputs and outputs, without loading the model: so that data and requests can be checked
 * where no inference runs.
 * @throws ConfigError when the file is not an ONNX model, or one that cannot be served.
 */
export function readModelInterface(file: string, pads: Pads): ModelInterface {
  let graph: Uint8Array | undefined;
  const inputs: ValueInfo[] = [];
  const outputs: ValueInfo[] = [];
  try {
    graph = one(fields(readFileSync(file)), 7);
    const weights = new Set<string>();
    for (const field of fields(graph)) {
      // Files of before IR version 4 list the weights among the inputs.
      if (field.number === 5) weights.add(text(one(fields(bytesOf(field)), 8)));
      else if (field.number === 11) inputs.push(valueInfo(bytesOf(field)));
      else if (field.number === 12) outputs.push(valueInfo(bytesOf(field)));
    }
    for (let i = inputs.length - 1; i >= 0; i--) if (weights.has(inputs[i].name)) inputs.splice(i, 1);
  } catch (error) {
    throw new ConfigError(`${file} is not an ONNX model: ${messageOf(error)}`);
  }
  if (inputs.length === 0) throw new ConfigError(`${file} is not an ONNX model that can be served: it has no inputs`);
  return interfaceOf(file, inputs, outputs, pads);
}

/** ValueInfoProto: name = 1, type = 2 { tensor_type = 1 { elem_type = 1, shape = 2 { dim = 1 { dim_value = 1 } } } } */
function valueInfo(bytes: Uint8Array): ValueInfo {
  let name = '';
  let type = 'undefined';
  const shape: (number | string)[] = [];
  for (const field of fields(bytes)) {
    if (field.number === 1) name = text(bytesOf(field));
    if (field.number !== 2) continue;
    for (const tensor of fields(bytesOf(field))) {
      if (tensor.number !== 1) continue;
      for (const part of fields(bytesOf(tensor))) {
        if (part.number === 1) type = ELEMENT_TYPES[Number(part.value)] ?? `element type ${part.value}`;
        else if (part.number === 2) for (const dim of fields(bytesOf(part))) shape.push(dimension(bytesOf(dim)));
      }
    }
  }
  return { name, type, shape };
}

function dimension(bytes: Uint8Array): number | string {
  for (const field of fields(bytes)) {
    if (field.number === 1) return Number(field.value);
    if (field.number === 2) return text(bytesOf(field));
  }
  return '';
}

interface Field {
  readonly number: number;
  readonly value: number | Uint8Array;
}

/** The fields of a protobuf message, in their order. Throws on bytes that are none. */
function* fields(bytes: Uint8Array): Generator<Field> {
  let at = 0;
  while (at < bytes.length) {
    const key = varint();
    const number = Math.floor(key / 8);
    switch (key % 8) {
      case 0:
        yield { number, value: varint() };
        break;
      case 1:
        yield { number, value: take(8) };
        break;
      case 2:
        yield { number, value: take(varint()) };
        break;
      case 5:
        yield { number, value: take(4) };
        break;
      default:
        throw new Error(`it has no protobuf field at byte ${at}`);
    }
  }

  function varint(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      if (at >= bytes.length || factor > 2 ** 63) throw new Error('it is cut off');
      const byte = bytes[at++];
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  }

  function take(length: number): Uint8Array {
    if (at + length > bytes.length) throw new Error('it is cut off');
    at += length;
    return bytes.subarray(at - length, at);
  }
}

function one(all: Iterable<Field>, number: number): Uint8Array {
  for (const field of all) if (field.number === number) return bytesOf(field);
  throw new Error(`it has no protobuf field ${number}`);
}

function bytesOf(field: Field): Uint8Array {
  if (typeof field.value === 'number') throw new Error(`its protobuf field ${field.number} is a number`);
  return field.value;
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}
