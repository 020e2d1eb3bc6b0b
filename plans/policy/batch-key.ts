import { elements, type Sample, type TensorSpec } from '../../engine/tensor/tensor.ts';

/**
 * Which samples may share a batch: those with equal keys. An answer must not depend on the other samples in the batch, so only
 * samples of equal shape are batched together. If the deployment declares how an input is padded, samples whose lengths are within a
 * factor of two may share a batch, so that none costs more than twice its own time. Padding may lengthen what the models output beside
 * the scores, such as a row per token: a request for outputs shares batches with samples of its own shape only.
 * @returns undefined when all samples of the family have the same shape.
 */
export function batchKeyRule(specs: readonly TensorSpec[]): ((sample: Sample, wantsOutputs?: boolean) => string) | undefined {
  const ragged = raggedInputs(specs);
  if (ragged.length === 0) return undefined;
  return (sample, wantsOutputs = false) =>
    ragged
      .map(({ spec, input }) => {
        const { shape } = sample[input];
        if (spec.pad === undefined || wantsOutputs) return shape.join('x');
        // With several ragged axes, the buckets are narrower, so that padding on all axes together still at most doubles the work.
        const axes = spec.shape.filter((dimension) => dimension === null).length;
        return spec.shape
          .map((dimension, axis) => (dimension === null ? `<=${Math.ceil(axes * Math.log2(shape[axis]))}` : ''))
          .join('-');
      })
      .join(' ');
}

/**
 * Number of elements in a sample's variable-size inputs. Runtimes are profiled by this size.
 * @returns undefined when all samples of the family have the same shape.
 */
export function sampleSize(specs: readonly TensorSpec[]): ((sample: Sample) => number) | undefined {
  const ragged = raggedInputs(specs);
  if (ragged.length === 0) return undefined;
  return (sample) => ragged.reduce((sum, { input }) => sum + elements(sample[input].shape), 0);
}

function raggedInputs(specs: readonly TensorSpec[]): { readonly spec: TensorSpec; readonly input: number }[] {
  return specs.map((spec, input) => ({ spec, input })).filter(({ spec }) => spec.shape.includes(null));
}

/** At most this many requests that do not fit the batch are passed over in search of ones that do. */
export const LOOK_AHEAD = 512;
