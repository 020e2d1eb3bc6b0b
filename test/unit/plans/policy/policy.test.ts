import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createRandom } from '../../../../engine/random.ts';
import type { Gear, GearPlan } from '../../../../plans/domain/gear-plan/gear-plan.ts';
import { CERTAIN, cascadeStep, LAST, NO_LATER_MODEL } from '../../../../plans/policy/cascade-step.ts';
import { compilePlan } from '../../../../plans/policy/compiled-plan.ts';
import {
  type GearInputs,
  type GearRule,
  gearForQps,
  gearSlowdown,
  PAPER_GEAR_RULE,
  wantedGears,
} from '../../../../plans/policy/gear-choice.ts';
import { estimateLoad, type LoadEstimate, LoadHistory, rateInterval, together } from '../../../../plans/policy/load-history.ts';
import { LoadScale, plannedMeanQps, scaledQps } from '../../../../plans/policy/load-scale.ts';
import { pickDevice, sharesAtSpeed } from '../../../../plans/policy/routing.ts';
import { goesFirst, isTriggered } from '../../../../plans/policy/trigger.ts';

const expected: Gear['expected'] = {
  accuracy: 1,
  accuracyInterval: [1, 1],
  latencyMs: { p50: 0, p95: 0, p99: 0 },
  utilisation: {},
  bottleneck: 'a',
};
const plan: Pick<GearPlan, 'models' | 'devices' | 'placement' | 'gears'> = {
  models: ['a', 'b', 'c', 'd'],
  devices: ['x', 'y'],
  placement: [{ model: 'b', device: 'y' }],
  gears: [
    {
      qps: [0, 10],
      cascade: [{ model: 'b', threshold: 0.5 }, { model: 'd' }],
      shares: { b: { y: 1 }, d: { x: 0.25, y: 0.75 } },
      minQueueLength: { b: { y: 4 } },
      maxWaitMs: 7,
      expected,
    },
    { qps: [10, 20], cascade: [{ model: 'a' }], shares: { a: { x: 1 } }, minQueueLength: {}, maxWaitMs: 0, expected },
    { qps: [20, 30], cascade: [{ model: 'a' }], shares: { a: { x: 1 } }, minQueueLength: {}, maxWaitMs: 0, expected },
  ],
};

describe('compilePlan', () => {
  const [gear] = compilePlan(plan).gears;

  test('numbers models and devices as the plan lists them', () => {
    expect([...gear.cascade]).toEqual([1, 3]);
    expect([...gear.shares]).toEqual([0, 0, 0, 1, 0, 0, 0.25, 0.75]);
    expect([...compilePlan(plan).placed]).toEqual([0, 0, 0, 1, 0, 0, 0, 0]);
  });

  test('numbers models as the process knows them, while cascades still follow the order of the plan', () => {
    const [renumbered, second] = compilePlan(plan, ['y', 'x'], ['d', 'c', 'b', 'a']).gears;
    expect([...renumbered.cascade]).toEqual([2, 0]);
    expect([...renumbered.shares]).toEqual([0.75, 0.25, 0, 0, 1, 0, 0, 0]);
    // From c to d, from a to b; nothing comes after d, and nothing after b if the gear only has a.
    expect([...renumbered.next]).toEqual([-1, 0, 0, 2]);
    expect([...second.next]).toEqual([-1, -1, -1, -1]);
  });

  test('queues of models outside the gear trigger at one request', () => {
    expect([...gear.minQueueLength]).toEqual([1, 1, 1, 4, 1, 1, 1, 1]);
  });

  test('an unknown name is a defect that is named', () => {
    expect(() => compilePlan({ ...plan, placement: [{ model: 'z', device: 'x' }] })).toThrow('unknown model "z"');
  });
});

describe('gears beyond the promise', () => {
  const [first, second, third] = plan.gears;
  const { gears, beyond } = { gears: [first], beyond: [second, third] };
  const contingencies = [{ lost: 'x', alike: [], gears: [{ ...second, shares: {} }], beyond: [{ ...third, shares: {} }] }];
  const compiled = compilePlan({ ...plan, gears, beyond, contingencies });

  test('follow the promised ones in one table, marked, also for the loss of a device', () => {
    const tables = [compiled.gears, compiled.contingencies.get('x') ?? []];
    expect(tables.map((table) => table.map(({ index, bestEffort, toQps }) => [index, bestEffort, toQps]))).toEqual([
      [
        [0, false, 10],
        [1, true, 20],
        [2, true, 30],
      ],
      [
        [0, false, 20],
        [1, true, 30],
      ],
    ]);
  });

  test('serve the loads above, but not loads that only scaling puts there', () => {
    const choose = (qps: number, scale: number): number => {
      const load = { qps, lowQps: qps, highQps: qps };
      const inputs = { load, scale, slowdown: Float64Array.of(1, 1), firstQueue: 0, backlog: 0, waitMs: 0 };
      return wantedGears(compiled.gears, 0, inputs, PAPER_GEAR_RULE).least.gear;
    };
    expect([5, 15, 25, 99].map((qps) => choose(qps, 1))).toEqual([0, 1, 2, 2]);
    expect([5, 9.99, 15, 25].map((qps) => choose(qps, 4))).toEqual([0, 0, 1, 2]);
    expect([15, 25, 50].map((qps) => choose(qps, 0.5))).toEqual([0, 2, 2]);
  });
});

describe('cascadeStep', () => {
  const [gear] = compilePlan(plan).gears;

  test('certain answers are final, uncertain ones go to the next stage', () => {
    expect(cascadeStep(gear, 1, 0.5)).toBe(CERTAIN);
    expect(cascadeStep(gear, 1, 0.49)).toBe(3);
  });

  test('the last stage answers, however uncertain', () => {
    expect(cascadeStep(gear, 3, 0)).toBe(LAST);
  });

  test('a model outside the gear hands over to the next later model of the gear, or its answer stands', () => {
    expect(cascadeStep(gear, 0, 0.9)).toBe(1);
    expect(cascadeStep(gear, 2, 0.9)).toBe(3);
    expect(cascadeStep(compilePlan(plan).gears[1], 3, 0.1)).toBe(NO_LATER_MODEL);
  });
});

describe('gear choice', () => {
  const { gears } = compilePlan(plan);

  test.each([
    [0, 0],
    [9.99, 0],
    [10, 1],
    [29, 2],
    [1e9, 2],
  ])('%d requests per second are served by gear %d', (qps, gear) => {
    expect(gearForQps(gears, qps)).toBe(gear);
  });

  const NONE_SLOW = Float64Array.of(1, 1);
  const counted = (qps: number): LoadEstimate => ({ qps, lowQps: qps, highQps: qps });
  const choose = (current: number, rule: GearRule, inputs: Partial<GearInputs> & { load: LoadEstimate }) =>
    wantedGears(gears, current, { scale: 1, slowdown: NONE_SLOW, firstQueue: 0, backlog: 0, waitMs: 0, ...inputs }, rule);
  const DRAINS: GearRule = { ...PAPER_GEAR_RULE, backlogDrainMs: 250 };

  test('the rule of the paper: looks up the measured load, ignores backlogs, and takes devices as profiled', () => {
    const slow = { slowdown: Float64Array.of(4, 4), backlog: 1_000, waitMs: 1_000 };
    fc.assert(
      fc.property(fc.nat(50), fc.nat(2), (qps, current) => {
        const { least, most } = choose(current, PAPER_GEAR_RULE, { load: counted(qps), ...slow });
        expect(least.gear).toBe(gearForQps(gears, qps));
        expect(most.gear).toBe(gearForQps(gears, qps));
        expect(most.basis).toMatchObject({ rule: 'load', lowQps: qps, highQps: qps });
      }),
    );
  });

  test('a backlog beyond the usual wait counts as the load that would clear it, and is named as the reason', () => {
    // 100 ms is the usual wait, two fifths of the drain time.
    const usual = choose(0, DRAINS, { load: counted(5), backlog: 8, waitMs: 100 });
    expect(usual.least).toMatchObject({ gear: 0, basis: { rule: 'load', excess: 0 } });
    // Half of the 4 requests are too many: 5 + 2 / 0.25 s.
    const long = choose(0, DRAINS, { load: counted(5), backlog: 4, waitMs: 200 });
    expect(long.least).toMatchObject({ gear: 1, basis: { rule: 'backlog', excess: 2 } });
    expect(choose(1, DRAINS, { load: counted(5), backlog: 4, waitMs: 200 }).most).toMatchObject({ gear: 1 });
  });

  test('a planned wait for a fuller batch is no backlog, up to half of the drain time', () => {
    const patient = gears.map((gear) => ({ ...gear, expectedMsP95: 120 }));
    const inputs = { load: counted(5), scale: 1, slowdown: NONE_SLOW, firstQueue: 0, backlog: 8, waitMs: 120 };
    expect(wantedGears(patient, 0, inputs, DRAINS).least.basis.excess).toBe(0);
    const endless = gears.map((gear) => ({ ...gear, expectedMsP95: 10_000 }));
    expect(wantedGears(endless, 0, { ...inputs, waitMs: 250 }, DRAINS).least.basis.excess).toBe(4);
  });

  test('the gear stays while the counts are consistent with a load within its range', () => {
    const load = { qps: 20, lowQps: 9, highQps: 31 };
    expect(choose(0, PAPER_GEAR_RULE, { load })).toMatchObject({ least: { gear: 0 }, most: { gear: 0 } });
    expect(choose(1, PAPER_GEAR_RULE, { load })).toMatchObject({ least: { gear: 0 }, most: { gear: 1 } });
  });

  test('a lower gear must clearly fit the load if shifting down needs evidence', () => {
    const settling: GearRule = { ...PAPER_GEAR_RULE, settleMs: 1_000 };
    expect(choose(1, settling, { load: counted(9.3) }).most.gear).toBe(1);
    expect(choose(1, settling, { load: counted(9.2) }).most.gear).toBe(0);
    expect(choose(0, settling, { load: counted(9.6) }).least.gear).toBe(0);
  });

  test('the load is scaled before the look-up; queues are not', () => {
    expect(choose(0, PAPER_GEAR_RULE, { load: counted(25), scale: 0.5 }).least).toMatchObject({
      gear: 1,
      basis: { qps: 25, lowQps: 12.5, scale: 0.5 },
    });
  });

  describe('on devices that are faster or slower than profiled', () => {
    const measured: GearRule = { ...PAPER_GEAR_RULE, measuredSpeed: true };

    test('a gear carries the planned load divided by the slowdown', () => {
      const half = { slowdown: Float64Array.of(2, 2) };
      expect(choose(0, measured, { load: counted(4.9), ...half }).least).toMatchObject({ gear: 0 });
      expect(choose(0, measured, { load: counted(5.1), ...half }).least).toMatchObject({
        gear: 1,
        basis: { rule: 'speed', slowdown: expect.closeTo(2) },
      });
    });

    test('slowdowns within the margin of the plan do not count, nor do faster devices', () => {
      expect(choose(0, measured, { load: counted(9.9), slowdown: Float64Array.of(1.1, 0.5) }).least.gear).toBe(0);
    });

    test('shares move to the faster devices, and the slowest model decides', () => {
      const [gear] = gears;
      // Model d has a quarter of its load on x, which is four times slower: 1 / (0.25 / 4 + 0.75).
      expect(gearSlowdown(gear, Float64Array.of(4, 1))).toBeCloseTo(1 + ((1 / 0.8125 - 1.1) / 0.2) * (1 / 0.8125 - 1));
      // Model b is on y alone.
      expect(gearSlowdown(gear, Float64Array.of(1, 4))).toBeCloseTo(4);
      expect(gearSlowdown(gear, Float64Array.of(1, 1))).toBe(1);
    });
  });
});

describe('the bounds of a counted load', () => {
  const ofWindows = (rates: Readonly<Record<number, number>>) => (ms: number) => ({ qps: rates[ms], ms });

  test('narrow with longer windows', () => {
    const { qps, lowQps, highQps } = estimateLoad(ofWindows({ 100: 1_000, 300: 1_000, 1000: 1_000, 3000: 1_000 }), 3_000, 2);
    expect(qps).toBe(1_000);
    expect([lowQps, highQps]).toEqual([...rateInterval({ qps: 1_000, ms: 3_000 }, 2)]);
  });

  test('ignore windows in which the load was different', () => {
    const { lowQps, highQps } = estimateLoad(ofWindows({ 100: 4_000, 300: 1_500, 1000: 800, 3000: 600 }), 3_000, 2);
    expect([lowQps, highQps]).toEqual([...rateInterval({ qps: 4_000, ms: 100 }, 2)]);
  });

  test('look no further back than the rule; without a band, the load is the last count', () => {
    const over = ofWindows({ 100: 30, 300: 20, 500: 10 });
    expect(estimateLoad(over, 500, 0)).toEqual({ qps: 30, lowQps: 30, highQps: 30 });
    expect(estimateLoad(ofWindows({ 100: 30 }), 100, 2).lowQps).toBe(rateInterval({ qps: 30, ms: 100 }, 2)[0]);
  });
});

describe('load history', () => {
  test('covers the last intervals that add up to the window, late ticks included', () => {
    const history = new LoadHistory();
    expect(history.over(100)).toEqual({ qps: 0, ms: 0 });
    history.add(50, 100);
    history.add(10, 100);
    history.add(40, 200);
    expect(history.over(100)).toEqual({ qps: 200, ms: 200 });
    expect(history.over(300)).toEqual({ qps: 50_000 / 300, ms: 300 });
    expect(history.over(10_000)).toEqual({ qps: 250, ms: 400 });
  });

  test('reaches back as far as the longest window, whatever came before', () => {
    const history = new LoadHistory();
    for (let i = 0; i < 1_000; i++) history.add(i < 900 ? 1_000 : 5, 100);
    expect(history.over(10_000)).toEqual({ qps: 50, ms: 10_000 });
  });

  test('adds up several frontends', () => {
    expect(together([])).toEqual({ qps: 0, ms: 0 });
    expect(
      together([
        { qps: 10, ms: 100 },
        { qps: 5, ms: 120 },
      ]),
    ).toEqual({ qps: 15, ms: 110 });
  });

  test('the confidence interval of a rate covers it as often as it should', () => {
    const random = createRandom(1);
    let held = 0;
    for (let round = 0; round < 2_000; round++) {
      let count = 0;
      for (let at = random.exponential(1); at < 60; at += random.exponential(1)) count++;
      const [low, high] = rateInterval({ qps: count, ms: 1_000 }, 2);
      if (low <= 60 && 60 <= high) held++;
    }
    expect(held / 2_000).toBeGreaterThan(0.94); // two standard deviations: 95.4 %
    expect(held / 2_000).toBeLessThan(0.98);
  });
});

describe('load scale', () => {
  const afterSeconds = (qps: readonly number[], planned: number): number => {
    const scale = new LoadScale(planned, 0);
    qps.forEach((arrivals, second) => {
      for (let tenth = 1; tenth <= 10; tenth++) scale.observe(arrivals / 10, second * 1_000 + tenth * 100);
    });
    return scale.factor;
  };

  test('moves a load within the promised range, and never raises one that is beyond it', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e4, noNaN: true }), fc.double({ min: 0.25, max: 4, noNaN: true }), (qps, scale) => {
        const scaled = scaledQps(qps, scale, 100);
        if (scale * qps < 100) expect(scaled).toBe(scale * qps);
        else if (qps < 100) expect(scaled < 100 && scaled > 99.9).toBe(true);
        else expect(scaled).toBe(qps);
      }),
    );
  });

  test('the planned mean in the plan takes precedence over the one its ranges suggest', () => {
    const [first, second] = plan.gears;
    expect(plannedMeanQps({ gears: [first, second], qpsWeights: [0.5, 0.5] })).toBe(10);
    expect(plannedMeanQps({ gears: [first, second], qpsWeights: [0.5, 0.5], meanQps: 3 })).toBe(3);
  });

  test('begins at 1, and converges to planned mean / measured mean', () => {
    expect(afterSeconds([], 100)).toBe(1);
    expect(afterSeconds(new Array(3_000).fill(200), 100)).toBeCloseTo(0.5, 2);
    expect(afterSeconds(new Array(3_000).fill(50), 100)).toBeCloseTo(2, 1);
  });

  test('is slow: a burst of ten seconds hardly moves it', () => {
    expect(afterSeconds([...new Array(600).fill(100), ...new Array(10).fill(400)], 100)).toBeGreaterThan(0.95);
  });

  test('seconds without a request do not count', () => {
    const some = Array.from({ length: 3_000 }, (_, second) => (second % 2 === 0 ? 200 : 0));
    expect(afterSeconds(some, 100)).toBeCloseTo(0.5, 1);
  });

  test('is bounded: a load farther from the plan needs another plan', () => {
    expect(afterSeconds(new Array(3_000).fill(5_000), 100)).toBe(0.25);
    expect(afterSeconds(new Array(3_000).fill(1), 100)).toBe(4);
  });
});

describe('routing', () => {
  const shares = fc
    .array(fc.integer({ min: 0, max: 100 }), { minLength: 1, maxLength: 8 })
    .filter((parts) => parts.some((part) => part > 0))
    .map((parts) => Float64Array.from(parts, (part) => part / parts.reduce((sum, p) => sum + p, 0)));

  test('no device gets more than one request ahead of its share, at any time', () => {
    fc.assert(
      fc.property(shares, fc.integer({ min: 1, max: 300 }), (row, picks) => {
        const credit = new Float64Array(row.length);
        const got = new Float64Array(row.length);
        for (let n = 1; n <= picks; n++) {
          got[pickDevice(row, credit, 0, row.length, undefined)]++;
          for (let d = 0; d < row.length; d++) {
            expect(got[d] - n * row[d]).toBeLessThan(1 + 1e-9);
            if (row.length === 2) expect(n * row[d] - got[d]).toBeLessThan(1 + 1e-9);
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  test('devices that have no share or are not usable get nothing', () => {
    const row = Float64Array.of(9, 9, 0.5, 0, 0.5);
    const credit = new Float64Array(5);
    const got = new Set(Array.from({ length: 20 }, () => pickDevice(row, credit, 2, 3, undefined)));
    expect(got).toEqual(new Set([0, 2]));
    expect(pickDevice(row, credit, 2, 3, Uint8Array.of(1, 1, 0, 1, 0))).toBe(-1);
    expect(pickDevice(row, credit, 2, 3, Uint8Array.of(1, 1, 0, 1, 1))).toBe(2);
  });
});

describe('routing at the measured speed', () => {
  test('a device that is half as fast gets half as much as the others', () => {
    const shares = Float64Array.of(0.5, 0.5, 0, 1);
    expect([...sharesAtSpeed(shares, Float64Array.of(2, 1))]).toEqual([0.25, 0.5, 0, 1]);
  });

  test('small differences leave the shares as planned', () => {
    const shares = Float64Array.of(0.5, 0.5);
    expect(sharesAtSpeed(shares, Float64Array.of(1.1, 0.7))).toBe(shares);
  });
});

describe('triggers', () => {
  test('at the minimum queue length, or when the oldest has waited long enough; never an empty queue', () => {
    expect(isTriggered(4, 4, 0, 10, 1)).toBe(true);
    expect(isTriggered(3, 4, 0, 10, 9.99)).toBe(false);
    expect(isTriggered(3, 4, 0, 10, 10)).toBe(true);
    expect(isTriggered(0, 0, 0, 0, 100)).toBe(false);
  });

  test('the oldest request goes first', () => {
    expect(goesFirst(1, 2)).toBe(true);
    expect(goesFirst(2, 1)).toBe(false);
  });
});
