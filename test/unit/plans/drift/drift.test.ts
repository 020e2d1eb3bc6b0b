import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createRandom } from '../../../../engine/random.ts';
import { evaluateCascade, validationRecords } from '../../../../plans/domain/cascade/cascade.ts';
import { CERTAINTY_BINS, certaintyBin, certaintyEdges, expectedBins } from '../../../../plans/drift/certainty-bins.ts';
import { CertaintyDrift } from '../../../../plans/drift/certainty-drift.ts';
import { keptShare, samplingNoise, total, totalVariation } from '../../../../plans/drift/distance.ts';
import { driftMeasure } from '../../../../plans/drift/drift-measure.ts';
import { QpsDrift } from '../../../../plans/drift/qps-drift.ts';
import { syntheticProfile } from '../../../../plans/synthetic/synthetic.ts';
import { judgedBy } from '../../../support/judges.ts';
import { planOf } from '../../../support/plans.ts';

const histograms = fc
  .array(fc.tuple(fc.nat(50), fc.nat(50)), { minLength: 2, maxLength: 20 })
  .map((pairs) => [pairs.map(([a]) => a), pairs.map(([, b]) => b)] as const)
  .filter(([a, b]) => total(a) > 0 && total(b) > 0);

describe('total variation', () => {
  test('is the share of the mass that lies elsewhere', () => {
    expect(totalVariation([1, 1], [2, 2])).toBe(0);
    expect(totalVariation([1, 0], [0, 7])).toBe(1);
    expect(totalVariation([3, 1], [1, 1])).toBe(0.25);
  });

  test('is from 0 to 1, and symmetric', () => {
    fc.assert(
      fc.property(histograms, ([a, b]) => {
        const distance = totalVariation(a, b);
        expect(distance).toBeGreaterThanOrEqual(0);
        expect(distance).toBeLessThanOrEqual(1 + 1e-12);
        expect(distance).toBeCloseTo(totalVariation(b, a), 12);
      }),
    );
  });

  test('from samples of the distribution itself is the expected noise', () => {
    const random = createRandom(1);
    const distribution = [0.4, 0.3, 0.2, 0.1];
    let sum = 0;
    for (let round = 0; round < 300; round++) {
      const counts = [0, 0, 0, 0];
      for (let i = 0; i < 500; i++) {
        const x = random.next();
        counts[x < 0.4 ? 0 : x < 0.7 ? 1 : x < 0.9 ? 2 : 3]++;
      }
      sum += totalVariation(counts, distribution);
    }
    const noise = samplingNoise(distribution, 500);
    expect(sum / 300).toBeGreaterThan(0.9 * noise);
    expect(sum / 300).toBeLessThan(1.1 * noise);
  });
});

test('enough old observations are always kept to judge by', () => {
  expect(keptShare(100, 100, 1_000, 10_000)).toBe(1);
  expect(keptShare(1_000, 100, 1_000, 10_000)).toBe(0.9);
  expect(keptShare(102, 100, 1_000, 10_000)).toBeCloseTo(100 / 102, 12);
});

describe('a drift', () => {
  test('is not judged from too few observations', () => {
    expect(driftMeasure([0, 9], [1, 1], 0.1, 10, false)).toMatchObject({ observations: 9, distance: null, drifted: false });
    expect(driftMeasure([0, 10_000], [1, 1], 0.1, 10, false)).toMatchObject({ distance: 0.5, drifted: true });
  });

  test('begins beyond its bound and ends well below it', () => {
    const measure = (share: number, before: boolean) =>
      driftMeasure([1e6 * (0.5 + share), 1e6 * (0.5 - share)], [1, 1], 0.1, 10, before).drifted;
    expect(measure(0.09, false)).toBe(false);
    expect(measure(0.09, true)).toBe(true);
    expect(measure(0.11, false)).toBe(true);
    expect(measure(0.07, true)).toBe(false);
  });
});

describe('load', () => {
  const plan = planOf({ models: ['a'], cascades: [['a'], ['a'], ['a'], ['a']], stepQps: 100 });
  const SETTINGS = { qpsBound: 0.3, certaintyBound: 0.1, minSamples: 50 };

  function measured(rates: readonly number[]) {
    const drift = new QpsDrift(plan, SETTINGS, 0);
    rates.forEach((rate, second) => {
      for (let tenth = 0; tenth < 10; tenth++) drift.observe(rate / 10);
      drift.tick((second + 1) * 1_000);
    });
    return drift.measure();
  }

  test('as planned is no drift', () => {
    const measure = measured(Array.from({ length: 100 }, (_, second) => 50 + 100 * (second % 4)));
    expect(measure).toMatchObject({
      observations: 100,
      drifted: false,
      qpsMax: 400,
      meanQps: 200,
      plannedMeanQps: 200,
      above: 0,
    });
    expect(measure.distance).toBeCloseTo(0, 12);
    expect(measure.weights).toEqual([0.25, 0.25, 0.25, 0.25]);
  });

  test('that has moved to one range is drift, by the share of the others', () => {
    const measure = measured(new Array(100).fill(350));
    expect(measure).toMatchObject({ drifted: true, meanQps: 350, weights: [0, 0, 0, 1] });
    expect(measure.distance).toBeCloseTo(0.75, 12);
  });

  test('seconds without a request do not count; load above all ranges counts in the last', () => {
    const measure = measured([...new Array(60).fill(0), ...new Array(40).fill(50), ...new Array(40).fill(4_000)]);
    expect(measure).toMatchObject({ observations: 80, weights: [0.5, 0, 0, 0.5], above: 0.5 });
  });

  test('above all ranges keeps its own fine ranges, up to ten times the highest planned load', () => {
    const { histogram, histogramAbove, above } = measured([...new Array(60).fill(50), 399, 400, 401, 1_000, 90_000]);
    expect(histogram[99]).toBeCloseTo(5 / 65, 12);
    expect(above).toBeCloseTo(4 / 65, 12);
    expect(histogramAbove).toHaveLength(900);
    // Ranges of 4 requests/s.
    const counts = histogramAbove.flatMap((weight, i) => (weight > 0 ? [[i, Math.round(65 * weight)]] : []));
    expect(counts).toEqual([
      [0, 2],
      [150, 1],
      [899, 1],
    ]);
    expect(measured([50]).histogramAbove).toEqual([]);
  });

  test('ranges of different widths each count their own seconds; the load for replanning is kept finer', () => {
    const [first, ...others] = plan.gears;
    const joined = {
      gears: [first, { ...others[0], qps: [100, 400] as [number, number] }],
      qpsWeights: [0.25, 0.75],
      meanQps: 200,
    };
    const drift = new QpsDrift(joined, SETTINGS, 0);
    [50, 150, 250, 350].forEach((rate, second) => {
      drift.observe(rate);
      drift.tick((second + 1) * 1_000);
    });
    const { weights, plannedWeights, histogram, plannedMeanQps, qpsMax } = drift.measure();
    expect({ weights, plannedWeights, plannedMeanQps, qpsMax }).toEqual({
      weights: [0.25, 0.75],
      plannedWeights: [0.25, 0.75],
      plannedMeanQps: 200,
      qpsMax: 400,
    });
    const peaks = histogram.flatMap((weight, i) => (weight > 0 ? [[(i * qpsMax) / histogram.length, weight]] : []));
    expect(peaks).toEqual([
      [48, 0.25],
      [148, 0.25],
      [248, 0.25],
      [348, 0.25],
    ]);
  });

  test('from long ago is forgotten', () => {
    const measure = measured([...new Array(2_000).fill(350), ...new Array(20_000).fill(50)]);
    expect(measure.weights[0]).toBeGreaterThan(0.95);
  });

  test('a late tick spreads its requests over the time that passed', () => {
    const drift = new QpsDrift(plan, { ...SETTINGS, minSamples: 1 }, 0);
    drift.observe(300);
    drift.tick(400);
    drift.tick(2_000);
    expect(drift.measure().weights).toEqual([0, 1, 0, 0]);
  });

  test('a tick that is a little early still ends its second', () => {
    const drift = new QpsDrift(plan, SETTINGS, 0);
    for (let second = 1; second <= 10; second++) {
      drift.observe(150);
      drift.tick(1_000 * second - (second % 2));
    }
    expect(drift.measure()).toMatchObject({ observations: 10, weights: [0, 1, 0, 0] });
  });
});

describe('certainty', () => {
  const profile = syntheticProfile({
    seed: 3,
    samples: 2_000,
    models: [
      { name: 'small', accuracy: 0.7, fixedMs: 1, perSampleMs: 1, memoryBytes: 1 },
      { name: 'large', accuracy: 0.9, fixedMs: 1, perSampleMs: 1, memoryBytes: 1 },
    ],
  });
  const edges = profile.models.map(({ certainties }) => certaintyEdges(certainties));
  const plan = planOf({ models: ['small', 'large'], cascades: [['small', 'large'], ['large']], threshold: 0.6 });

  test('bins hold about equal shares of the validation samples; a certainty goes into the bin whose edges enclose it', () => {
    const [small] = expectedBins({ cascade: [{ model: 'small' }] }, profile, edges);
    expect(total(small)).toBeCloseTo(1, 12);
    for (const share of small) expect(share).toBeCloseTo(1 / CERTAINTY_BINS, 2);
    expect(certaintyBin(edges[0], Number.NEGATIVE_INFINITY)).toBe(0);
    expect(certaintyBin(edges[0], Number.POSITIVE_INFINITY)).toBe(CERTAINTY_BINS - 1);
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, noNaN: true }), (certainty) => {
        expect(certaintyBin(edges[0], certainty)).toBe(edges[0].filter((edge) => edge <= certainty).length);
      }),
    );
  });

  test('that rounds to 1 in the profile’s single precision goes into the bin of 1 live, too', () => {
    const ones = certaintyEdges(Float32Array.of(0.1, 0.2, 1, 1, 1, 1));
    const output = { scores: Float32Array.of(20, 0), classes: 2, auxiliary: undefined, computeMs: 1 };
    expect(certaintyBin(ones, judgedBy('margin')(output, 0).certainty)).toBe(certaintyBin(ones, 1));
  });

  test('at a later stage is expected only from samples that get that far', () => {
    const [, large] = expectedBins(plan.gears[0], profile, edges);
    const [, reach] = evaluateCascade(validationRecords(profile), [0, 1], [0.6]).reach;
    const [all] = expectedBins(plan.gears[1], profile, edges);
    expect(reach).toBeLessThan(0.9);
    expect(total(large)).toBeCloseTo(1, 12);
    expect(totalVariation(large, all)).toBeGreaterThan(0.05);
  });

  test('live samples like the validation samples are no drift, in any mix of gears; shifted ones are', () => {
    const settings = { qpsBound: 0.3, certaintyBound: 0.1, minSamples: 500 };
    const random = createRandom(5);
    const watch = (shift: number) => {
      const drift = new CertaintyDrift(plan, profile, settings);
      for (let i = 0; i < 4_000; i++) {
        const sample = random.below(2_000);
        const gear = i % 3 === 0 ? 0 : 1;
        const seen = (model: number) => Math.max(0, profile.models[model].certainties[sample] - shift);
        const count = (model: number) => {
          const counts = new Array(CERTAINTY_BINS).fill(0);
          counts[certaintyBin(edges[model], seen(model))]++;
          drift.observe({ revision: 1, gear, model: profile.models[model].name, counts });
        };
        if (gear === 1) count(1);
        else {
          count(0);
          if (seen(0) < 0.6) count(1);
        }
      }
      return new Map(drift.measure().map((measure) => [measure.model, measure.drifted]));
    };
    expect(Object.fromEntries(watch(0))).toEqual({ small: false, large: false });
    expect(Object.fromEntries(watch(0.2))).toEqual({ small: true, large: true });
  });
});
