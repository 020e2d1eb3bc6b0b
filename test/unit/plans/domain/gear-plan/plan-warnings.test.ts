import { describe, expect, test } from 'vitest';
import {
  evaluateCascade,
  qualityBySample,
  thresholdAtQuantile,
  validationRecords,
} from '../../../../../plans/domain/cascade/cascade.ts';
import { planWarnings } from '../../../../../plans/domain/gear-plan/plan-warnings.ts';
import { planGears } from '../../../../../plans/planner/planner.ts';
import { syntheticProfile } from '../../../../../plans/synthetic/synthetic.ts';
import { explainedPlan, profile } from '../../explain/explained-plan.ts';
import { cores } from '../../planner/requests.ts';

function withInterval(low: number, high: number) {
  const plan = explainedPlan();
  return {
    ...plan,
    expected: { ...plan.expected, accuracy: (low + high) / 2, accuracyInterval: [low, high] as [number, number] },
  };
}

describe('few samples', () => {
  test('get a warning with the uncertainty of the accuracy, and the number that would halve it', () => {
    const samples = profile.labels.length;
    expect(planWarnings(withInterval(0.85, 0.95), profile)[0]).toBe(
      `${samples} validation samples are few: the expected accuracy of 90.00 % is uncertain by 5 points either way; ${4 * samples} samples would halve that`,
    );
  });

  test('get no warning if the accuracy is known well', () => {
    expect(planWarnings(withInterval(0.89, 0.91), profile).join()).not.toContain('are few');
  });
});

describe('a cheaper cascade', () => {
  test('that does as well on the same samples gets a note, with the range, its cost and the difference', () => {
    const plan = explainedPlan();
    // A model that is as good as the next larger one, sample by sample.
    const [small, large] = profile.models;
    const alike = { models: [{ ...small, quality: large.quality }, large] };
    const [warning] = planWarnings(withInterval(0.89, 0.91), alike);
    expect(warning).toMatch(/^0 - 1000 requests\/s: small may be as accurate as the chosen large, for 10 % of the device time/);
    expect(warning).toContain(`on the same ${profile.labels.length} samples, the chosen one is 0 points better`);
    expect(plan.gears[0].cascade).toEqual([{ model: 'large' }]);
  });

  test('is found by the names of its models, in whatever order the profile lists them', () => {
    const plan = withInterval(0.89, 0.91);
    const turned = { models: profile.models.toReversed() };
    expect(planWarnings(plan, turned)).toEqual(planWarnings(plan, profile));
  });

  test('that is clearly less accurate gets no note', () => {
    const wrong = { models: [{ ...profile.models[0], quality: new Float32Array(profile.labels.length) }, profile.models[1]] };
    const plan = {
      ...withInterval(0.89, 0.91),
      frontier: explainedPlan().frontier.filter(({ cascade }) => cascade.length === 1),
    };
    expect(planWarnings(plan, wrong)).toEqual([]);
  });

  test('lists at most three ranges, then the number of others', async () => {
    const few = syntheticProfile({
      seed: 'few',
      samples: 60,
      models: [
        { name: 'a', accuracy: 0.8, fixedMs: 0.05, perSampleMs: 0.1, memoryBytes: 1 },
        { name: 'b', accuracy: 0.82, fixedMs: 0.05, perSampleMs: 0.4, memoryBytes: 1 },
        { name: 'c', accuracy: 0.84, fixedMs: 0.05, perSampleMs: 0.8, memoryBytes: 1 },
      ],
    });
    const result = await planGears(cores({ profile: few, qpsMax: 12_000, contingencies: false }));
    if (result.type !== 'plan') throw new Error(result.reason);
    const warnings = planWarnings(result.plan, few);
    expect(warnings[0]).toContain('60 validation samples are few');
    expect(warnings.length).toBeGreaterThan(1);
    expect(warnings.length).toBeLessThanOrEqual(5);
  });
});

test('the qualities of the samples add up to the accuracy of the cascade', () => {
  const records = validationRecords(profile);
  const threshold = thresholdAtQuantile(records, 0, 0.4);
  const quality = qualityBySample(records, [0, 1], [threshold]);
  const mean = quality.reduce((sum, value) => sum + value, 0) / quality.length;
  expect(mean).toBeCloseTo(evaluateCascade(records, [0, 1], [threshold]).accuracy, 9);
});
