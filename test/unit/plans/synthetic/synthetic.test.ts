import { describe, expect, test } from 'vitest';
import { accuracyOf, runtimeMs } from '../../../../plans/domain/profile/profile.ts';
import { syntheticProfile } from '../../../../plans/synthetic/synthetic.ts';

const profile = syntheticProfile({
  seed: 1,
  samples: 2000,
  deviceClasses: { slow: 1, fast: 4 },
  models: [
    { name: 'a', accuracy: 0.7, fixedMs: 1, perSampleMs: 0.5, memoryBytes: 5 },
    { name: 'b', accuracy: 0.9, fixedMs: 2, perSampleMs: 1, memoryBytes: 6 },
  ],
});

describe('a synthetic profile', () => {
  test('says that it is synthetic', () => {
    expect(profile.synthetic).toBe(true);
  });

  test('has the requested accuracies and runtimes', () => {
    expect(accuracyOf(profile.models[0])).toBeCloseTo(0.7, 2);
    expect(accuracyOf(profile.models[1])).toBeCloseTo(0.9, 2);
    expect(runtimeMs(profile.models[0].runtimes.slow, 10)).toBeCloseTo(6);
    expect(runtimeMs(profile.models[0].runtimes.fast, 10)).toBeCloseTo(1.5);
  });

  test('the more certain a model is, the more often it is right', () => {
    for (const model of profile.models) {
      const order = [...model.certainties.keys()].sort((i, j) => model.certainties[i] - model.certainties[j]);
      const rightIn = (from: number, to: number): number =>
        order.slice(from, to).filter((i) => model.predictions[i] === profile.labels[i]).length / (to - from);
      expect(rightIn(0, 500)).toBeLessThan(rightIn(500, 1000));
      expect(rightIn(500, 1000)).toBeLessThan(rightIn(1500, 2000));
    }
  });

  test('the same seed makes the same profile', () => {
    const again = { seed: 1, samples: 50, models: [{ name: 'a', accuracy: 0.7, fixedMs: 1, perSampleMs: 0.5, memoryBytes: 5 }] };
    expect(syntheticProfile(again)).toEqual(syntheticProfile(again));
  });
});
