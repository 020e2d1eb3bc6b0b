import { expect, test } from 'vitest';
import { DriftWatch } from '../../../../actors/controller/drift-watch.ts';
import { measuredLoad } from '../../../../actors/controller/measured-load.ts';
import { planOf } from '../../../support/plans.ts';

const plan = planOf({ models: ['a'], cascades: [['a'], ['a']], stepQps: 100 });
const SETTINGS = { qpsBound: 0.3, certaintyBound: 0.1, minSamples: 20 };
const LOAD = { qpsMax: 200, ranges: 8, distribution: { type: 'zipf', exponent: 1 } } as const;

function watched(arrivals: readonly number[]) {
  const watch = new DriftWatch(
    { revision: 3, plan },
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

test('warns of load above all ranges', () => {
  const { report } = watched(new Array(40).fill(500));
  expect(measuredLoad(LOAD, report, 20).warning).toContain('100.0 % of the seconds had more than the 200 requests/s');
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
