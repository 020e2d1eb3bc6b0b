import { invalid } from '../errors.ts';
import { fromFloat16Array } from './float16.ts';
import { decodeStrings } from './strings.ts';
import { DTYPES, type Dtype } from './tensor.ts';

/**
 * The values of a tensor as JSON has them: numbers (null where there is none, as for NaN), true and false, or strings.
 * @param where what to call the tensor in messages, such as `output ids`.
 * @param wayOut how to ask for it otherwise.
 * @throws CascadeError INVALID_ARGUMENT for a 64-bit integer that a JSON number would round.
 */
export function valuesOf(
  { dtype, data }: { readonly dtype: Dtype; readonly data: Uint8Array },
  where: string,
  wayOut: string,
): readonly (number | boolean | string)[] {
  if (dtype === 'string') return decodeStrings(data);
  // A copy is aligned. (`slice` of a Buffer would be a view of whatever else is in its pool.)
  const { buffer } = new Uint8Array(data);
  if (dtype === 'float16') return Array.from(fromFloat16Array(new Uint16Array(buffer)));
  const values = new DTYPES[dtype].array(buffer);
  return Array.from(values as ArrayLike<number | bigint>, (value) => {
    if (dtype === 'bool') return value !== 0;
    const number = Number(value);
    if (typeof value === 'bigint' && !Number.isSafeInteger(number))
      throw invalid(`${where}: ${value} cannot be given exactly as a JSON number; ${wayOut}`);
    return number;
  });
}
