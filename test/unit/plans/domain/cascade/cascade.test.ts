import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createRandom } from '../../../../../engine/random.ts';
import {
  cascadeKey,
  evaluateCascade,
  evaluateOnBits,
  popcount,
  thresholdAtQuantile,
  uncertainBits,
  validationRecords,
} from '../../../../../plans/domain/cascade/cascade.ts';
import type { Profile } from '../../../../../plans/domain/profile/profile.ts';
import { gridFor, searchFrontier } from '../../../../../plans/planner/sp1/enumerate-cascades.ts';
import { DeviceCosts } from '../../../../../plans/planner/sp3/device-costs.ts';
import { syntheticProfile } from '../../../../../plans/synthetic/synthetic.ts';

/** The direct way: follow each sample through the stages. */
function bySample(profile: Profile, models: readonly number[], thresholds: readonly number[]) {
  const reached = models.map(() => 0);
  let qualitySum = 0;
  for (let i = 0; i < profile.labels.length; i++) {
    for (let s = 0; s < models.length; s++) {
      reached[s]++;
      const model = profile.models[models[s]];
      if (s < models.length - 1 && model.certainties[i] < thresholds[s]) continue;
      qualitySum += model.quality[i];
      break;
    }
  }
  return { accuracy: qualitySum / profile.labels.length, reach: reached.map((n) => n / profile.labels.length) };
}

const family = (samples: number, seed: number): Profile =>
  syntheticProfile({
    samples,
    seed,
    models: [
      { name: 'a', accuracy: 0.7, fixedMs: 0.1, perSampleMs: 0.01, memoryBytes: 1 },
      { name: 'b', accuracy: 0.8, fixedMs: 0.3, perSampleMs: 0.1, memoryBytes: 1 },
      { name: 'c', accuracy: 0.9, fixedMs: 1, perSampleMs: 0.5, memoryBytes: 1 },
    ],
  });

describe('cascade arithmetic', () => {
  test('equals following every sample through the stages', () => {
    const cascades = fc.record({
      samples: fc.integer({ min: 1, max: 200 }),
      seed: fc.integer(),
      models: fc.subarray([0, 1, 2], { minLength: 1 }),
      thresholds: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 2, maxLength: 2 }),
    });
    fc.assert(
      fc.property(cascades, ({ samples, seed, models, thresholds }) => {
        const profile = family(samples, seed);
        const limits = thresholds.slice(0, models.length - 1);
        const cascade = evaluateCascade(validationRecords(profile), models, limits);
        const expected = bySample(profile, models, limits);
        expect(cascade.accuracy).toBeCloseTo(expected.accuracy, 12);
        expect(cascade.reach).toEqual(expected.reach);
      }),
      { numRuns: 60 },
    );
  });

  test('is the same on bitsets, for right-or-wrong and graded answers', () => {
    const cascades = fc.record({
      samples: fc.integer({ min: 1, max: 100 }),
      seed: fc.integer(),
      grades: fc.constantFrom('right or wrong' as const, 'halves' as const),
      models: fc.subarray([0, 1, 2], { minLength: 1 }),
      thresholds: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 2, maxLength: 2 }),
    });
    fc.assert(
      fc.property(cascades, ({ samples, seed, grades, models, thresholds }) => {
        const records = validationRecords(graded(family(samples, seed), grades));
        const limits = thresholds.slice(0, models.length - 1);
        const uncertain = limits.map((limit, s) => uncertainBits(records, models[s], limit));
        expect(evaluateOnBits(records, models, limits, uncertain)).toEqual(evaluateCascade(records, models, limits));
      }),
      { numRuns: 60 },
    );
  });

  test('counts bits like a naive loop', () => {
    fc.assert(
      fc.property(fc.integer(), (word) => {
        expect(popcount(word)).toBe((word >>> 0).toString(2).replaceAll('0', '').length);
      }),
    );
  });

  test('a threshold at a quantile leaves about that fraction uncertain', () => {
    const records = validationRecords(family(1000, 1));
    for (const fraction of [0.1, 0.5, 0.9]) {
      const bits = uncertainBits(records, 1, thresholdAtQuantile(records, 1, fraction));
      const uncertain = bits.reduce((sum, word) => sum + popcount(word), 0);
      expect(uncertain / 1000).toBeCloseTo(fraction, 2);
    }
  });

  test('names of cascades distinguish models and thresholds', () => {
    expect(cascadeKey([0, 2], [0.5])).not.toBe(cascadeKey([0, 2], [0.51]));
    expect(cascadeKey([0, 2], [0.5])).not.toBe(cascadeKey([0, 1], [0.5]));
  });
});

/** The same answers, some of them partly right: by halves, or by anything in [0, 1]. */
function graded(profile: Profile, grade: 'right or wrong' | 'halves' | 'any'): Profile {
  const random = createRandom('grades');
  const partly = grade === 'halves' ? () => 0.5 : () => random.next();
  const gradeOf = (quality: number): number => (grade === 'right or wrong' || random.next() < 0.5 ? quality : partly());
  return { ...profile, models: profile.models.map((model) => ({ ...model, quality: model.quality.map(gradeOf) })) };
}

describe.each(['right or wrong', 'halves', 'any'] as const)('search of the frontier, answers graded %s', (grade) => {
  const profile = graded(family(400, 3), grade);
  const records = validationRecords(profile);
  const devices = [{ id: 'd', deviceClass: 'cpu-1', memoryBytes: 10 }];
  const costs = new DeviceCosts(profile, devices, [], Number.POSITIVE_INFINITY);
  const { frontier } = searchFrontier(records, costs, [0, 1, 2]);

  test('every point agrees with following the samples', () => {
    for (const cascade of frontier) {
      const expected = bySample(profile, cascade.models, cascade.thresholds);
      expect(cascade.accuracy).toBeCloseTo(expected.accuracy, 12);
      expect(cascade.reach.map((r) => r.toFixed(9))).toEqual(expected.reach.map((r) => r.toFixed(9)));
    }
  });

  test('ascends strictly in work and accuracy, and holds the cheapest model', () => {
    for (let i = 1; i < frontier.length; i++) {
      expect(frontier[i].workMs).toBeGreaterThan(frontier[i - 1].workMs);
      expect(frontier[i].accuracy).toBeGreaterThan(frontier[i - 1].accuracy);
    }
    expect(frontier[0].models).toEqual([0]);
  });

  test('no cascade of a plain grid beats it', () => {
    const grid = [0.05, 0.2, 0.4, 0.6, 0.8, 0.95];
    for (const models of [[0], [1], [2], [0, 1], [0, 2], [1, 2], [0, 1, 2]]) {
      for (const first of grid) {
        for (const second of grid) {
          const thresholds = [first, second].slice(0, models.length - 1);
          const cascade = evaluateCascade(records, models, thresholds);
          const work = costs.workMs(models, cascade.reach, models.length);
          // A point of the frontier is at least as accurate for at most a little more work, because the grids differ.
          const rival = frontier.find((point) => point.accuracy >= cascade.accuracy - 0.005 && point.workMs <= work * 1.03);
          expect(rival, `${models} ${thresholds}`).toBeDefined();
        }
      }
    }
  });

  test('the grid shrinks, then the cascades, if there is too much to enumerate', () => {
    expect(gridFor(3, 10).stages).toBe(3);
    expect(gridFor(5, 160).stages).toBe(5);
    expect(gridFor(5, 160).grid).toBeLessThan(gridFor(3, 160).grid + 1);
    expect(gridFor(12, 2000).stages).toBeLessThan(12);
  });
});
