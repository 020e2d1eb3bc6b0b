import { Unpackr } from 'msgpackr';
import { invalid, messageOf } from '../../engine/errors.ts';

/** Limits on a client's body, checked on the bytes, before anything is decoded. */
export const BODY_LIMITS = {
  /** Nesting: frame, request, inputs, and a tensor's axes fit easily. */
  depth: 16,
  /** Elements of all lists and maps together. */
  items: 1_000_000,
} as const;

export type BodyFormat = 'msgpack' | 'json';

const unpackr = new Unpackr({ useRecords: false, int64AsType: 'number' });

/**
 * JSON or MessagePack, by content type, else by the first byte: `{`, `[` or white space can only begin JSON, as a MessagePack
 * request begins with a map or array byte (>= 0x80).
 */
export function bodyFormat(data: Uint8Array, contentType: string | undefined): BodyFormat {
  const type = contentType?.split(';', 1)[0].trim().toLowerCase();
  switch (type) {
    case undefined:
    case '':
      return data.length > 0 && data[0] < 0x80 ? 'json' : 'msgpack';
    case 'application/json':
      return 'json';
    case 'application/msgpack':
    case 'application/x-msgpack':
    case 'application/vnd.msgpack':
      return 'msgpack';
    default:
      throw invalid(
        `Content-Type ${JSON.stringify(type.slice(0, 80))} is not supported; use application/json, application/msgpack, or application/octet-stream for the raw bytes of a single input`,
      );
  }
}

/**
 * Decodes a body that anyone may have sent.
 * @throws CascadeError INVALID_ARGUMENT saying what is wrong with the bytes and where.
 */
export function decodeUntrusted(data: Uint8Array, format: BodyFormat): unknown {
  if (data.length === 0) throw invalid('empty body; send {"inputs": {...}} as MessagePack or JSON');
  if (format === 'json') {
    scanJson(data);
    try {
      return JSON.parse(utf8.decode(data));
    } catch (error) {
      throw invalid(`body is not valid JSON: ${messageOf(error).slice(0, 200)}`);
    }
  }
  const end = scanMessagePack(data);
  if (end !== data.length) throw invalid(`MessagePack body has ${data.length - end} bytes after its end at byte ${end}`);
  try {
    return unpackr.unpack(data);
  } catch (error) {
    throw invalid(`body is not valid MessagePack: ${messageOf(error).slice(0, 200)}`);
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Nesting and number of elements, without building anything. */
function scanJson(data: Uint8Array): void {
  let depth = 0;
  let items = 0;
  let inString = false;
  for (let i = 0; i < data.length; i++) {
    const byte = data[i];
    if (inString) {
      if (byte === 0x5c) i++;
      else if (byte === 0x22) inString = false;
    } else if (byte === 0x22) inString = true;
    else if (byte === 0x5b || byte === 0x7b) {
      if (++depth > BODY_LIMITS.depth) throw tooDeep();
    } else if (byte === 0x5d || byte === 0x7d) depth--;
    else if (byte === 0x2c && ++items >= BODY_LIMITS.items) throw tooMany();
  }
}

/**
 * Walks a MessagePack value without building it, so that a body of a few bytes cannot claim a list of millions, nest without
 * end, or carry an extension.
 * @returns the byte after the value.
 */
function scanMessagePack(data: Uint8Array): number {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  /** Values still to come at each level of nesting. */
  const left = [1];
  let items = 0;
  let at = 0;
  while (left.length > 0) {
    if (left[left.length - 1] === 0) {
      left.pop();
      continue;
    }
    left[left.length - 1]--;
    if (at >= data.length) throw truncated();
    const type = data[at++];
    if (type <= 0x7f || type >= 0xe0 || type === 0xc0 || type === 0xc2 || type === 0xc3) continue;
    if (type <= 0x8f) open(2 * (type & 0x0f));
    else if (type <= 0x9f) open(type & 0x0f);
    else if (type <= 0xbf) skip(type & 0x1f);
    else if (type === 0xc4 || type === 0xd9) skip(length(1));
    else if (type === 0xc5 || type === 0xda) skip(length(2));
    else if (type === 0xc6 || type === 0xdb) skip(length(4));
    else if (type === 0xcc || type === 0xd0) skip(1);
    else if (type === 0xcd || type === 0xd1) skip(2);
    else if (type === 0xca || type === 0xce || type === 0xd2) skip(4);
    else if (type === 0xcb || type === 0xcf || type === 0xd3) skip(8);
    else if (type === 0xdc) open(length(2));
    else if (type === 0xdd) open(length(4));
    else if (type === 0xde) open(2 * length(2));
    else if (type === 0xdf) open(2 * length(4));
    else throw invalid(`MessagePack body has type byte 0x${type.toString(16)} at byte ${at - 1}; extensions are not accepted`);
  }
  return at;

  function open(count: number): void {
    items += count;
    if (items > BODY_LIMITS.items) throw tooMany();
    if (count > data.length - at) throw truncated();
    if (left.length > BODY_LIMITS.depth) throw tooDeep();
    left.push(count);
  }

  function skip(bytes: number): void {
    at += bytes;
    if (at > data.length) throw truncated();
  }

  function length(bytes: 1 | 2 | 4): number {
    if (at + bytes > data.length) throw truncated();
    const value = bytes === 1 ? data[at] : bytes === 2 ? view.getUint16(at) : view.getUint32(at);
    at += bytes;
    return value;
  }

  function truncated(): Error {
    return invalid(`MessagePack body is truncated: it has ${data.length} bytes and announces more`);
  }
}

function tooMany(): Error {
  return invalid(`body has more than ${BODY_LIMITS.items} elements`);
}

function tooDeep(): Error {
  return invalid(`body is nested deeper than ${BODY_LIMITS.depth} levels`);
}
