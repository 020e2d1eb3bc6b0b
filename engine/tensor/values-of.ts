import { fromFloat16Array } from './float16.ts';
import { decodeStrings } from './strings.ts';
import { DTYPES, type Dtype } from './tensor.ts';

/** The values of a tensor as JSON has them: numbers (null where there is none, as for NaN), true and false, or strings. */
export function valuesOf({
  dtype,
  data,
}: {
  readonly dtype: Dtype;
  readonly data: Uint8Array;
}): readonly (number | boolean | string)[] {
  if (dtype === 'string') return decodeStrings(data);
  // A copy is aligned. (`slice` of a Buffer would be a view of whatever else is in its pool.)
  const { buffer } = new Uint8Array(data);
  if (dtype === 'float16') return Array.from(fromFloat16Array(new Uint16Array(buffer)));
  const values = new DTYPES[dtype].array(buffer);
  return Array.from(values as ArrayLike<number | bigint>, (value) => (dtype === 'bool' ? value !== 0 : Number(value)));
}
