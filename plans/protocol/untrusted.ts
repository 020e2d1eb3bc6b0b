import { Unpackr } from 'msgpackr';
import { invalid, messageOf } from '../../engine/errors.ts';
import { scanJson, tooDeep, tooMany } from '../../engine/scan-json.ts';

/** Limits on a client's body, checked on the bytes, before anything is decoded. */
export const BODY_LIMITS = {
  /** Nesting; a frame, a request, inputs and a tensor's axes easily fit. */
  depth: 16,
  /** Elements of all lists and maps together. */
  items: 1_000_000,
} as const;

export type BodyFormat = 'msgpack' | 'json';

const unpackr = new Unpackr({ useRecords: false, int64AsType: 'number' });

/**
 * JSON or MessagePack, by content type, else by the first byte. `{`, `[` and white space can only begin JSON, because a MessagePack
 * request begins with a map or array byte (>= 0x80).
 */
export function bodyFormat(data: Uint8Array, contentType: string | undefined): BodyFormat {
  const type = contentType === undefined ? '' : mediaType(contentType);
  if (type === '') return guessedFormat(data);
  const format = FORMATS.get(type);
  if (format !== undefined) return format;
  throw invalid(
    `Content-Type ${quoted(type)} is not supported; use application/json, application/msgpack, or ${OPAQUE} for the raw bytes of a single input`,
  );
}

/** Whether a body is the bytes of a family's only input, rather than a request in JSON or MessagePack. */
export function isOpaque(contentType: string | undefined): boolean {
  return contentType !== undefined && mediaType(contentType) === OPAQUE;
}

/**
 * The encoding that the header `Accept` asks for: the supported type with the highest `q`, the first one in a tie, as in HTTP.
 * @returns undefined if it leaves the choice to us.
 * @throws CascadeError INVALID_ARGUMENT if it lists no supported type.
 */
export function acceptedFormat(accept: string | undefined): BodyFormat | undefined {
  if (accept === undefined || accept.trim() === '') return undefined;
  let best: { format: BodyFormat | undefined; weight: number } | undefined;
  if (accept.length <= ACCEPT_MAX_CHARACTERS) {
    for (const range of accept.split(',')) {
      const type = mediaType(range);
      if (!ANYTHING.includes(type) && !FORMATS.has(type)) continue;
      const weight = weightOf(range);
      if (weight > (best?.weight ?? 0)) best = { format: FORMATS.get(type), weight };
    }
  }
  if (best === undefined) throw invalid(`Accept ${quoted(accept)}: answers are application/json or application/msgpack`);
  return best.format;
}

/** The encoding of an answer: what `Accept` asks for, else that of the request, and MessagePack for an opaque one. */
export function answerFormat(data: Uint8Array, contentType: string | undefined, accept: string | undefined): BodyFormat {
  try {
    return acceptedFormat(accept) ?? (isOpaque(contentType) ? 'msgpack' : bodyFormat(data, contentType));
  } catch {
    // The answer says what is wrong with the headers, and needs an encoding as well.
    return guessedFormat(data);
  }
}

const OPAQUE = 'application/octet-stream';
const FORMATS: ReadonlyMap<string, BodyFormat> = new Map([
  ['application/json', 'json'],
  ['application/msgpack', 'msgpack'],
  ['application/x-msgpack', 'msgpack'],
  ['application/vnd.msgpack', 'msgpack'],
]);
const ANYTHING = ['*/*', 'application/*'];
/** Browsers send about a hundred. */
const ACCEPT_MAX_CHARACTERS = 1_024;

function guessedFormat(data: Uint8Array): BodyFormat {
  return data.length > 0 && data[0] < 0x80 ? 'json' : 'msgpack';
}

function mediaType(value: string): string {
  return value.split(';', 1)[0].trim().toLowerCase();
}

/** `q` of an entry of `Accept`: 1 unless it says otherwise, and 0 when it cannot be read. */
function weightOf(range: string): number {
  const [, q] = /;\s*q\s*=([^;]*)/i.exec(range) ?? [];
  if (q === undefined) return 1;
  const weight = Number(q);
  return q.trim() !== '' && weight >= 0 && weight <= 1 ? weight : 0;
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}

/**
 * Decodes an untrusted body.
 * @throws CascadeError INVALID_ARGUMENT saying what is wrong with the bytes, and where.
 */
export function decodeUntrusted(data: Uint8Array, format: BodyFormat): unknown {
  if (data.length === 0) throw invalid('empty body; send {"inputs": {...}} as MessagePack or JSON');
  if (format === 'json') {
    scanJson(data, BODY_LIMITS);
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

/**
 * Walks a MessagePack value without building it, so that a body of a few bytes cannot claim a list of millions, nest without limit, or
 * carry an extension.
 * @returns the position after the value.
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
    if (items > BODY_LIMITS.items) throw tooMany(BODY_LIMITS);
    if (count > data.length - at) throw truncated();
    if (left.length > BODY_LIMITS.depth) throw tooDeep(BODY_LIMITS);
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
