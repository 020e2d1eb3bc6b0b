import { allGears, type GearTable } from '../domain/gear-plan/gear-plan.ts';
import type { Profile } from '../domain/profile/profile.ts';
import type { CertaintyCounts } from '../protocol/control-messages.ts';
import { CERTAINTY_BINS, certaintyEdges, expectedBins } from './certainty-bins.ts';
import { keptShare, total } from './distance.ts';
import { type DriftMeasure, type DriftSettings, driftMeasure } from './drift-measure.ts';

export interface CertaintyDriftMeasure extends DriftMeasure {
  readonly model: string;
}

const HORIZON_MS = 600_000;

interface ModelCounts {
  readonly measured: Float64Array;
  /** Mixture of the expected bins, weighted by the number of samples from each gear. */
  readonly expected: Float64Array;
  drifted: boolean;
}

/**
 * Compares each model's live certainties with those of the validation samples. Which samples reach a model depends on the gear's
 * cascade, so each count is compared with the validation samples that reach it in that gear.
 */
export class CertaintyDrift {
  readonly #settings: DriftSettings;
  /** [gear][model name] */
  readonly #expected: readonly ReadonlyMap<string, Float64Array>[];
  readonly #models = new Map<string, ModelCounts>();

  constructor(plan: GearTable, profile: Pick<Profile, 'models'>, settings: DriftSettings) {
    const edges = profile.models.map(({ certainties }) => certaintyEdges(certainties));
    this.#settings = settings;
    this.#expected = allGears(plan).map((gear) => {
      const bins = expectedBins(gear, profile, edges);
      return new Map(gear.cascade.map(({ model }, stage) => [model, bins[stage]]));
    });
  }

  observe({ gear, model, counts }: CertaintyCounts): void {
    const expected = this.#expected[gear]?.get(model);
    // Without validation samples there is nothing to compare with.
    if (expected === undefined || total(expected) === 0 || counts.length !== CERTAINTY_BINS) return;
    let known = this.#models.get(model);
    if (known === undefined) {
      known = { measured: new Float64Array(CERTAINTY_BINS), expected: new Float64Array(CERTAINTY_BINS), drifted: false };
      this.#models.set(model, known);
    }
    const samples = total(counts);
    for (let bin = 0; bin < CERTAINTY_BINS; bin++) {
      known.measured[bin] += counts[bin];
      known.expected[bin] += samples * expected[bin];
    }
  }

  /** Reduces the weight of old measurements. */
  forget(passedMs: number): void {
    for (const { measured, expected } of this.#models.values()) {
      const kept = keptShare(total(measured), 2 * this.#settings.minSamples, passedMs, HORIZON_MS);
      for (let bin = 0; bin < CERTAINTY_BINS; bin++) {
        measured[bin] *= kept;
        expected[bin] *= kept;
      }
    }
  }

  measure(): CertaintyDriftMeasure[] {
    const { certaintyBound, minSamples } = this.#settings;
    return [...this.#models].map(([model, counts]) => {
      const measure = driftMeasure(counts.measured, counts.expected, certaintyBound, minSamples, counts.drifted);
      counts.drifted = measure.drifted;
      return { model, ...measure };
    });
  }
}
