import { describe, expect, test } from 'vitest';
import { diffText } from '../../../../plans/diff/diff-table.ts';
import { diffPlans } from '../../../../plans/diff/plan-diff.ts';
import type { Gear, GearPlan } from '../../../../plans/domain/gear-plan/gear-plan.ts';
import { planOf } from '../../../support/plans.ts';

const plan = planOf({ models: ['small', 'large'], devices: ['a', 'b'], cascades: [['small', 'large'], ['small']], stepQps: 100 });

function withGear(index: number, change: Partial<Gear>): GearPlan {
  return { ...plan, gears: plan.gears.map((gear, g) => (g === index ? { ...gear, ...change } : gear)) };
}

test('a plan does not differ from itself', () => {
  const diff = diffPlans(plan, structuredClone(plan));
  expect(diff).toMatchObject({ same: true, settings: [], placement: { added: [], removed: [] } });
  expect(diffText(diff)).toContain('no difference');
});

test('shows expected accuracies with their intervals; plans that know them better or worse differ', () => {
  const surer = (accuracyInterval: [number, number]): GearPlan => ({
    ...plan,
    expected: { ...plan.expected, accuracyInterval },
    gears: plan.gears.map((gear) => ({ ...gear, expected: { ...gear.expected, accuracyInterval } })),
  });
  const diff = diffPlans(surer([0.85, 0.94]), surer([0.89, 0.91]));
  const accuracyInterval = [
    [0.85, 0.94],
    [0.89, 0.91],
  ];
  expect(diff).toMatchObject({
    same: false,
    expected: { accuracyInterval },
    loads: [{ accuracyInterval }, { accuracyInterval }],
  });
  const told = 'accuracy 90.00 % (85.0 - 94.0 %) -> 90.00 % (89.0 - 91.0 %)';
  expect(diffText(diff)).toContain(`expected over the loads: ${told}`);
  expect(diffText(diff)).toContain(`0 - 100 requests/s, gear 0: ${told}`);
  expect(diffPlans(surer([0.89, 0.91]), surer([0.89, 0.91])).same).toBe(true);
});

describe('a gear', () => {
  test('with another threshold shows the threshold, and nothing else', () => {
    const after = withGear(0, { cascade: [{ model: 'small', threshold: 0.7 }, { model: 'large' }] });
    const { same, loads } = diffPlans(plan, after);
    expect(same).toBe(false);
    expect(loads[0].changes).toEqual([{ what: 'thresholds', before: 'small <0.5 → large', after: 'small <0.7 → large' }]);
    expect(loads[1].changes).toEqual([]);
    expect(diffText(diffPlans(plan, after))).toContain('100 - 200 requests/s, gear 1: as before');
  });

  test('with thresholds that differ in the last digits shows all of them', () => {
    const at = (threshold: number) => withGear(0, { cascade: [{ model: 'small', threshold }, { model: 'large' }] });
    expect(diffPlans(at(0.621), at(0.6214)).loads[0].changes).toEqual([{ what: 'thresholds', before: '0.621', after: '0.6214' }]);
    expect(diffPlans(at(0.99962), at(0.99997)).loads[0].changes).toEqual([
      { what: 'thresholds', before: 'small <0.9996 → large', after: 'small <0.99997 → large' },
    ]);
  });

  test('with other models shows the cascade', () => {
    const { loads } = diffPlans(plan, withGear(0, { cascade: [{ model: 'large' }] }));
    expect(loads[0].changes).toEqual([{ what: 'cascade', before: 'small <0.5 → large', after: 'large' }]);
  });

  test('with other shares and queues shows them per device', () => {
    const after = withGear(1, { shares: { small: { a: 1 } }, minQueueLength: { small: { a: 4 } } });
    expect(diffPlans(plan, after).loads[1].changes).toEqual([
      { what: 'shares', before: 'small a 50.0 % b 50.0 %', after: 'small a 100.0 %' },
      { what: 'minimum queues', before: 'small a 1 b 1', after: 'small a 4' },
    ]);
  });

  test('with only other expectations shows the figures', () => {
    const expected = { ...plan.gears[1].expected, accuracy: 0.8 };
    const diff = diffPlans(plan, withGear(1, { expected }));
    expect(diff.loads[1]).toMatchObject({ changes: [], accuracy: [0.9, 0.8] });
    expect(diff.same).toBe(false);
    expect(diffText(diff)).toContain('accuracy 90.00 % (90.0 - 90.0 %) -> 80.00 % (90.0 - 90.0 %)');
  });
});

test('other weights of a model are named by their digests', () => {
  const after: GearPlan = { ...plan, weights: { ...plan.weights, large: { ...plan.weights.large, digest: 'abcdef0123456789' } } };
  const diff = diffPlans(plan, after);
  expect(diff.same).toBe(false);
  expect(diff.settings).toEqual([
    { what: 'weights', before: 'small digest of small, large digest of large', after: 'small digest of small, large abcdef01' },
  ]);
});

test('gears beyond the promise are compared, and named as such', () => {
  const after: GearPlan = { ...plan, beyond: [{ ...plan.gears[1], qps: [200, 500] }] };
  const diff = diffPlans(plan, after);
  expect(diff.settings.map(({ what, before, after }) => [what, before, after])).toEqual([
    ['load carried beyond, best effort', 'none', '500 requests/s'],
    ['gears', '2', '2 and 1 beyond'],
  ]);
  expect(diff.loads.at(-1)).toMatchObject({ qps: [200, 500], gears: [1, 2], bestEffort: [false, true], changes: [] });
  expect(diffText(diff)).toContain('200 - 500 requests/s, gear 1 -> 2 (best effort)');
});

test('joining neighbouring ranges does not change the distribution of the load', () => {
  const [first, second] = plan.gears;
  const joined: GearPlan = { ...plan, gears: [{ ...first, qps: [0, 200] }], qpsWeights: [1], meanQps: 100 };
  const apart: GearPlan = { ...plan, gears: [first, { ...first, qps: second.qps }], meanQps: 100 };
  expect(diffPlans(apart, joined).settings.map(({ what }) => what)).toEqual(['gears']);
  expect(diffPlans(apart, { ...joined, meanQps: 80 }).settings.map(({ what }) => what)).toContain('distribution of the load');
});

test('added and removed replicas are named', () => {
  const after = { ...plan, placement: [...plan.placement.slice(1), { model: 'small', device: 'c' }] };
  const diff = diffPlans(plan, after);
  expect(diff.placement).toEqual({ added: [{ model: 'small', device: 'c' }], removed: [plan.placement[0]] });
  expect(diffText(diff)).toContain('+ small on c');
  expect(diffText(diff)).toContain('- small on a');
});

test('plans with other ranges are compared load by load; a last gear serves the load above it', () => {
  const finer = planOf({
    models: ['small', 'large'],
    devices: ['a', 'b'],
    cascades: [['small', 'large'], ['small'], ['small']],
    stepQps: 150,
  });
  const { loads, settings } = diffPlans(plan, finer);
  expect(loads.map(({ qps, gears }) => [...qps, ...gears])).toEqual([
    [0, 100, 0, 0],
    [100, 150, 1, 0],
    [150, 200, 1, 1],
    [200, 300, 1, 1],
    [300, 450, 1, 2],
  ]);
  expect(loads[1].changes[0]).toMatchObject({ what: 'cascade', before: 'small', after: 'small <0.5 → large' });
  expect(settings.map(({ what }) => what)).toEqual(['highest load', 'gears', 'distribution of the load']);
});
