import { CascadeError, ConfigError } from '../../engine/errors.ts';
import { parseTensor, tooLong } from '../../engine/tensor/parse-tensor.ts';
import { encodeStrings } from '../../engine/tensor/strings.ts';
import { DTYPES, elements, type NumberType, type Tensor, type TensorSpec, tooLongAxis } from '../../engine/tensor/tensor.ts';
import { convertArray, describeArray, sampleShape, valuesOf } from './fit-array.ts';
import type { DataArray, NumberArray } from './npy.ts';

/** One input of all samples. */
export interface Column {
  readonly count: number;
  tensor(index: number): Tensor;
}

/**
 * Converts an array [samples, ...] to the values of one input.
 * @param where file and field, for messages.
 * @throws ConfigError when the shape does not match, the type cannot hold a value, or a value is infinite, or NaN where not allowed.
 */
export function arrayColumn(spec: TensorSpec, array: DataArray, where: string): Column {
  const shape = sampleShape(spec, array.shape);
  if (shape === undefined || (array.dtype === 'text') !== (spec.dtype === 'string')) {
    const wayOut = spec.dtype === 'string' && shape !== undefined ? ': save array.astype(str)' : transposed(spec, array.shape);
    throw new ConfigError(
      `${where} is ${array.dtype}[${array.shape.join(', ')}], but the models need ${describeArray(spec)}${wayOut}`,
    );
  }
  const axis = tooLongAxis(spec, shape);
  if (axis !== undefined) throw new ConfigError(tooLong(spec, axis, shape[axis], where));
  const size = elements(shape);
  const count = array.shape[0];
  if (array.dtype === 'text') {
    const { texts } = array;
    return { count, tensor: (index) => ({ data: encodeStrings(texts.slice(index * size, (index + 1) * size)), shape }) };
  }
  const dtype = spec.dtype as NumberType;
  const converted = convertArray(array, dtype, where);
  checkFinite(spec, converted, size, where);
  const bytes = size * DTYPES[dtype].bytes;
  return {
    count,
    tensor: (index) => ({ data: converted.data.subarray(index * bytes, (index + 1) * bytes), shape }),
  };
}

/** For images with channels last where the models need them first, or vice versa: what would be right. */
export function transposed(spec: TensorSpec, [samples, ...found]: readonly number[]): string {
  for (const axes of [
    [2, 0, 1],
    [1, 2, 0],
  ]) {
    const moved = axes.map((axis) => found[axis]);
    if (found.length === 3 && sampleShape(spec, [samples, ...moved]) !== undefined)
      return `: save array.transpose(0, ${axes.map((axis) => axis + 1).join(', ')})`;
  }
  return '';
}

function checkFinite({ name, nan }: TensorSpec, array: NumberArray, perSample: number, where: string): void {
  if (DTYPES[array.dtype].integer !== undefined) return;
  const values = valuesOf(array) as Float64Array;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (Number.isFinite(value) || (nan === true && Number.isNaN(value))) continue;
    const wayOut = Number.isNaN(value) ? `, or \`inputs.${name}.nan: allow\` if the models take NaN as missing` : '';
    throw new ConfigError(`${where}: sample ${Math.floor(i / perSample)} holds ${value}; expected finite numbers${wayOut}`);
  }
}

/**
 * Reads one sample's value from JSON or a list.
 * @throws ConfigError when it does not fit the input.
 */
export function parseValue(spec: TensorSpec, value: unknown, where: string): Tensor {
  try {
    return parseTensor(spec, value, where);
  } catch (error) {
    // The same check as for requests, but here it is a configuration error.
    throw error instanceof CascadeError ? new ConfigError(error.message) : error;
  }
}
