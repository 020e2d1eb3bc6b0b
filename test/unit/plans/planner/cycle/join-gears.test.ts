import { describe, expect, test } from 'vitest';
import type { Gear } from '../../../../../plans/domain/gear-plan/gear-plan.ts';
import { joinGears } from '../../../../../plans/planner/cycle/join-gears.ts';
import { planOf } from '../../../../support/plans.ts';

const gears = planOf({ models: ['a', 'b'], devices: ['x'], cascades: [['a', 'b'], ['a', 'b'], ['a', 'b'], ['a']] }).gears.map(
  (gear, g): Gear => ({
    ...gear,
    expected: { ...gear.expected, latencyMs: { p50: 1, p95: 5 + g, p99: 9 }, utilisation: { x: g / 10 } },
  }),
);
const ranges = (changed: readonly Gear[]) => joinGears(changed).map(({ gear, ranges }) => [...gear.qps, ranges]);

describe('neighbouring ranges', () => {
  test('with the same gear are joined, with the expectations of the top range', () => {
    const joined = joinGears(gears);
    expect(ranges(gears)).toEqual([
      [0, 300, 3],
      [300, 400, 1],
    ]);
    expect(joined[0].gear).toEqual({ ...gears[2], qps: [0, 300] });
    expect(joined[1].gear).toEqual(gears[3]);
  });

  test('expect the worst latency of any of them; where queues wait to fill, that is the one at a lower load', () => {
    const slow = { p50: 2, p95: 50, p99: 60 };
    const changed = gears.map((gear, g) => (g === 1 ? { ...gear, expected: { ...gear.expected, latencyMs: slow } } : gear));
    const [{ gear }] = joinGears(changed);
    expect(gear.expected).toEqual({ ...gears[2].expected, latencyMs: slow });
  });

  test.each<[string, Partial<Gear>]>([
    ['threshold', { cascade: [{ model: 'a', threshold: 0.6 }, { model: 'b' }] }],
    ['minimum queue length', { minQueueLength: { a: { x: 2 }, b: { x: 1 } } }],
    ['longest wait', { maxWaitMs: 3 }],
    ['shares', { shares: { a: { x: 0.5, y: 0.5 }, b: { x: 1 } } }],
  ])('of another %s stay apart', (_, change) => {
    expect(ranges(gears.map((gear, g) => (g === 1 ? { ...gear, ...change } : gear)))).toEqual([
      [0, 100, 1],
      [100, 200, 1],
      [200, 300, 1],
      [300, 400, 1],
    ]);
  });
});
