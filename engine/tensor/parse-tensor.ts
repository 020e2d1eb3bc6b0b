import { invalid } from '../errors.ts';
import { countStrings } from './strings.ts';
import { DTYPES, describeSpec, elements, fixedBytes, type Tensor, type TensorSpec, tooLongAxis } from './tensor.ts';
import { checkBytes, kindOf, writeValues } from './tensor-values.ts';

/**
 * Converts the value of one input, from a request or a data file, to a tensor. Values are untrusted: time is linear in their size
 * whatever their nesting, and nothing is allocated before the size is checked.
 * @param value raw little-endian bytes in C order, or numbers or strings, flat or nested like the shape. Ragged axes get their length
 *   from the value (from a flat value only if there is a single such axis; otherwise `{ shape, data }` states it). Bytes are not copied:
 *   the tensor is a view of them.
 * @param where what to call the value in messages, such as `inputs.image`.
 * @throws CascadeError INVALID_ARGUMENT that says what was wrong and what would be right.
 */
export function parseTensor(spec: TensorSpec, value: unknown, where: string): Tensor {
  if (value instanceof Uint8Array) return fromBytes(spec, value, where);
  if (Array.isArray(value)) return fromList(spec, value, where);
  if (spec.dtype !== 'string' && ArrayBuffer.isView(value) && value instanceof DTYPES[spec.dtype].array) {
    return fromBytes(spec, new Uint8Array(value.buffer, value.byteOffset, value.byteLength), where);
  }
  if (isSingle(spec, value)) return { data: writeValues(spec, [value], () => where), shape: spec.shape as number[] };
  if (typeof value === 'object' && value !== null && 'shape' in value && !ArrayBuffer.isView(value))
    return fromShaped(spec, value, where);
  throw invalid(`${where} is ${kindOf(value)}; expected ${describeSpec(spec)} as bytes or as a list of ${nounOf(spec)}`);
}

/** A single value instead of a list: for an input without axes, or a text for any input with exactly one. */
function isSingle({ dtype, shape }: TensorSpec, value: unknown): boolean {
  if (dtype === 'string') return typeof value === 'string' && shape.every((dimension) => dimension === 1);
  return shape.length === 0 && ['number', 'bigint', 'boolean'].includes(typeof value);
}

function nounOf({ dtype }: TensorSpec): string {
  return dtype === 'string' ? 'strings' : 'numbers';
}

/** Bytes, or flat numbers, with their shape. */
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
  if (spec.dtype === 'string') return fromTexts(spec, data, where);
  const size = fixedBytes(spec);
  if (size !== undefined && data.length !== size) {
    throw invalid(`${where} has ${data.length} bytes; expected ${size} (${describeSpec(spec)}, little-endian)`);
  }
  const shape = size === undefined ? inferShape(spec, data.length / DTYPES[spec.dtype].bytes, where) : (spec.shape as number[]);
  checkBytes(spec, data, where);
  return { data, shape };
}

function fromTexts(spec: TensorSpec, data: Uint8Array, where: string): Tensor {
  const count = countStrings(data);
  if (count === undefined) {
    throw invalid(`${where} is truncated; expected the bytes of each string after their count, a little-endian uint32`);
  }
  return { data, shape: shapeOfFlat(spec, count, where) };
}

function fromList(spec: TensorSpec, list: readonly unknown[], where: string): Tensor {
  const rank = spec.shape.length;
  if (rank > 1 && Array.isArray(list[0])) return fromNested(spec, list, where);
  const shape = shapeOfFlat(spec, list.length, where);
  return { data: writeValues(spec, list, (i) => `${where}[${i}]`), shape };
}

/** The shape of this many values that are not nested. */
function shapeOfFlat(spec: TensorSpec, count: number, where: string): number[] {
  if (spec.shape.includes(null)) return inferShape(spec, count, where);
  const shape = spec.shape as number[];
  const size = elements(shape);
  if (count === size) return shape;
  throw invalid(`${where} has ${count} ${nounOf(spec)}; expected ${size} (${describeSpec(spec)})`);
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

/** Ragged axes have a maximum length, because one long input would block the device for others. */
function checkLength(spec: TensorSpec, shape: readonly number[], where: string): void {
  const axis = tooLongAxis(spec, shape);
  if (axis !== undefined) throw invalid(tooLong(spec, axis, shape[axis], where));
}

/** Describes a wrong length, for clients and for the author of the deployment. */
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
  // Flattened axis by axis, so nesting beyond the rank shows up as an element that is not a number. The length of each level is
  // checked list by list against what the value really contains: a first row of a million cannot claim a million such rows.
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
  return { data: writeValues(spec, level, (i) => `${where}${indexText(i, shape)}`), shape };
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
