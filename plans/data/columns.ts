import { ConfigError } from '../../engine/errors.ts';
import { DTYPES, elements, type Tensor, type TensorSpec } from '../../engine/tensor.ts';
import type { NpyArray } from './npy.ts';

/** One input of all samples. */
export interface Column {
  readonly count: number;
  tensor(index: number): Tensor;
}

/**
 * An array [samples, ...] as the values of one input.
 * @param where file and field, for messages.
 * @throws ConfigError when element type or shape are not the input's, or a value is not finite.
 */
export function arrayColumn(spec: TensorSpec, array: NpyArray, where: string): Column {
  const [count, ...shape] = array.shape;
  const expected = `${spec.dtype}[samples${spec.shape.map((dimension) => `, ${dimension ?? '?'}`).join('')}]`;
  const found = `${array.dtype}[${array.shape.join(', ')}]`;
  if (array.dtype !== spec.dtype) {
    throw new ConfigError(`${where} is ${found}; the models take ${expected}: save array.astype(numpy.${spec.dtype})`);
  }
  const fits = shape.length === spec.shape.length && shape.every((d, axis) => d === (spec.shape[axis] ?? d) && d > 0);
  if (count === undefined || count === 0 || !fits) throw new ConfigError(`${where} is ${found}; the models take ${expected}`);
  const bytes = elements(shape) * DTYPES[spec.dtype].bytes;
  checkFinite(array, elements(shape), where);
  return {
    count,
    tensor: (index) => ({ data: array.data.subarray(index * bytes, (index + 1) * bytes), shape }),
  };
}

function checkFinite({ dtype, data }: NpyArray, perSample: number, where: string): void {
  if (dtype !== 'float32' && dtype !== 'float64') return;
  const values = new DTYPES[dtype].array(data.buffer);
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) {
      throw new ConfigError(`${where}: sample ${Math.floor(i / perSample)} holds ${values[i]}; expected finite numbers`);
    }
  }
}

/**
 * An integer array [samples] as labels.
 * @param classes number of classes, where it is known: labels are 0 to classes - 1.
 * @throws ConfigError for another shape or element type, and for labels out of range.
 */
export function labelsOf({ dtype, shape, data }: NpyArray, classes: number | undefined, where: string): Int32Array {
  if (DTYPES[dtype].integer === undefined || shape.length !== 1) {
    throw new ConfigError(`${where} is ${dtype}[${shape.join(', ')}]; expected an integer array [samples]`);
  }
  const values = new DTYPES[dtype].array(data.buffer);
  return Int32Array.from({ length: values.length }, (_, i) => checkLabel(Number(values[i]), classes, `${where}: label ${i}`));
}

/** @throws ConfigError unless the label is a class. */
export function checkLabel(label: unknown, classes: number | undefined, where: string): number {
  if (typeof label === 'number' && Number.isInteger(label) && label >= 0 && label < (classes ?? 2 ** 31)) return label;
  const range = classes === undefined ? 'a whole number, 0 or more' : `0 to ${classes - 1}, as there are ${classes} classes`;
  throw new ConfigError(`${where} is ${JSON.stringify(label)}; expected ${range}`);
}
