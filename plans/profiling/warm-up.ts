import { z } from 'zod';
import { EMPTY_STRING } from '../../engine/tensor/strings.ts';
import { DTYPES, type Dtype, elements, endOf, type Sample, type TensorSpec } from '../../engine/tensor/tensor.ts';

/** For larger samples, only the shapes are kept, because every command reads the profile. */
const MOST_BYTES = 2 ** 20;

/**
 * Samples for warming up replicas, kept in the profile because other hosts may not have the data: one of typical size and, if sizes
 * differ, the largest.
 * @param samples the validation samples.
 */
export function warmUpSamples(samples: readonly Sample[]): Sample[] {
  const bySize = samples.map((sample, i) => ({ i, size: sizeOf(sample) })).sort((a, b) => a.size - b.size);
  const typical = bySize[bySize.length >> 1];
  const largest = bySize[bySize.length - 1];
  return (typical.size === largest.size ? [typical] : [typical, largest]).map(({ i }) => samples[i]);
}

/** Number of elements in a sample's tensors. */
function sizeOf(sample: Sample): number {
  return sample.reduce((sum, { shape }) => sum + elements(shape), 0);
}

/** In profile.json, a tensor's bytes are base64 or omitted. */
export const warmUpSchema = z.array(
  z.array(z.strictObject({ shape: z.array(z.int().nonnegative()), base64: z.base64().optional() })),
);

export function encodeWarmUp(samples: readonly Sample[]): z.input<typeof warmUpSchema> {
  return samples.map((sample) => {
    const small = bytesOf(sample) <= MOST_BYTES;
    return sample.map(({ data, shape }) => ({
      shape: [...shape],
      ...(small ? { base64: Buffer.from(data).toString('base64') } : {}),
    }));
  });
}

/**
 * Omitted tensors become zeros of the same shape.
 * @returns undefined when the samples do not match these inputs.
 */
export function decodeWarmUp(
  samples: z.output<typeof warmUpSchema>,
  specs: readonly TensorSpec[],
): readonly Sample[] | undefined {
  const decoded = samples.map((sample) =>
    sample.map(({ shape, base64 }, i) => ({
      shape,
      data: base64 === undefined ? zeros(specs[i]?.dtype, shape) : Uint8Array.from(Buffer.from(base64, 'base64')),
    })),
  );
  const fits = decoded.every(
    (sample) =>
      sample.length === specs.length &&
      sample.every(
        ({ shape, data }, i) =>
          shape.length === specs[i].shape.length &&
          shape.every((length, axis) => length === (specs[i].shape[axis] ?? length)) &&
          data.length === endOf(specs[i].dtype, shape, data, 0),
      ),
  );
  return fits ? decoded : undefined;
}

/** Bytes of a tensor of zeros; for strings, of empty ones. */
export function zeros(dtype: Dtype | undefined, shape: readonly number[]): Uint8Array {
  return new Uint8Array(elements(shape) * (dtype === 'string' ? EMPTY_STRING.length : DTYPES[dtype ?? 'uint8'].bytes));
}

/** Bytes of a sample's tensors. */
function bytesOf(sample: Sample): number {
  return sample.reduce((sum, { data }) => sum + data.length, 0);
}
