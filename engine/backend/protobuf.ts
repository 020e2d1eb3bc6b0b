/** The part of protobuf's wire format that is needed to read and repair ONNX files. */

export interface Field {
  readonly number: number;
  /** A varint as a number, anything else as bytes. */
  readonly value: number | Uint8Array;
  /** The whole field, including its number. */
  readonly raw: Uint8Array;
}

/** The fields of a protobuf message, in order. Throws if the bytes are not a message. */
export function* fields(bytes: Uint8Array): Generator<Field> {
  let at = 0;
  while (at < bytes.length) {
    const from = at;
    const key = varint();
    const value = valueOfType(key % 8);
    yield { number: Math.floor(key / 8), value, raw: bytes.subarray(from, at) };
  }

  function valueOfType(wireType: number): number | Uint8Array {
    switch (wireType) {
      case 0:
        return varint();
      case 1:
        return take(8);
      case 2:
        return take(varint());
      case 5:
        return take(4);
      default:
        throw new Error(`it has no protobuf field at byte ${at}`);
    }
  }

  function varint(): number {
    const [value, end] = readVarint(bytes, at);
    at = end;
    return value;
  }

  function take(length: number): Uint8Array {
    if (length < 0 || at + length > bytes.length) throw new Error('it is cut off');
    at += length;
    return bytes.subarray(at - length, at);
  }
}

/** Decodes packed integers. */
export function varints(bytes: Uint8Array): number[] {
  const values: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    const [value, end] = readVarint(bytes, at);
    values.push(value);
    at = end;
  }
  return values;
}

/** A signed 64-bit integer and where it ends; negative ones take ten bytes. */
function readVarint(bytes: Uint8Array, from: number): [value: number, end: number] {
  let low = 0;
  let high = 0n;
  for (let i = 0; ; i++) {
    if (from + i >= bytes.length || i === 10) throw new Error('it is cut off');
    const byte = bytes[from + i];
    if (i < 7) low += (byte & 127) * 2 ** (7 * i);
    else high |= BigInt(byte & 127) << BigInt(7 * i);
    if (byte < 128) return [high === 0n ? low : Number(BigInt.asIntN(64, high + BigInt(low))), from + i + 1];
  }
}

/** The first field with this number; throws if there is none. */
export function one(all: Iterable<Field>, number: number): Uint8Array {
  for (const field of all) if (field.number === number) return bytesOf(field);
  throw new Error(`it has no protobuf field ${number}`);
}

export function bytesOf(field: Field): Uint8Array {
  if (typeof field.value === 'number') throw new Error(`its protobuf field ${field.number} is a number`);
  return field.value;
}

export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

/** Encodes a field of bytes: a string or a message. */
export function bytesField(number: number, value: Uint8Array): Uint8Array {
  return Buffer.concat([encodeVarint(number * 8 + 2), encodeVarint(value.length), value]);
}

export function textField(number: number, value: string): Uint8Array {
  return bytesField(number, Buffer.from(value));
}

/** @param value 0 or more. */
export function numberField(number: number, value: number): Uint8Array {
  return Buffer.concat([encodeVarint(number * 8), encodeVarint(value)]);
}

function encodeVarint(value: number): Uint8Array {
  const out: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) out.push((rest % 128) | 128);
  return Uint8Array.from([...out, rest]);
}
