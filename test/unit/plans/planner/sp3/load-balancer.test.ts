import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { DeviceCosts } from '../../../../../plans/planner/sp3/device-costs.ts';
import { LinearSolver } from '../../../../../plans/planner/sp3/linear-solver.ts';
import { LoadBalancer } from '../../../../../plans/planner/sp3/load-balancer.ts';
import { syntheticProfile } from '../../../../../plans/synthetic/synthetic.ts';

const profile = syntheticProfile({
  seed: 1,
  samples: 10,
  deviceClasses: { slow: 1, fast: 3 },
  models: [
    { name: 'a', accuracy: 0.7, fixedMs: 1, perSampleMs: 1, memoryBytes: 1 },
    { name: 'b', accuracy: 0.9, fixedMs: 5, perSampleMs: 4, memoryBytes: 1 },
  ],
});
const devices = ['slow', 'fast', 'fast'].map((deviceClass, i) => ({ id: `d${i}`, deviceClass, memoryBytes: 10 }));
const costs = new DeviceCosts(profile, devices, [], Number.POSITIVE_INFINITY);
const solver = await LinearSolver.create();
const balancer = new LoadBalancer(costs, solver);
afterAll(() => solver.dispose());

const cascadeOf = (reach: number) => ({
  key: `0<${reach} 1`,
  models: [0, 1],
  thresholds: [reach],
  accuracy: 0.8,
  reach: [1, reach],
});

/** The utilisation of the busiest device, for shares on a grid. */
function bruteForce(reach: number, placed: Uint8Array, steps: number): number {
  const perStage = costs.stageCosts([0, 1], [1, reach]);
  const splits = (row: Uint8Array): number[][] => {
    const found: number[][] = [];
    for (let i = 0; i <= steps; i++)
      for (let j = 0; i + j <= steps; j++) {
        const split = [i, j, steps - i - j].map((n) => n / steps);
        if (split.every((share, d) => share === 0 || row[d] === 1)) found.push(split);
      }
    return found;
  };
  let best = Number.POSITIVE_INFINITY;
  const second = splits(placed.subarray(3, 6));
  for (const a of splits(placed.subarray(0, 3)))
    for (const b of second) {
      let fullest = 0;
      for (let d = 0; d < 3; d++)
        fullest = Math.max(fullest, a[d] * perStage[0][costs.classOf[d]] + b[d] * perStage[1][costs.classOf[d]]);
      best = Math.min(best, fullest);
    }
  return best;
}

describe('LoadBalancer', () => {
  const cases = fc.record({
    reach: fc.double({ min: 0.01, max: 1, noNaN: true }),
    placed: fc
      .array(fc.integer({ min: 0, max: 1 }), { minLength: 6, maxLength: 6 })
      .filter((bits) => bits.slice(0, 3).includes(1) && bits.slice(3).includes(1)),
  });

  test('is optimal: no split on a grid is better, and at least one comes close', () => {
    fc.assert(
      fc.property(cases, ({ reach, placed }) => {
        const row = Uint8Array.from(placed);
        const fullest = balancer.fullestMs(cascadeOf(reach), row) ?? Number.POSITIVE_INFINITY;
        const grid = bruteForce(reach, row, 20);
        expect(fullest).toBeLessThanOrEqual(grid * (1 + 1e-6));
        expect(fullest).toBeGreaterThan(grid * 0.85);
      }),
      { numRuns: 30 },
    );
  });

  test('shares sum to one, lie on placed replicas, and load no device beyond the optimum', () => {
    fc.assert(
      fc.property(cases, ({ reach, placed }) => {
        const row = Uint8Array.from(placed);
        const balance = balancer.balance(cascadeOf(reach), row);
        if (balance === undefined) throw new Error('no balance');
        for (const model of [0, 1]) {
          const shares = balance.shares.subarray(model * 3, model * 3 + 3);
          expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 12);
          shares.forEach((share, d) => {
            if (placed[model * 3 + d] === 0) expect(share).toBe(0);
          });
        }
        const optimum = balancer.fullestMs(cascadeOf(reach), row) ?? 0;
        expect(balance.maxDeviceMs).toBeLessThanOrEqual(optimum * (1 + 1e-4));
      }),
      { numRuns: 30 },
    );
  });

  test('a model without a replica cannot be balanced', () => {
    expect(balancer.fullestMs(cascadeOf(0.5), Uint8Array.of(1, 1, 1, 0, 0, 0))).toBeUndefined();
    expect(balancer.balance(cascadeOf(0.5), Uint8Array.of(1, 1, 1, 0, 0, 0))).toBeUndefined();
  });

  test('equal devices that hold every model get equal shares', () => {
    const balance = balancer.balance(cascadeOf(0.5), Uint8Array.of(0, 1, 1, 0, 1, 1));
    expect([...(balance?.shares ?? [])].map((share) => share.toFixed(3))).toEqual([
      '0.000',
      '0.500',
      '0.500',
      '0.000',
      '0.500',
      '0.500',
    ]);
  });
});
