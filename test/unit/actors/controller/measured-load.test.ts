import { describe, expect, test } from 'vitest';
import { DriftWatch } from '../../../../actors/controller/drift-watch.ts';
import { measuredLoad } from '../../../../actors/controller/measured-load.ts';
import { measuredMeanQps, rangeWeights } from '../../../../plans/domain/deployment/range-weights.ts';
import { planOf } from '../../../support/plans.ts';

const plan = planOf({ models: ['a'], cascades: [['a'], ['a']], stepQps: 100 });
const SETTINGS = { qpsBound: 0.3, certaintyBound: 0.1, minSamples: 20 };
const LOAD = { qpsMax: 200, ranges: 8, distribution: { type: 'zipf', exponent: 1 } } as const;

function watched(arrivals: readonly number[], against = plan) {
  const watch = new DriftWatch(
    { revision: 3, plan: against },
    { models: [{ name: 'a', certainties: Float32Array.of(0.5) }] } as never,
    SETTINGS,
    0,
  );
  const ticks = arrivals.map((count, second) => {
    watch.load({ frontend: 'f', pid: 1, intervalMs: 1_000, arrivals: count });
    return watch.tick((second + 1) * 1_000);
  });
  return { report: ticks[ticks.length - 1].report, events: ticks.flatMap(({ events }) => events) };
}

test('plans for the measured distribution instead of the deployment’s', () => {
  const { report } = watched([...new Array(30).fill(50), ...new Array(10).fill(150)]);
  const { load, warning } = measuredLoad(LOAD, report, 20);
  expect(warning).toBeUndefined();
  // Finer than the plan's two ranges, so that it can be divided again: 2 requests/s each.
  const weights = Array.from({ length: 100 }, (_, i) => ({ 25: 0.75, 75: 0.25 })[i] ?? 0);
  expect(load).toEqual({ qpsMax: 200, ranges: 8, distribution: { type: 'histogram', qpsMax: 200, weights } });
});

describe('load above all ranges of the plan', () => {
  const seconds = Array.from({ length: 100 }, (_, second) => (second % 10 < 7 ? 50 : 250));

  test('is planned for where it was, and the same load does not drift from that plan', () => {
    const { report } = watched(seconds);
    const { load, warning } = measuredLoad({ ...LOAD, qpsMax: 300, ranges: 6 }, report, 20);
    expect(warning).toBeUndefined();
    const qpsWeights = rangeWeights(load);
    expect(qpsWeights).toEqual([0, 0.7, 0, 0, 0, 0.3].map((weight) => expect.closeTo(weight, 3)));
    const meanQps = measuredMeanQps(load);
    expect(Math.abs(meanQps! - report.qps.meanQps)).toBeLessThan(2);

    const next = { ...planOf({ models: ['a'], cascades: new Array(6).fill(['a']), stepQps: 50 }), qpsWeights, meanQps };
    const again = watched(seconds, next).report.qps;
    expect(again).toMatchObject({ drifted: false, above: 0 });
    expect(again.distance).toBeCloseTo(0, 3);
  });

  test('is named in a warning, as far as it is above the load to plan for', () => {
    const { report } = watched(seconds);
    expect(measuredLoad(LOAD, report, 20).warning).toContain('30.0 % of the seconds had more than the 200 requests/s');
    expect(measuredLoad({ ...LOAD, qpsMax: 40 }, report, 20).warning).toContain('100.0 % of the seconds had more than the 40');
  });

  test('counts toward the last range in reports of older versions', () => {
    const { report } = watched(seconds);
    const { histogramAbove: _, ...qps } = report.qps;
    const { distribution } = measuredLoad(LOAD, { ...report, qps }, 20).load;
    expect(distribution).toEqual({ type: 'histogram', qpsMax: 200, weights: report.qps.histogram });
    expect(report.qps.histogram[99]).toBeCloseTo(0.3, 3);
  });
});

test('refuses too little data, saying how much there is', () => {
  const { report } = watched(new Array(10).fill(50));
  expect(() => measuredLoad(LOAD, report, 20)).toThrow(/measured for 10 s .* less than the 20 of drift.minSamples/);
  expect(() => measuredLoad(LOAD, null, 20)).toThrow(/measured for 0 s/);
});

test('a drift is reported once when it begins and once when it ends, saying what it is and what to do', () => {
  const { events } = watched([...new Array(60).fill(150), ...new Array(60).fill(50)]);
  expect(events).toMatchObject([
    { state: 'begins', what: 'qps' },
    { state: 'ends', what: 'qps' },
  ]);
  expect(events[0].text).toContain('150 requests/s on average instead of 100; plan for the measured load with `cascade replan`');
});
