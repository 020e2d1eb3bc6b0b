import { OipError, type OipTensor } from '../oip/oip-client.ts';
import { fromFloat16Array } from '../tensor/float16.ts';
import { endOf, type Sample, stack, type TensorSpec } from '../tensor/tensor.ts';
import type { OutputTensor } from './backend.ts';
import { scoreColumns } from './choose-output.ts';

/** How a batch of samples maps to a model's inputs. */
export interface RemoteInputs {
  readonly specs: readonly TensorSpec[];
  /** Per input: its name on the server. */
  readonly names: readonly string[];
  /** Per input: its position in a sample. */
  readonly positions: readonly number[];
}

export function inputTensors({ specs, names, positions }: RemoteInputs, rows: readonly Sample[]): OipTensor[] {
  return specs.map((spec, i) => {
    const tensors = rows.map((sample) => sample[positions[i]]);
    const { data, dims } = stack(spec, tensors, (bytes) => new Uint8Array(bytes));
    return { name: names[i], dtype: spec.dtype, shape: dims, data };
  });
}

/**
 * Splits a batch into parts of about equal size, to be sent concurrently.
 * @param parts how many: fewer if the batch has fewer samples, more if a part would exceed `largest`.
 */
export function partsOf<T>(batch: readonly T[], parts: number, largest: number): T[][] {
  const count = Math.max(Math.min(parts, batch.length), Math.ceil(batch.length / largest));
  const size = Math.ceil(batch.length / count);
  const cut: T[][] = [];
  for (let from = 0; from < batch.length; from += size) cut.push(batch.slice(from, from + size));
  return cut;
}

/** Floats of an output that is [batch] or [batch, columns]; see `scoreColumns`. */
export function floatRows({ name, dtype, shape, data }: OipTensor, rows: number): { values: Float32Array; columns: number } {
  const [batch, ...others] = shape;
  const columns = scoreColumns(others);
  if (batch !== rows || columns === undefined)
    throw new OipError('malformed', `output ${name} is [${shape.join(', ')}] for a batch of ${rows}; expected [batch, classes]`);
  // A copy, because the data may not be aligned.
  const { buffer } = new Uint8Array(data);
  switch (dtype) {
    case 'float32':
      return { values: new Float32Array(buffer), columns };
    case 'float64':
      return { values: Float32Array.from(new Float64Array(buffer)), columns };
    case 'float16':
      return { values: fromFloat16Array(new Uint16Array(buffer)), columns };
    default:
      throw new OipError('malformed', `output ${name} is ${dtype}; expected FP16, FP32 or FP64`);
  }
}

/**
 * Joins the outputs of parts and leaves out padding rows.
 * @param parts `rows`: samples of the part; `sent`: rows that the server was sent, padding included, and must answer.
 */
export function joinOutputs(
  parts: readonly { readonly tensor: OipTensor; readonly rows: number; readonly sent: number }[],
): OutputTensor {
  const [{ tensor: first }] = parts;
  const [, ...shape] = first.shape;
  const data = parts.map(({ tensor, rows, sent }) => {
    const [batch, ...inner] = tensor.shape;
    if (batch !== sent || inner.join() !== shape.join() || tensor.dtype !== first.dtype)
      throw new OipError(
        'malformed',
        `output ${tensor.name} is [${tensor.shape.join(', ')}] for a batch of ${sent}; expected [${[sent, ...shape].join(', ')}]`,
      );
    return tensor.data.subarray(0, endOf(tensor.dtype, [rows, ...shape], tensor.data, 0));
  });
  return { name: first.name, dtype: first.dtype, shape, data: new Uint8Array(Buffer.concat(data)) };
}
