import { invalid } from './errors.ts';
import { DTYPES, type Dtype, describeSpec, elements, fixedBytes, type Tensor, type TensorSpec, tooLongAxis } from './tensor.ts';

/**
 * The value of one input, as a request or a data file holds it, to a tensor. Values are untrusted: time is linear in their
 * size whatever their nesting, and nothing is allocated before the size is checked.
 * @param value raw little-endian bytes in C order, or numbers, flat or nested as the shape; ragged axes take their length
 *   from the value (from a flat value only if there is one such axis, else `{ shape, data }` tells it). Bytes are not copied: the
 *   tensor is a view of them.
 * @param where how to call the value in messages, such as `inputs.image`.
 * @throws CascadeError INVALID_ARGUMENT that says what was wrong and what would be right.
 */
export function parseTensor(spec: TensorSpec, value: unknown, where: string): Tensor {
  if (value instanceof Uint8Array) return fromBytes(spec, value, where);
  if (Array.isArray(value)) return fromList(spec, value, where);
  if (ArrayBuffer.isView(value) && value instanceof DTYPES[spec.dtype].array) {
    return fromBytes(spec, new Uint8Array(value.buffer, value.byteOffset, value.byteLength), where);
  }
  if (spec.shape.length === 0 && (typeof value === 'number' || typeof value === 'bigint')) {
    return { data: writeAll(spec.dtype, [value], 1, () => where), shape: [] };
  }
  if (typeof value === 'object' && value !== null && 'shape' in value && !ArrayBuffer.isView(value))
    return fromShaped(spec, value, where);
  throw invalid(`${where} is ${kindOf(value)}; expected ${describeSpec(spec)} as bytes or as a list of numbers`);
}

/** Bytes, or flat numbers, beside their shape. */
function fromShaped(spec: TensorSpec, { shape, data }: { shape: unknown; data?: unknown }, where: string): Tensor {
  const fits =
    Array.isArray(shape) &&
    shape.length === spec.shape.length &&
    shape.every((length, axis) => Number.isSafeInteger(length) && length > 0 && length === (spec.shape[axis] ?? length));
  if (!fits) {
    const found = Array.isArray(shape) ? `[${shape.slice(0, 8).map(kindOf).join(', ')}]` : kindOf(shape);
    throw invalid(`${where}.shape is ${found}; expected the shape of ${describeSpec(spec)}`);
  }
  checkLength(spec, shape, where);
  return parseTensor({ ...spec, shape }, data, `${where}.data`);
}

function fromBytes(spec: TensorSpec, data: Uint8Array, where: string): Tensor {
  const size = fixedBytes(spec);
  if (size !== undefined && data.length !== size) {
    throw invalid(`${where} has ${data.length} bytes; expected ${size} (${describeSpec(spec)}, little-endian)`);
  }
  const shape = size === undefined ? inferShape(spec, data.length / DTYPES[spec.dtype].bytes, where) : (spec.shape as number[]);
  if (spec.dtype === 'float32') checkFinite(data, 4, 0x80, where);
  else if (spec.dtype === 'float64') checkFinite(data, 8, 0xf0, where);
  return { data, shape };
}

/** Infinity and NaN have all exponent bits set. By bytes, because what comes from the network is not aligned. */
function checkFinite(data: Uint8Array, width: number, mantissaMask: number, where: string): void {
  for (let at = width - 1; at < data.length; at += width) {
    if ((data[at] & 0x7f) === 0x7f && (data[at - 1] & mantissaMask) === mantissaMask) {
      throw invalid(`${where}[${(at + 1) / width - 1}] (counted flat) is not finite; send finite numbers`);
    }
  }
}

function fromList(spec: TensorSpec, list: readonly unknown[], where: string): Tensor {
  const rank = spec.shape.length;
  if (rank > 1 && Array.isArray(list[0])) return fromNested(spec, list, where);
  const fixed = fixedBytes(spec);
  const size = fixed === undefined ? undefined : fixed / DTYPES[spec.dtype].bytes;
  if (size !== undefined && list.length !== size) {
    throw invalid(`${where} has ${list.length} numbers; expected ${size} (${describeSpec(spec)})`);
  }
  const shape = size === undefined ? inferShape(spec, list.length, where) : (spec.shape as number[]);
  return { data: writeAll(spec.dtype, list, list.length, (i) => `${where}[${i}]`), shape };
}

/** The shape of a flat value with one ragged axis. */
function inferShape(spec: TensorSpec, count: number, where: string): number[] {
  const known = elements(spec.shape.map((dimension) => dimension ?? 1));
  if (spec.shape.filter((dimension) => dimension === null).length > 1) {
    throw invalid(
      `${where}: a flat value of ${describeSpec(spec)} does not say its shape; send { shape, data }, or nested lists`,
    );
  }
  const length = count / known;
  if (!Number.isInteger(length)) {
    throw invalid(`${where} has ${Number(count.toFixed(3))} values; expected a multiple of ${known} (${describeSpec(spec)})`);
  }
  if (length === 0) throw invalid(`${where} is empty; expected at least ${known} values (${describeSpec(spec)})`);
  const shape = spec.shape.map((dimension) => dimension ?? length);
  checkLength(spec, shape, where);
  return shape;
}

/** Ragged axes have a longest length: one long input would cost the others their device. */
function checkLength(spec: TensorSpec, shape: readonly number[], where: string): void {
  const axis = tooLongAxis(spec, shape);
  if (axis !== undefined) throw invalid(tooLong(spec, axis, shape[axis], where));
}

/** What is wrong with a length, in words for clients and for whoever wrote the deployment. */
export function tooLong({ name, maxShape }: TensorSpec, axis: number, length: number, where: string): string {
  const limit = `at most ${maxShape?.[axis]} is accepted (inputs.${name}.maxLength of the deployment)`;
  return `${where} has length ${length} in axis ${axis}; ${limit}`;
}

function fromNested(spec: TensorSpec, list: readonly unknown[], where: string): Tensor {
  const rank = spec.shape.length;
  const shape: number[] = [];
  let first: unknown = list;
  for (let axis = 0; axis < rank; axis++) {
    if (!Array.isArray(first)) {
      throw invalid(`${where} is nested ${axis} deep; expected ${rank} (${describeSpec(spec)}), or a flat list`);
    }
    const expected = spec.shape[axis];
    if (expected !== null && first.length !== expected) {
      throw invalid(`${where} has length ${first.length} in axis ${axis}; expected ${expected} (${describeSpec(spec)})`);
    }
    if (first.length === 0) throw invalid(`${where} is empty in axis ${axis}; expected ${describeSpec(spec)}`);
    shape.push(first.length);
    first = first[0];
  }
  checkLength(spec, shape, where);
  // Flattened axis by axis, so that nesting beyond the rank is met as an element that is not a number. A level's length is
  // checked list by list against what the value really holds: a first row of a million cannot claim a million such rows.
  let level: readonly unknown[] = list;
  for (let axis = 1; axis < rank; axis++) {
    const flat: unknown[] = [];
    for (let i = 0; i < level.length; i++) {
      const row = level[i];
      const at = (): string => `${where}${indexText(i, shape.slice(0, axis))}`;
      if (!Array.isArray(row)) throw invalid(`${at()} is ${kindOf(row)}; expected a list of ${shape[axis]}`);
      if (row.length !== shape[axis]) throw invalid(`${at()} has length ${row.length}; expected ${shape[axis]} as in the first`);
      for (let j = 0; j < row.length; j++) flat.push(row[j]);
    }
    level = flat;
  }
  return { data: writeAll(spec.dtype, level, level.length, (i) => `${where}${indexText(i, shape)}`), shape };
}

/** `[0][27][3]`: the place of a flat index. */
function indexText(index: number, shape: readonly number[]): string {
  const steps: number[] = [];
  let rest = index;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    steps.unshift(rest % shape[axis]);
    rest = Math.floor(rest / shape[axis]);
  }
  return steps.map((step) => `[${step}]`).join('');
}

function writeAll(dtype: Dtype, list: readonly unknown[], count: number, at: (index: number) => string): Uint8Array {
  const { array, bytes, integer } = DTYPES[dtype];
  const data = new Uint8Array(count * bytes);
  if (dtype === 'int64' || dtype === 'uint64') {
    writeWords(dtype, list, new Int32Array(data.buffer), at);
    return data;
  }
  const view = new array(data.buffer) as Float64Array;
  for (let i = 0; i < count; i++) {
    const value = list[i];
    if (typeof value !== 'number') throw invalid(`${at(i)} is ${kindOf(value)}; expected a number (${dtype})`);
    if (integer !== undefined && !(Number.isInteger(value) && value >= integer[0] && value <= integer[1])) {
      throw invalid(`${at(i)} is ${value}; expected a whole number from ${integer[0]} to ${integer[1]} (${dtype})`);
    }
    view[i] = value;
    if (integer === undefined && !Number.isFinite(view[i])) {
      throw invalid(`${at(i)} is ${value}; expected a finite number that ${dtype} can hold`);
    }
  }
  return data;
}

/** 64-bit integers as two words each: making a BigInt of every number costs ten times as much. */
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

/** A value in a few words, however large it is: never its whole content. */
function kindOf(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 37)}...` : value);
  if (typeof value === 'object') return 'an object';
  return String(value);
}
