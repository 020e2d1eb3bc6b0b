import { evaluateCascade, validationRecords } from '../../../../plans/domain/cascade/cascade.ts';
import type { GearPlan, Stage } from '../../../../plans/domain/gear-plan/gear-plan.ts';
import { syntheticProfile } from '../../../../plans/synthetic/synthetic.ts';
import { planOf, weightsOf } from '../../../support/plans.ts';

export const profile = syntheticProfile({
  seed: 3,
  samples: 1_000,
  models: [
    { name: 'small', accuracy: 0.8, fixedMs: 0.1, perSampleMs: 0.1, memoryBytes: 1 },
    { name: 'large', accuracy: 0.9, fixedMs: 1, perSampleMs: 1, memoryBytes: 1 },
  ],
});

const LARGE: Stage[] = [{ model: 'large' }];
const BOTH: Stage[] = [{ model: 'small', threshold: 0.5 }, { model: 'large' }];
const SMALL: Stage[] = [{ model: 'small' }];

function accuracyOf(cascade: readonly Stage[]): number {
  const models = cascade.map(({ model }) => profile.models.findIndex(({ name }) => name === model));
  const { accuracy } = evaluateCascade(
    validationRecords(profile),
    models,
    cascade.flatMap(({ threshold }) => threshold ?? []),
  );
  return accuracy;
}

/** Two points to either side. */
function promisedOf(cascade: readonly Stage[]): { accuracy: number; accuracyInterval: [number, number] } {
  const accuracy = accuracyOf(cascade);
  return { accuracy, accuracyInterval: [accuracy - 0.02, accuracy + 0.02] };
}

/** The work of the three cascades on the frontier, in ms per request. */
const WORK = { small: 0.2, both: 1, large: 2 };

/** Three gears on two devices up to 3,000 requests/s: large, both, small; the accuracies are those of the profile. */
export function explainedPlan(change: Partial<GearPlan> = {}): GearPlan {
  const plan = planOf({
    models: ['small', 'large'],
    devices: ['d0', 'd1'],
    cascades: [['large'], ['small', 'large'], ['small']],
    stepQps: 1_000,
  });
  const cascades = [LARGE, BOTH, SMALL];
  const gears = plan.gears.map((gear, g) => ({
    ...gear,
    cascade: cascades[g],
    expected: { ...gear.expected, ...promisedOf(cascades[g]), utilisation: { d0: 0.3 + g / 10, d1: 0.5 } },
  }));
  return {
    ...plan,
    weights: Object.fromEntries(profile.models.map(({ name, digest }) => [name, weightsOf(name, { digest })])),
    gears,
    frontier: [
      { cascade: SMALL, ...promisedOf(SMALL), computeMs: WORK.small },
      { cascade: BOTH, ...promisedOf(BOTH), computeMs: WORK.both },
      { cascade: LARGE, ...promisedOf(LARGE), computeMs: WORK.large },
    ],
    ...change,
  };
}
