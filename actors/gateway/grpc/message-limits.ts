import { invalid } from '../../../engine/errors.ts';
import { MAX_AXES, MAX_FIELDS, MAX_STRINGS, MAX_TENSORS, MAX_VALUES } from '../limits.ts';

/** Wire types of protocol buffers: varint, 8 bytes, bytes after their length, 4 bytes. */
type Wire = 0 | 1 | 2 | 5;
type Counter =
  | 'fields'
  | 'inputs'
  | 'outputs'
  | 'raw_input_contents'
  | 'parameters'
  | 'axes'
  | 'values in contents'
  | 'strings in contents';

interface Field {
  readonly wire: Wire;
  /** It may be given as one list of these as well, without their tags. */
  readonly isList?: boolean;
  readonly message?: Message;
  readonly counts?: Counter;
}
/** By field number. */
type Message = Readonly<Record<number, Field>>;

const LIMITS: Readonly<Record<Counter, { readonly most: number; readonly advice?: string }>> = {
  fields: { most: MAX_VALUES },
  inputs: { most: MAX_TENSORS },
  outputs: { most: MAX_TENSORS },
  raw_input_contents: { most: MAX_TENSORS },
  parameters: { most: MAX_FIELDS },
  axes: { most: MAX_TENSORS * MAX_AXES },
  'values in contents': { most: MAX_VALUES, advice: '; use raw_input_contents' },
  'strings in contents': { most: MAX_STRINGS, advice: '; use raw_input_contents' },
};

const text: Field = { wire: 2 };
const list = (wire: Wire, counts: Counter): Field => ({ wire, isList: true, counts });
const parameter: Message = { 1: { wire: 0 }, 2: { wire: 0 }, 3: text, 4: { wire: 1 }, 5: { wire: 0 } };
const parameters: Field = { wire: 2, counts: 'parameters', message: { 1: text, 2: { wire: 2, message: parameter } } };
const contents: Message = {
  ...Object.fromEntries([1, 2, 3, 4, 5].map((id) => [id, list(0, 'values in contents')])),
  6: list(5, 'values in contents'),
  7: list(1, 'values in contents'),
  8: { wire: 2, counts: 'strings in contents' },
};
const input: Message = { 1: text, 2: text, 3: list(0, 'axes'), 4: parameters, 5: { wire: 2, message: contents } };

/** Fields as in `inference-proto.ts`. */
const INFER_REQUEST: Message = {
  1: text,
  2: text,
  3: text,
  4: parameters,
  5: { wire: 2, counts: 'inputs', message: input },
  6: { wire: 2, counts: 'outputs', message: { 1: text, 2: parameters } },
  7: { wire: 2, counts: 'raw_input_contents' },
};
/** Of all other methods: a name and a version, or nothing. */
const NAMED: Message = { 1: text, 2: text };

/**
 * Walks a message without building it, because the library takes microseconds for each field, of which two bytes are enough.
 * @throws CascadeError INVALID_ARGUMENT if it has too many fields or values, or is malformed.
 */
export function checkMessage(bytes: Uint8Array, isInfer: boolean): void {
  const counts: Partial<Record<Counter, number>> = {};
  let at = 0;
  walk(isInfer ? INFER_REQUEST : NAMED, bytes.length);

  function walk(message: Message, end: number): void {
    while (at < end) {
      const tag = varint(end);
      const wire = tag & 7;
      const field = message[tag >>> 3];
      const isPacked = field?.isList === true && wire === 2;
      if (field !== undefined && wire !== field.wire && !isPacked) throw malformed(at);
      count('fields', 1);
      if (!isPacked) count(field?.counts, 1);
      if (wire === 0) varint(end);
      else if (wire === 1) skip(8, end);
      else if (wire === 5) skip(4, end);
      else if (wire === 2) {
        const length = varint(end);
        const start = at;
        skip(length, end);
        if (isPacked) count(field.counts, packed(field.wire, start, at));
        if (field?.message !== undefined) {
          at = start;
          walk(field.message, start + length);
        }
      } else throw malformed(at);
    }
  }

  function count(what: Counter | undefined, more: number): void {
    if (what === undefined) return;
    const sum = (counts[what] ?? 0) + more;
    const { most, advice = '' } = LIMITS[what];
    if (sum > most) throw invalid(`the message has more than ${most} ${what}${advice}`);
    counts[what] = sum;
  }

  /** How many values a list without tags has. */
  function packed(wire: Wire, from: number, to: number): number {
    if (wire !== 0) return (to - from) / (wire === 1 ? 8 : 4);
    let found = 0;
    // The last byte of each has no high bit.
    for (let i = from; i < to; i++) if (bytes[i] < 0x80) found++;
    return found;
  }

  /** Its low 32 bits. */
  function varint(end: number): number {
    let value = 0;
    for (let i = 0; i < 10; i++) {
      if (at >= end) break;
      const byte = bytes[at++];
      if (i < 5) value |= (byte & 0x7f) << (7 * i);
      if (byte < 0x80) return value >>> 0;
    }
    throw malformed(at);
  }

  function skip(length: number, end: number): void {
    if (length > end - at) throw malformed(at);
    at += length;
  }

  function malformed(where: number): Error {
    return invalid(`the message is malformed at byte ${where} of ${bytes.length}`);
  }
}
