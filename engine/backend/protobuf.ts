/** As much of protobuf's wire format as reading ONNX files takes. */

export interface Field {
  readonly number: number;
  /** A varint, or the bytes of anything else. */
  readonly value: number | Uint8Array;
}

/** The fields of a protobuf message, in their order. Throws on bytes that are none. */
export function* fields(bytes: Uint8Array): Generator<Field> {
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

  /** A signed 64-bit integer: those below zero take ten bytes. */
  function varint(): number {
    let low = 0;
    let high = 0n;
    for (let i = 0; ; i++) {
      if (at >= bytes.length || i === 10) throw new Error('it is cut off');
      const byte = bytes[at++];
      if (i < 7) low += (byte & 127) * 2 ** (7 * i);
      else high |= BigInt(byte & 127) << BigInt(7 * i);
      if (byte < 128) return high === 0n ? low : Number(BigInt.asIntN(64, high + BigInt(low)));
    }
  }

  function take(length: number): Uint8Array {
    if (length < 0 || at + length > bytes.length) throw new Error('it is cut off');
    at += length;
    return bytes.subarray(at - length, at);
  }
}

/** The first field of that number; throws when there is none. */
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
