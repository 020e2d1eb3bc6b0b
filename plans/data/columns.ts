import { CascadeError, ConfigError } from '../../engine/errors.ts';
import { parseTensor, tooLong } from '../../engine/parse-tensor.ts';
import { DTYPES, type Dtype, elements, type Tensor, type TensorSpec, tooLongAxis } from '../../engine/tensor.ts';
import { convertArray, describeArray, sampleShape } from './fit-array.ts';
import type { DataArray } from './npy.ts';

/** One input of all samples. */
export interface Column {
  readonly count: number;
  tensor(index: number): Tensor;
}

/**
 * An array [samples, ...] as the values of one input, converted to its element type.
 * @param where file and field, for messages.
 * @throws ConfigError when the shape is not the input's, its type cannot hold a value, or a value is not finite.
 */
export function arrayColumn(spec: TensorSpec, array: DataArray, where: string): Column {
  const shape = sampleShape(spec, array.shape);
  if (shape === undefined || array.dtype === 'text') {
    throw new ConfigError(
      `${where} is ${array.dtype}[${array.shape.join(', ')}]; the models take ${describeArray(spec)}${transposed(spec, array.shape)}`,
    );
  }
  const axis = tooLongAxis(spec, shape);
  if (axis !== undefined) throw new ConfigError(tooLong(spec, axis, shape[axis], where));
  const { data } = convertArray(array, spec.dtype, where);
  checkFinite(spec.dtype, data, elements(shape), where);
  const bytes = elements(shape) * DTYPES[spec.dtype].bytes;
  return {
    count: array.shape[0],
    tensor: (index) => ({ data: data.subarray(index * bytes, (index + 1) * bytes), shape }),
  };
}

/** Pictures whose channels come last where the models take them first, or the other way round: what would be right. */
function transposed(spec: TensorSpec, [samples, ...found]: readonly number[]): string {
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

function checkFinite(dtype: Dtype, data: Uint8Array<ArrayBuffer>, perSample: number, where: string): void {
  if (dtype !== 'float32' && dtype !== 'float64') return;
  const values = new DTYPES[dtype].array(data.buffer);
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) {
      throw new ConfigError(`${where}: sample ${Math.floor(i / perSample)} holds ${values[i]}; expected finite numbers`);
    }
  }
}

/**
 * One sample's value as a file of JSON or lists holds it.
 * @throws ConfigError when it does not fit the input.
 */
export function parseValue(spec: TensorSpec, value: unknown, where: string): Tensor {
  try {
    return parseTensor(spec, value, where);
  } catch (error) {
    // The same check as for requests; here the person at the terminal is to blame.
    throw error instanceof CascadeError ? new ConfigError(error.message) : error;
  }
}
