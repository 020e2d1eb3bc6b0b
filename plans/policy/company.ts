import { elements, type Sample, type TensorSpec } from '../../engine/tensor/tensor.ts';

/**
 * Which samples may share a batch: those of equal companies. An answer must not depend on the samples that are computed beside it,
 * so that only samples of equal shapes come together; where the deployment declares with what an input is padded, samples whose
 * lengths are within a factor of two, so that none pays more than twice for the others.
 * @returns undefined for a family whose samples all have one shape.
 */
export function companyRule(specs: readonly TensorSpec[]): ((sample: Sample) => string) | undefined {
  const ragged = raggedInputs(specs);
  if (ragged.length === 0) return undefined;
  return (sample) =>
    ragged
      .map(({ spec, input }) => {
        const { shape } = sample[input];
        if (spec.pad === undefined) return shape.join('x');
        // With several ragged axes, their buckets are so much narrower that together they still make two.
        const axes = spec.shape.filter((dimension) => dimension === null).length;
        return spec.shape
          .map((dimension, axis) => (dimension === null ? Math.ceil(axes * Math.log2(shape[axis])) : ''))
          .join('-');
      })
      .join(' ');
}

/**
 * Elements of a sample's inputs of differing size, by which runtimes are profiled.
 * @returns undefined for a family whose samples all have one shape.
 */
export function sampleSize(specs: readonly TensorSpec[]): ((sample: Sample) => number) | undefined {
  const ragged = raggedInputs(specs);
  if (ragged.length === 0) return undefined;
  return (sample) => ragged.reduce((sum, { input }) => sum + elements(sample[input].shape), 0);
}

function raggedInputs(specs: readonly TensorSpec[]): { readonly spec: TensorSpec; readonly input: number }[] {
  return specs.map((spec, input) => ({ spec, input })).filter(({ spec }) => spec.shape.includes(null));
}

/** So many requests of other companies are passed over, at most, in search of those of the oldest. */
export const LOOK_AHEAD = 512;
