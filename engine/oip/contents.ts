import { invalid } from '../errors.ts';
import { bytesOfStrings, encodeStrings } from '../tensor/strings.ts';
import { DTYPES, type Dtype } from '../tensor/tensor.ts';
import { valuesOf } from '../tensor/values-of.ts';

/** Values of a tensor in a gRPC message, one field per kind of element type. */
export interface Contents {
  readonly bool_contents: readonly boolean[];
  readonly int_contents: readonly number[];
  readonly int64_contents: readonly number[];
  readonly uint_contents: readonly number[];
  readonly uint64_contents: readonly number[];
  readonly fp32_contents: readonly number[];
  readonly fp64_contents: readonly number[];
  readonly bytes_contents: readonly Uint8Array[];
}

type Field = keyof Contents;

/** The field of each element type; FP16 has none. */
const FIELDS: Readonly<Record<Exclude<Dtype, 'float16'>, Field>> = {
  bool: 'bool_contents',
  int8: 'int_contents',
  int16: 'int_contents',
  int32: 'int_contents',
  int64: 'int64_contents',
  uint8: 'uint_contents',
  uint16: 'uint_contents',
  uint32: 'uint_contents',
  uint64: 'uint64_contents',
  float32: 'fp32_contents',
  float64: 'fp64_contents',
  string: 'bytes_contents',
};

/** @throws CascadeError INVALID_ARGUMENT for values in the field of another element type. */
export function readContents(dtype: Dtype, contents: Contents | null, where: string): Uint8Array | readonly unknown[] {
  if (dtype === 'float16') throw invalid(`${where}: FP16 has no field in contents; use raw_input_contents`);
  const field = FIELDS[dtype];
  if (contents === null) throw invalid(`${where}: no contents; fill ${field}, or raw_input_contents`);
  for (const other of new Set(Object.values(FIELDS))) {
    if (other !== field && contents[other].length > 0)
      throw invalid(`${where}: ${other} is filled; this input's values belong in ${field}`);
  }
  return field === 'bytes_contents' ? encodeStrings(contents.bytes_contents) : contents[field];
}

/** @returns undefined if the element type has no field. */
export function writeContents(value: { readonly dtype: Dtype; readonly data: Uint8Array }): Partial<Contents> | undefined {
  const { dtype, data } = value;
  if (dtype === 'float16') return undefined;
  if (dtype === 'string') return { bytes_contents: bytesOfStrings(data) };
  if (dtype === 'int64' || dtype === 'uint64') return { [FIELDS[dtype]]: wordsOf(dtype, data) };
  return { [FIELDS[dtype]]: valuesOf(value, 'an output', 'use raw_output_contents') };
}

/** Numbers, and strings where numbers would be rounded: the library accepts both. */
function wordsOf(dtype: 'int64' | 'uint64', data: Uint8Array): (number | string)[] {
  const words: ArrayLike<bigint> = new DTYPES[dtype].array(new Uint8Array(data).buffer);
  return Array.from(words, (word) => (Number.isSafeInteger(Number(word)) ? Number(word) : String(word)));
}
