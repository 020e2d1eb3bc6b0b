import { describe, expect, test, vi } from 'vitest';
import { createRandom } from '../../../../../engine/random.ts';
import { shuffled } from '../../../../../plans/data/shuffled.ts';
import {
  evaluateCascade,
  recordsAt,
  type ValidationRecords,
  validationRecords,
} from '../../../../../plans/domain/cascade/cascade.ts';
import type { Profile } from '../../../../../plans/domain/profile/profile.ts';
import { estimateOf, spreadOf, weightedMean } from '../../../../../plans/planner/sp1/accuracy-estimate.ts';
import { searchFrontier } from '../../../../../plans/planner/sp1/enumerate-cascades.ts';
import { crossFit } from '../../../../../plans/planner/sp1/honest-accuracy.ts';
import { DeviceCosts } from '../../../../../plans/planner/sp3/device-costs.ts';
import { syntheticProfile } from '../../../../../plans/synthetic/synthetic.ts';

/** Enough samples that the accuracy on them is the truth. */
const population = syntheticProfile({
  seed: 'population',
  samples: 20_000,
  models: [
    { name: 'a', accuracy: 0.8, fixedMs: 0.05, perSampleMs: 0.01, memoryBytes: 1 },
    { name: 'b', accuracy: 0.86, fixedMs: 0.1, perSampleMs: 0.05, memoryBytes: 1 },
    { name: 'c', accuracy: 0.91, fixedMs: 0.2, perSampleMs: 0.2, memoryBytes: 1 },
  ],
});
const costs = new DeviceCosts(population, [{ id: 'd', deviceClass: 'cpu-1', memoryBytes: 1e9 }], [], 90);
const search = (records: ValidationRecords) => searchFrontier(records, costs, [0, 1, 2], { wordBudget: 2e5 }).frontier;

/** A family measured on some samples of the population. */
function drawn(samples: number, seed: string, quality = (q: number) => q): Pick<Profile, 'models'> {
  const chosen = shuffled(population.labels.length, createRandom(seed)).subarray(0, samples);
  const models = population.models.map((model) => ({
    ...model,
    quality: Float32Array.from(chosen, (i) => quality(model.quality[i])),
    certainties: Float32Array.from(chosen, (i) => model.certainties[i]),
  }));
  return { models };
}

/** For the most accurate cascade that a search finds: its measured, promised and true accuracy. */
function bestOf(samples: number, seed: string, quality?: (q: number) => number) {
  const family = drawn(samples, seed, quality);
  const frontier = search(validationRecords(family));
  const best = frontier[frontier.length - 1];
  const { accuracy, interval } = crossFit(family, frontier, search).estimate(best);
  const everybody = { models: population.models.map((m) => ({ ...m, quality: quality ? m.quality.map(quality) : m.quality })) };
  const truth = evaluateCascade(validationRecords(everybody), best.models, best.thresholds).accuracy;
  return { measured: best.accuracy, promised: accuracy, truth, holds: interval[0] <= truth && truth <= interval[1] };
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

describe('a promised accuracy', () => {
  const runs = Array.from({ length: 30 }, (_, i) => bestOf(200, `run ${i}`));

  test('matches the accuracy on new samples, while the measured one is points too high', () => {
    expect(mean(runs.map(({ measured, truth }) => measured - truth))).toBeGreaterThan(0.015);
    // 30 runs of 200 samples: the mean of their errors has a standard error of half a point.
    expect(Math.abs(mean(runs.map(({ promised, truth }) => promised - truth)))).toBeLessThan(0.01);
  });

  test('lies in an interval that holds the truth', () => {
    expect(runs.filter(({ holds }) => holds).length).toBeGreaterThanOrEqual(27);
  });

  test('holds for graded qualities as well', () => {
    const graded = Array.from({ length: 20 }, (_, i) => bestOf(200, `run ${i}`, (q) => 0.3 + 0.5 * q));
    expect(Math.abs(mean(graded.map(({ promised, truth }) => promised - truth)))).toBeLessThan(0.01);
    expect(graded.filter(({ holds }) => holds).length).toBeGreaterThanOrEqual(18);
  });

  test('never exceeds the measured one, and never falls when that one rises', () => {
    const family = drawn(100, 'order');
    const frontier = search(validationRecords(family));
    const honest = crossFit(family, frontier, search);
    const steps = Array.from({ length: 101 }, (_, i) => ({ accuracy: i / 100 }));
    for (const cascade of [...frontier, ...steps]) expect(honest.of(cascade)).toBeLessThanOrEqual(cascade.accuracy + 1e-12);
    const promised = steps.map((cascade) => honest.of(cascade));
    for (let i = 1; i < steps.length; i++) expect(promised[i]).toBeGreaterThanOrEqual(promised[i - 1]);
  });

  test('is the measured one if there was nothing to choose', () => {
    const family = drawn(200, 'one model');
    const alone = (records: ValidationRecords) => searchFrontier(records, costs, [1]).frontier;
    const frontier = alone(validationRecords(family));
    expect(crossFit(family, frontier, alone).of(frontier[0])).toBeCloseTo(frontier[0].accuracy, 12);
  });

  test('takes ten searches, or five for many samples', () => {
    const searches = (samples: number): number => {
      const family = drawn(samples, 'searches');
      const alone = vi.fn((records: ValidationRecords) => searchFrontier(records, costs, [1]).frontier);
      crossFit(family, searchFrontier(validationRecords(family), costs, [1]).frontier, alone);
      return alone.mock.calls.length;
    };
    expect([3, 100, 2_000].map(searches)).toEqual([3, 10, 5]);
  });

  test('from one sample is as measured, with an interval that shows how little that says', () => {
    const family = drawn(1, 'single');
    const frontier = search(validationRecords(family));
    const { interval } = crossFit(family, frontier, search).estimate(frontier[0]);
    expect(interval[1] - interval[0]).toBeGreaterThan(0.7);
  });

  test('is the same every time', () => {
    expect(bestOf(100, 'again')).toEqual(bestOf(100, 'again'));
  });
});

test('an interval narrows with more samples, and widens with the correction', () => {
  const width = (measured: number, samples: number): number => {
    const { interval } = estimateOf(0.9, measured, { samples, spread: 1 });
    return interval[1] - interval[0];
  };
  expect(width(0.9, 100) / width(0.9, 10_000)).toBeCloseTo(10, 0);
  expect(width(0.95, 1000)).toBeGreaterThan(1.3 * width(0.9, 1000));
});

test('right-or-wrong answers vary as much as their mean allows; graded ones vary less', () => {
  expect(spreadOf(Float32Array.of(1, 0, 1, 1))).toBeCloseTo(1, 6);
  expect(spreadOf(Float32Array.of(0.5, 0.5, 0.5, 0.5))).toBeCloseTo(0, 6);
});

test('a mean over loads is as uncertain as its parts, because they come from the same samples', () => {
  const part = { accuracy: 0.9, interval: [0.85, 0.95] as const };
  const { accuracy, interval } = weightedMean([part, part], [0.25, 0.75]);
  expect([accuracy, ...interval]).toEqual([0.9, 0.85, 0.95].map((value) => expect.closeTo(value, 12)));
});

test('records of a subset of samples are the records of those samples', () => {
  const some = recordsAt(population, Int32Array.of(7, 3));
  expect([...some.certainty[1]]).toEqual([population.models[1].certainties[7], population.models[1].certainties[3]]);
  expect([...some.quality[2]]).toEqual([population.models[2].quality[7], population.models[2].quality[3]]);
});
