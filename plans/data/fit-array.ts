import { ConfigError } from '../../engine/errors.ts';
import { fromFloat16, fromFloat16Array, toFloat16 } from '../../engine/tensor/float16.ts';
import { DTYPES, elements, type NumberType, type TensorSpec } from '../../engine/tensor/tensor.ts';
import type { NumberArray } from './npy.ts';

/** `float32[samples, 1, 28, 28]`: the type and shape of an array with the input's values. */
export function describeArray(spec: TensorSpec): string {
  return `${spec.dtype}[samples${spec.shape.map((dimension) => `, ${dimension ?? '?'}`).join('')}]`;
}

/**
 * The shape of one sample of an array [samples, ...], as the input needs it. Axes of length 1 may differ: [n, 28, 28] fits
 * [samples, 1, 28, 28], and [n] fits [samples, 1], because the values are in the same order.
 * @returns undefined when the array does not fit.
 */
export function sampleShape(spec: TensorSpec, array: readonly number[]): number[] | undefined {
  const sample = array.slice(1);
  if (array.length === 0 || array.includes(0)) return undefined;
  if (fits(spec.shape, sample)) return sample;
  const wanted = spec.shape.filter((dimension) => dimension !== 1);
  const found = sample.filter((dimension) => dimension !== 1);
  if (!fits(wanted, found)) return undefined;
  let next = 0;
  return spec.shape.map((dimension) => (dimension === 1 ? 1 : found[next++]));
}

function fits(wanted: readonly (number | null)[], found: readonly number[]): boolean {
  return wanted.length === found.length && wanted.every((dimension, axis) => (dimension ?? found[axis]) === found[axis]);
}

/**
 * Converts the array to another element type; returns the array itself if it already has it.
 * @param where what to call the array in messages.
 * @throws ConfigError for a value that the type cannot hold, such as a fraction for int64.
 */
export function convertArray(array: NumberArray, to: NumberType, where: string): NumberArray {
  if (array.dtype === to) return array;
  const from = valuesOf(array);
  const { array: TypedArray, bytes, integer } = DTYPES[to];
  const data = new Uint8Array(from.length * bytes);
  const target = new TypedArray(data.buffer);
  const perSample = elements(array.shape.slice(1));
  for (let i = 0; i < from.length; i++) {
    const value = Number(from[i]);
    const holds =
      integer === undefined
        ? !Number.isFinite(value) || Number.isFinite(rounded(value, to))
        : Number.isInteger(value) && value >= integer[0] && value <= integer[1];
    if (!holds) {
      const range = integer === undefined ? `what ${to} can hold` : `whole numbers from ${integer[0]} to ${integer[1]} (${to})`;
      throw new ConfigError(`${where}: sample ${Math.floor(i / perSample)} holds ${value}, but the models need ${range}`);
    }
    if (target instanceof BigInt64Array || target instanceof BigUint64Array) target[i] = BigInt(value);
    else target[i] = to === 'float16' ? toFloat16(value) : value;
  }
  return { dtype: to, shape: array.shape, data };
}

/** The closest number that a floating-point type can hold. */
function rounded(value: number, to: NumberType): number {
  if (to === 'float16') return fromFloat16(toFloat16(value));
  return to === 'float32' ? Math.fround(value) : value;
}

/** The array's values; 64-bit integers are BigInts. */
export function valuesOf({ dtype, data }: NumberArray): InstanceType<(typeof DTYPES)[NumberType]['array']> {
  const { array, bytes } = DTYPES[dtype];
  const values = new array(data.buffer, data.byteOffset, data.length / bytes);
  return dtype === 'float16' ? fromFloat16Array(values as Uint16Array) : values;
}
