import { createRandom, type Random } from '../../engine/random.ts';
import type { TensorSpec } from '../../engine/tensor/tensor.ts';
import { allSamples, splitDigest } from '../data/split.ts';
import type { ModelProfile, Overhead, Profile, RuntimeCurve } from '../domain/profile/profile.ts';

/** A made-up model. A batch of n takes (fixedMs + n * perSampleMs) / speed of the device class. */
interface SyntheticModel {
  readonly name: string;
  /** Fraction of samples it classifies correctly, exact up to one sample. */
  readonly accuracy: number;
  readonly fixedMs: number;
  readonly perSampleMs: number;
  readonly memoryBytes: number;
}

/** The content of a request to a synthetic family: the index of its sample in the records. */
export const SYNTHETIC_INPUTS: readonly TensorSpec[] = [{ name: 'sample', dtype: 'int32', shape: [1] }];

export interface SyntheticFamily {
  readonly deployment?: string;
  /** Cheapest first. */
  readonly models: readonly SyntheticModel[];
  readonly samples: number;
  readonly seed: number | string;
  /** Device class -> speed, where 1 is the speed in the models' figures. */
  readonly deviceClasses?: Readonly<Record<string, number>>;
  readonly batches?: readonly number[];
  readonly classes?: number;
  /** Share of a sample's difficulty common to all models, 0 to 1; if high, an expensive model helps little where a cheap one fails. */
  readonly correlation?: number;
  readonly overhead?: Overhead;
}

/**
 * A made-up profile for tests and for cases at the paper's scale; always labelled synthetic.
 *
 * Each sample has a latent difficulty z. Model m scores `ability_m - (rho * z + sqrt(1 - rho^2) * noise)` and is right if the score is
 * positive. Its certainty grows with the size of the score, so that P(right | certainty) is monotone, as for the margins of real
 * classifiers (CascadeServe App. B).
 */
export function syntheticProfile(family: SyntheticFamily): Profile {
  const { samples, classes = 10, correlation = 0.8, deviceClasses = { 'cpu-1': 1 } } = family;
  const batches = family.batches ?? [1, 2, 4, 8, 16, 32, 64];
  const random = createRandom(family.seed);
  const labels = drawn(random.split('labels'), samples, (r) => r.below(classes));
  const difficulty = Float64Array.from({ length: samples }, normals(random.split('difficulty')));
  // Models that fail on a sample often fail the same way.
  const lure = drawn(random.split('lure'), samples, (r) => 1 + r.below(Math.max(1, classes - 1)));

  const models = family.models.map((model): ModelProfile => {
    const own = random.split(model.name);
    const noise = normals(own.split('noise'));
    const score = difficulty.map((z) => -(correlation * z + Math.sqrt(1 - correlation ** 2) * noise()));
    const ability = -score.toSorted()[Math.min(samples - 1, Math.round((1 - model.accuracy) * samples))];
    const wrong = own.split('wrong');
    const predictions = new Int32Array(samples);
    const certainties = new Float32Array(samples);
    const quality = new Float32Array(samples);
    for (let i = 0; i < samples; i++) {
      const margin = score[i] + ability;
      const offset = wrong.next() < 0.6 ? lure[i] : 1 + wrong.below(Math.max(1, classes - 1));
      predictions[i] = margin >= 0 ? labels[i] : (labels[i] + offset) % classes;
      certainties[i] = Math.tanh(Math.abs(margin));
      quality[i] = margin >= 0 ? 1 : 0;
    }
    const runtimes = Object.fromEntries(
      Object.entries(deviceClasses).map(([name, speed]): [string, RuntimeCurve] => [
        name,
        { batch: batches, ms: batches.map((n) => (model.fixedMs + n * model.perSampleMs) / speed) },
      ]),
    );
    return {
      name: model.name,
      digest: `synthetic-${model.name}`,
      memoryBytes: model.memoryBytes,
      runtimes,
      predictions,
      certainties,
      quality,
    };
  });
  return {
    schema: 2,
    deployment: family.deployment ?? 'synthetic',
    digest: `synthetic-${family.seed}`,
    synthetic: true,
    machine: 'synthetic',
    inputs: SYNTHETIC_INPUTS,
    warmUp: [],
    classes,
    split: splitDigest({ validation: allSamples(samples) }),
    labels,
    models,
    overhead: family.overhead ?? { perBatchMs: 0.1, perRequestMs: 0.01, hopMs: 0.2 },
  };
}

function normals(random: Random): () => number {
  return () => random.normal();
}

function drawn(random: Random, length: number, draw: (random: Random) => number): Int32Array {
  return Int32Array.from({ length }, () => draw(random));
}
