import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { GearPlan } from '../../../../plans/gear-plan.ts';
import { CERTAIN, cascadeStep, LAST, NO_LATER_MODEL } from '../../../../plans/policy/cascade-step.ts';
import { compilePlan } from '../../../../plans/policy/compiled-plan.ts';
import { chooseGear, gearForQps } from '../../../../plans/policy/gear-choice.ts';
import { pickDevice } from '../../../../plans/policy/routing.ts';
import { goesFirst, isTriggered } from '../../../../plans/policy/trigger.ts';

const expected = { accuracy: 1, latencyMs: { p50: 0, p95: 0, p99: 0 }, utilisation: {}, bottleneck: 'a' };
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

  test('queues of models outside the gear trigger at one request', () => {
    expect([...gear.minQueueLength]).toEqual([1, 1, 1, 4, 1, 1, 1, 1]);
  });

  test('an unknown name is a defect that says which', () => {
    expect(() => compilePlan({ ...plan, placement: [{ model: 'z', device: 'x' }] })).toThrow('unknown model "z"');
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

  test('a model outside the gear hands on to the first later model of the gear, or its answer stands', () => {
    expect(cascadeStep(gear, 0, 0.9)).toBe(1);
    expect(cascadeStep(gear, 2, 0.9)).toBe(3);
    expect(cascadeStep(compilePlan(plan).gears[1], 3, 0.1)).toBe(NO_LATER_MODEL);
  });
});

describe('gear choice', () => {
  const PAPER = { alpha: 8, backlogDrainMs: Number.POSITIVE_INFINITY };
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

  test('a backlog holds back a shift to a lower-load gear, not to a higher one', () => {
    expect(chooseGear(gears, 2, 5, 1, 0, PAPER)).toBe(2);
    expect(chooseGear(gears, 2, 8, 1, 0, PAPER)).toBe(0);
    expect(chooseGear(gears, 0, 25, 1000, 1000, PAPER)).toBe(2);
  });

  test('a backlog counts as the load that would clear it in the drain time', () => {
    expect(chooseGear(gears, 0, 5, 0, 2, { alpha: 0, backlogDrainMs: 500 })).toBe(0); // 5 + 4
    expect(chooseGear(gears, 0, 5, 0, 3, { alpha: 0, backlogDrainMs: 500 })).toBe(1); // 5 + 6
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

  test('devices without a share or that are not usable get nothing', () => {
    const row = Float64Array.of(9, 9, 0.5, 0, 0.5);
    const credit = new Float64Array(5);
    const got = new Set(Array.from({ length: 20 }, () => pickDevice(row, credit, 2, 3, undefined)));
    expect(got).toEqual(new Set([0, 2]));
    expect(pickDevice(row, credit, 2, 3, Uint8Array.of(1, 1, 0, 1, 0))).toBe(-1);
    expect(pickDevice(row, credit, 2, 3, Uint8Array.of(1, 1, 0, 1, 1))).toBe(2);
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
