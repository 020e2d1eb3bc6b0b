import { CascadeError } from '../errors.ts';
import { countStrings } from '../tensor/strings.ts';
import { DTYPES, elements } from '../tensor/tensor.ts';
import { writeValues } from '../tensor/tensor-values.ts';
import { dtypeOf, OipError, type OipTensor } from './oip-client.ts';

/**
 * An output as a server sent it.
 * @param data raw bytes, or values, flat or nested; null is NaN.
 * @throws OipError malformed, with what is wrong.
 */
export function outputTensor(name: string, datatype: string, shape: readonly number[], data: unknown): OipTensor {
  const dtype = dtypeOf(datatype);
  if (dtype === undefined) throw malformed(name, `has datatype ${datatype}, which cannot be read`);
  if (!shape.every((length) => Number.isSafeInteger(length) && length >= 0)) throw malformed(name, `has shape [${shape}]`);
  const count = elements(shape);
  const bytes = data instanceof Uint8Array ? data : encodeValues(name, dtype, data);
  const fits = dtype === 'string' ? countStrings(bytes) === count : bytes.length === count * DTYPES[dtype].bytes;
  if (!fits) throw malformed(name, `holds ${bytes.length} bytes, which are not ${datatype}[${shape.join(', ')}]`);
  return { name, dtype, shape, data: bytes };
}

function encodeValues(name: string, dtype: OipTensor['dtype'], data: unknown): Uint8Array {
  if (!Array.isArray(data)) throw malformed(name, 'has neither data nor bytes');
  const spec = { name, dtype, shape: [], nan: true };
  try {
    return writeValues(spec, data.flat(Number.POSITIVE_INFINITY), (i) => `data[${i}]`);
  } catch (error) {
    if (error instanceof CascadeError) throw malformed(name, error.message);
    throw error;
  }
}

function malformed(name: string, what: string): OipError {
  return new OipError('malformed', `output ${name} ${what}`);
}
