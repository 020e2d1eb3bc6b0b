import { invalid, messageOf } from '../errors.ts';
import { fromFloat16, toFloat16 } from './float16.ts';
import { encodeStrings } from './strings.ts';
import { DTYPES, type NumberType, type TensorSpec } from './tensor.ts';

/**
 * Writes the values of a list as the bytes of a tensor.
 * @param list numbers; booleans for bool; strings for string; null for NaN, which JSON does not have, if it is allowed.
 * @param at what to call the value at an index in messages.
 * @throws CascadeError INVALID_ARGUMENT for values that the element type cannot hold.
 */
export function writeValues(spec: TensorSpec, list: readonly unknown[], at: (index: number) => string): Uint8Array {
  const { dtype } = spec;
  if (dtype === 'string') return writeTexts(list, at);
  const { array, bytes, integer } = DTYPES[dtype];
  const data = new Uint8Array(list.length * bytes);
  if (dtype === 'int64' || dtype === 'uint64') {
    writeWords(dtype, list, new Int32Array(data.buffer), at);
    return data;
  }
  const view = new array(data.buffer) as Float64Array;
  for (let i = 0; i < list.length; i++) {
    const value = numberOf(spec, list[i]);
    if (typeof value !== 'number') throw invalid(`${at(i)} is ${kindOf(value)}; expected a number (${dtype})`);
    if (integer !== undefined && !(Number.isInteger(value) && value >= integer[0] && value <= integer[1])) {
      throw invalid(`${at(i)} is ${value}; expected a whole number from ${integer[0]} to ${integer[1]} (${dtype})`);
    }
    view[i] = dtype === 'float16' ? toFloat16(value) : value;
    if (integer !== undefined || (spec.nan === true && Number.isNaN(value))) continue;
    if (!Number.isFinite(dtype === 'float16' ? fromFloat16(view[i]) : view[i])) throw notFinite(spec, value, at(i));
  }
  return data;
}

/** What is wrong with the value that pads an input; undefined when its element type can hold it. Strings are padded with empty ones. */
export function padProblem(spec: TensorSpec): string | undefined {
  const { name, dtype, pad } = spec;
  if (pad === undefined || dtype === 'string') return undefined;
  try {
    writeValues(spec, [pad], () => `inputs.${name}.pad`);
  } catch (error) {
    return messageOf(error);
  }
  return undefined;
}

function numberOf({ dtype, nan }: TensorSpec, value: unknown): unknown {
  if (dtype === 'bool' && typeof value === 'boolean') return Number(value);
  return nan === true && value === null ? Number.NaN : value;
}

function notFinite({ name, dtype }: TensorSpec, value: number, where: string): Error {
  const wayOut = Number.isNaN(value) ? `, or \`inputs.${name}.nan: allow\` in the deployment` : '';
  return invalid(`${where} is ${value}; expected a finite number that ${dtype} can hold${wayOut}`);
}

function writeTexts(list: readonly unknown[], at: (index: number) => string): Uint8Array {
  list.forEach((value, i) => {
    if (typeof value !== 'string') throw invalid(`${at(i)} is ${kindOf(value)}; expected a string`);
  });
  return encodeStrings(list as readonly string[]);
}

/** Exponent bits in the last and the second to last byte. */
const EXPONENTS: Readonly<Partial<Record<NumberType, readonly [number, number]>>> = {
  float16: [0x7c, 0],
  float32: [0x7f, 0x80],
  float64: [0x7f, 0xf0],
};

/**
 * Checks that the bytes are valid for the element type. It works on bytes, because network data is not aligned.
 * @throws CascadeError INVALID_ARGUMENT for infinity, for NaN where it is not allowed, and for a bool other than 0 and 1.
 */
export function checkBytes(spec: TensorSpec, data: Uint8Array, where: string): void {
  const dtype = spec.dtype as NumberType;
  if (dtype === 'bool') {
    const at = data.findIndex((value) => value > 1);
    if (at !== -1) throw invalid(`${where}[${at}] (counted flat) is ${data[at]}; expected 0 or 1 (bool)`);
    return;
  }
  const exponent = EXPONENTS[dtype];
  if (exponent === undefined) return;
  const [high, low] = exponent;
  const width = DTYPES[dtype].bytes;
  for (let last = width - 1; last < data.length; last += width) {
    // Infinity and NaN have all exponent bits set.
    if ((data[last] & high) !== high || (data[last - 1] & low) !== low) continue;
    const index = (last + 1) / width - 1;
    if (isInfinite(data, last, width, exponent))
      throw invalid(`${where}[${index}] (counted flat) is not finite; send finite numbers`);
    if (spec.nan !== true) {
      throw invalid(
        `${where}[${index}] (counted flat) is not finite (NaN); send finite numbers, or \`inputs.${spec.name}.nan: allow\` in the deployment`,
      );
    }
  }
}

/** Whether all bits except sign and exponent are zero. */
function isInfinite(data: Uint8Array, last: number, width: number, [high, low]: readonly [number, number]): boolean {
  let rest = (data[last] & 0x7f & ~high) | (data[last - 1] & ~low);
  for (let at = last - 2; at > last - width; at--) rest |= data[at];
  return rest === 0;
}

/** Writes 64-bit integers as two words each: a BigInt per number is ten times as expensive. */
function writeWords(dtype: 'int64' | 'uint64', list: readonly unknown[], words: Int32Array, at: (index: number) => string): void {
  const [min, max] = DTYPES[dtype].integer;
  for (let i = 0; 2 * i < words.length; i++) {
    const value = list[i];
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) {
      words[2 * i] = value | 0;
      words[2 * i + 1] = Math.floor(value / 4294967296);
    } else if (
      typeof value === 'bigint' &&
      value === (dtype === 'int64' ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value))
    ) {
      words[2 * i] = Number(BigInt.asIntN(32, value));
      words[2 * i + 1] = Number(BigInt.asIntN(32, value >> 32n));
    } else if (typeof value === 'number' || typeof value === 'bigint') {
      throw invalid(`${at(i)} is ${value}; expected a whole number from ${min} to ${max} (${dtype})`);
    } else {
      throw invalid(`${at(i)} is ${kindOf(value)}; expected a number (${dtype})`);
    }
  }
}

/** Describes a value in a few words, never its whole content. */
export function kindOf(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 37)}...` : value);
  if (typeof value === 'object') return 'an object';
  return String(value);
}
