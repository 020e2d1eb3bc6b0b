/**
 * Tensors of strings as bytes, as in the Open Inference Protocol (BYTES): for each element its length as a little-endian uint32, then its
 * UTF-8.
 */

const LENGTH_BYTES = 4;

/** @param texts strings, or their bytes. */
export function encodeStrings(texts: readonly (string | Uint8Array)[]): Uint8Array<ArrayBuffer> {
  const encoded = texts.map((text) => (typeof text === 'string' ? Buffer.from(text, 'utf8') : text));
  const data = new Uint8Array(encoded.reduce((sum, { length }) => sum + LENGTH_BYTES + length, 0));
  const view = new DataView(data.buffer);
  let at = 0;
  for (const text of encoded) {
    view.setUint32(at, text.length, true);
    data.set(text, at + LENGTH_BYTES);
    at += LENGTH_BYTES + text.length;
  }
  return data;
}

/** The data must be complete: see `countStrings`. */
export function decodeStrings(data: Uint8Array): string[] {
  return bytesOfStrings(data).map((bytes) => Buffer.from(bytes).toString('utf8'));
}

/** The same, without decoding. */
export function bytesOfStrings(data: Uint8Array): Uint8Array[] {
  return splitStrings(data).map((element) => element.subarray(LENGTH_BYTES));
}

/** The elements, each preceded by its length. */
export function splitStrings(data: Uint8Array): Uint8Array[] {
  const view = viewOf(data);
  const elements: Uint8Array[] = [];
  for (let at = 0; at < data.length; ) {
    const end = endOfStrings(data, at, 1, view);
    elements.push(data.subarray(at, end));
    at = end;
  }
  return elements;
}

/**
 * Number of elements; undefined when the last one is truncated.
 * @param most counts no further than to one more than this.
 */
export function countStrings(data: Uint8Array, most = Number.POSITIVE_INFINITY): number | undefined {
  const view = viewOf(data);
  let count = 0;
  let at = 0;
  for (; at + LENGTH_BYTES <= data.length && count <= most; count++) at += LENGTH_BYTES + view.getUint32(at, true);
  return at === data.length || (at < data.length && count > most) ? count : undefined;
}

/**
 * End of `count` elements that start at `from`; Infinity when they are truncated.
 * @param view of the data. To make one takes ten times as long as to read a length.
 */
export function endOfStrings(data: Uint8Array, from: number, count: number, view = viewOf(data)): number {
  let at = from;
  for (let i = 0; i < count; i++) {
    if (at + LENGTH_BYTES > data.length) return Number.POSITIVE_INFINITY;
    at += LENGTH_BYTES + view.getUint32(at, true);
  }
  return at > data.length ? Number.POSITIVE_INFINITY : at;
}

function viewOf(data: Uint8Array): DataView {
  return new DataView(data.buffer, data.byteOffset, data.byteLength);
}

/** Bytes of the empty string. */
export const EMPTY_STRING = new Uint8Array(LENGTH_BYTES);
