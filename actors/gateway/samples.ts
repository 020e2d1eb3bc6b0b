import { invalid } from '../../engine/errors.ts';
import { DATATYPES } from '../../engine/oip/datatypes.ts';
import { parseTensor, tooLong } from '../../engine/tensor/parse-tensor.ts';
import { countStrings, endOfStrings } from '../../engine/tensor/strings.ts';
import { DTYPES, elements, type TensorSpec, tooLongAxis } from '../../engine/tensor/tensor.ts';
import { checkBytes } from '../../engine/tensor/tensor-values.ts';
import type { Inputs, InputValue } from '../client/request-body.ts';
import type { RequestTensor } from './infer-call.ts';

/** Maximum number of samples in one request. */
export const MAX_SAMPLES = 4_096;

/**
 * Splits a request's tensors along the batch axis into samples, which are views of the tensors' bytes. Sizes are checked before
 * anything is allocated.
 * @throws CascadeError INVALID_ARGUMENT naming the tensor, what is wrong with it, and what is expected.
 */
export function samplesOf(specs: readonly TensorSpec[], given: readonly RequestTensor[]): Inputs[] {
  const byName = new Map<string, RequestTensor>();
  for (const tensor of given) {
    if (!specs.some(({ name }) => name === tensor.name)) {
      throw invalid(`${tensor.where}: no such input; this model takes ${specs.map(describe).join(', ')}`);
    }
    if (byName.has(tensor.name)) throw invalid(`${tensor.where}: given twice; give each input once`);
    byName.set(tensor.name, tensor);
  }
  const tensors = specs.map((spec) => {
    const tensor = byName.get(spec.name);
    if (tensor === undefined)
      throw invalid(`inputs: ${spec.name} is missing; this model takes ${specs.map(describe).join(', ')}`);
    checkShape(spec, tensor);
    return { spec, tensor };
  });
  const count = tensors[0]?.tensor.shape[0] ?? 0;
  for (const { tensor } of tensors) {
    if (tensor.shape[0] === count) continue;
    const first = tensors[0].tensor;
    throw invalid(
      `${tensor.where}: a batch of ${tensor.shape[0]}, but ${first.where} has one of ${count}; inputs share their first axis`,
    );
  }
  if (count > MAX_SAMPLES) {
    throw invalid(`${tensors[0].tensor.where}: a batch of ${count} samples; send at most ${MAX_SAMPLES} in a request`);
  }
  const columns = tensors.map(({ spec, tensor }) => ({ name: spec.name, values: split(spec, tensor) }));
  return Array.from({ length: count }, (_, i) => Object.fromEntries(columns.map(({ name, values }) => [name, values[i]])));
}

/** For example `image UINT8[-1, 1, 28, 28]`, including the batch axis. */
function describe(spec: TensorSpec): string {
  return `${spec.name} ${DATATYPES[spec.dtype]}[${[-1, ...spec.shape.map((length) => length ?? -1)].join(', ')}]`;
}

function checkShape(spec: TensorSpec, { datatype, shape, where }: RequestTensor): void {
  if (datatype !== DATATYPES[spec.dtype]) {
    throw invalid(`${where}: datatype ${JSON.stringify(datatype.slice(0, 40))}; expected ${describe(spec)}`);
  }
  const fits =
    shape.length === spec.shape.length + 1 &&
    shape.every(
      (length, axis) => Number.isSafeInteger(length) && length > 0 && (axis === 0 || length === (spec.shape[axis - 1] ?? length)),
    );
  if (!fits) {
    const found = shape.length > 8 ? `${shape.length} axes` : `[${shape.join(', ')}]`;
    throw invalid(`${where}: shape ${found}; expected ${describe(spec)}, the first axis being the batch`);
  }
  const inner = shape.slice(1);
  const axis = tooLongAxis(spec, inner);
  if (axis !== undefined) throw invalid(tooLong(spec, axis, inner[axis], where));
}

/** Each sample's value: its bytes, and its shape if it cannot be derived from their number. */
function split(spec: TensorSpec, tensor: RequestTensor): InputValue[] {
  const { shape } = tensor;
  const inner = shape.slice(1);
  const data = bytesOf(spec, tensor);
  const needsShape = spec.shape.filter((length) => length === null).length > 1;
  const values: InputValue[] = [];
  let at = 0;
  for (let i = 0; i < shape[0]; i++) {
    const end = spec.dtype === 'string' ? endOfStrings(data, at, elements(inner)) : at + data.length / shape[0];
    const bytes = data.subarray(at, end);
    values.push(needsShape ? { shape: inner, data: bytes } : bytes);
    at = end;
  }
  return values;
}

/**
 * The whole tensor's bytes, with their number and values checked. The frontends check them, too, but to them all our clients are one, and
 * one that sends many invalid requests is not read for a while.
 */
function bytesOf(spec: TensorSpec, { data, shape, where }: RequestTensor): Uint8Array {
  if (data instanceof Uint8Array) {
    const count = elements(shape);
    if (spec.dtype === 'string') {
      const found = countStrings(data, count);
      if (found === count) return data;
      const what = found === undefined ? 'is cut off' : `has ${found > count ? 'more' : found} strings`;
      throw invalid(`${where}: the data ${what}; expected ${count} strings, each after its length, a little-endian uint32`);
    }
    const size = count * DTYPES[spec.dtype].bytes;
    if (data.length === size) {
      checkBytes(spec, data, `${where}.data`);
      return data;
    }
    throw invalid(`${where}: ${data.length} bytes of data; expected ${size} for ${DATATYPES[spec.dtype]}[${shape.join(', ')}]`);
  }
  if (!Array.isArray(data))
    throw invalid(`${where}: data is ${data === undefined ? 'missing' : 'not a list'}; give a list of the values`);
  return parseTensor({ name: spec.name, dtype: spec.dtype, nan: spec.nan, shape: [...shape] }, data, `${where}.data`).data;
}
