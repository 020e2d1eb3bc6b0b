import { describe, expect, test } from 'vitest';
import type { Cascade } from '../../../../plans/domain/cascade/cascade.ts';
import type { PlanningContext } from '../../../../plans/planner/cycle/planning-context.ts';
import { bestPlacement } from '../../../../plans/planner/sp3/best-placement.ts';
import { memoryHolds } from '../../../../plans/planner/sp3/device-fit.ts';
import { exactPlacement } from '../../../../plans/planner/sp3/exact-placement.ts';
import type { Entry, Row } from '../../../../plans/planner/sp3/linear-solver.ts';
import { type CascadeLoad, pruneReplicas, worstUtilisation } from '../../../../plans/planner/sp3/prune-replicas.ts';
import { withContext } from './contexts.ts';
import { randomLoads, randomRequest } from './random-requests.ts';

const SMALL = { models: 3, devices: 3 };

function modelsOf(loads: readonly CascadeLoad[]): number[] {
  return [...new Set(loads.flatMap((load) => load.cascade.models))].sort((a, b) => a - b);
}

/** The lowest maximum utilisation over all placements that fit in memory; Infinity if none holds all models in use. */
function bruteForce(loads: readonly CascadeLoad[], context: PlanningContext): number {
  const replicas = context.models * context.devices;
  let best = Number.POSITIVE_INFINITY;
  for (let bits = 1; bits < 2 ** replicas; bits++) {
    const placed = Uint8Array.from({ length: replicas }, (_, i) => (bits >> i) & 1);
    const runs = placed.every((p, i) => p === 0 || context.costs.canRun(Math.floor(i / context.devices), i % context.devices));
    if (runs && memoryHolds(placed, context)) best = Math.min(best, worstUtilisation(loads, placed, context));
  }
  return best;
}

/** The linear program of CascadeServe §4.4 exactly as published: one variable per replica, none shared. */
function fullestByProgram(cascade: Cascade, placed: Uint8Array, context: PlanningContext): number {
  const costs = context.costs.stageCosts(cascade.models, cascade.reach);
  const { devices } = context;
  const work: Entry[][] = Array.from({ length: devices }, () => [[0, -1]]);
  const rows: Row[] = [];
  let columns = 1;
  const scale = Math.max(...costs.flat().filter(Number.isFinite));
  cascade.models.forEach((model, s) => {
    const shares: Entry[] = [];
    for (let d = 0; d < devices; d++) {
      if (placed[model * devices + d] === 0) continue;
      work[d].push([columns, costs[s][context.costs.classOf[d]] / scale]);
      shares.push([columns++, 1]);
    }
    rows.push({ lower: 1, upper: 1, entries: shares });
  });
  for (const entries of work) rows.push({ lower: -context.solver.infinity, upper: 0, entries });
  const objective = Array.from({ length: columns }, (_, k) => (k === 0 ? 1 : 0));
  return context.solver.minimise(objective, rows)[0] * scale;
}

describe('exact placement', () => {
  test('is as good as the best placement found by brute force', async () => {
    let solved = 0;
    for (let i = 0; i < 12; i++) {
      await withContext(randomRequest(`tiny ${i}`, SMALL), (context) => {
        const loads = randomLoads(`loads ${i}`, context);
        const best = bruteForce(loads, context);
        const placed = exactPlacement(modelsOf(loads), loads, [1, 1, 1], 1e9, context);
        if (placed === undefined) return expect(best, `instance ${i}`).toBe(Number.POSITIVE_INFINITY);
        solved++;
        expect(memoryHolds(placed, context)).toBe(true);
        expect(worstUtilisation(loads, placed, context) / best, `instance ${i}`).toBeCloseTo(1, 3);
      });
    }
    expect(solved).toBeGreaterThan(5);
  });

  test('keeps forced replicas', async () => {
    await withContext(randomRequest('forced', { models: 2, devices: 4 }), (context) => {
      const loads = randomLoads('forced', context);
      const models = modelsOf(loads);
      for (const atLeast of [1, 2, 3]) {
        const placed = exactPlacement(models, loads, [atLeast, 1], 1e9, context);
        const replicas = placed?.subarray(0, 4).reduce((sum, p) => sum + p, 0) ?? 4;
        expect(replicas).toBeGreaterThanOrEqual(atLeast);
      }
    });
  });
});

test('the better of greedy pruning and the exact program is used', async () => {
  let exactWon = 0;
  for (let i = 0; i < 40; i++) {
    await withContext(randomRequest(`pair ${i}`, { models: 4, devices: 4 }), (context) => {
      // Light enough that only memory makes a difference.
      const loads = randomLoads(`loads ${i}`, context).map((load) => ({ ...load, qps: load.qps / 1000 }));
      const models = modelsOf(loads);
      const greedy = pruneReplicas(models, loads, [1, 1, 1, 1], context);
      const taken = bestPlacement(models, loads, [1, 1, 1, 1], context);
      if (taken.type === 'memory') return expect(greedy.type).toBe('memory');
      const own = worstUtilisation(loads, taken.placed, context);
      const pruned = greedy.type === 'placed' ? worstUtilisation(loads, greedy.placed, context) : Number.POSITIVE_INFINITY;
      expect(own).toBeLessThanOrEqual(pruned);
      if (own < pruned) exactWon++;
    });
  }
  expect(exactWon).toBeGreaterThan(0);
});

test('load balancing reaches the optimum of the linear program to 1e-6', async () => {
  let checked = 0;
  for (let i = 0; i < 20; i++) {
    await withContext(randomRequest(`balance ${i}`, { models: 4, devices: 12 }), (context) => {
      for (const { cascade } of randomLoads(`loads ${i}`, context)) {
        const loads = [{ cascade, qps: 100 }];
        const found = pruneReplicas(cascade.models, loads, [1, 1, 1, 1], context);
        if (found.type === 'memory' || context.balancer.fullestMs(cascade, found.placed) === undefined) continue;
        checked++;
        const optimum = fullestByProgram(cascade, found.placed, context);
        const balance = context.balancer.balance(cascade, found.placed);
        expect((balance?.maxDeviceMs ?? 0) / optimum, `instance ${i}`).toBeLessThan(1 + 1e-6);
        expect((balance?.maxDeviceMs ?? 0) / optimum, `instance ${i}`).toBeGreaterThan(1 - 1e-6);
      }
    });
  }
  expect(checked).toBeGreaterThan(10);
});
