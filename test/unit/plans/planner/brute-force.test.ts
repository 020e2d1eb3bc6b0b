import { describe, expect, test } from 'vitest';
import { evaluateCascade, thresholdAtQuantile, validationRecords } from '../../../../plans/domain/cascade/cascade.ts';
import { loadDeployment } from '../../../../plans/domain/deployment/read-deployment.ts';
import { describeCascade } from '../../../../plans/domain/gear-plan/gear-plan.ts';
import type { FrontierCascade } from '../../../../plans/planner/cycle/draft-plan.ts';
import type { PlanningContext } from '../../../../plans/planner/cycle/planning-context.ts';
import type { PlanRequest } from '../../../../plans/planner/plan-request.ts';
import { planGears } from '../../../../plans/planner/planner.ts';
import { planRequestOf } from '../../../../plans/planner/request-of-deployment.ts';
import { searchFrontier } from '../../../../plans/planner/sp1/enumerate-cascades.ts';
import { memoryHolds } from '../../../../plans/planner/sp3/device-fit.ts';
import { worstUtilisation } from '../../../../plans/planner/sp3/prune-replicas.ts';
import { promisingPlacements } from '../../../../plans/planner/sp3/search-placement.ts';
import { holdsLatency } from '../../../../plans/planner/sp4/range-simulation.ts';
import { profileOfSynthetic } from '../../../../plans/synthetic/synthetic-deployment.ts';
import { withContext } from './contexts.ts';
import { cores, gpus } from './requests.ts';
import { accuracyBySample } from './verify-plan.ts';

describe('latency SLO, everything fits everywhere', () => {
  const request = cores({ qpsMax: 12_000, weights: [0.5, 0.5] });

  /** Tries every cascade of the frontier in every range, with queues that trigger at one request. */
  const exhaustive = (context: PlanningContext): number[] => {
    const { frontier } = searchFrontier(context.records, context.costs, [0, 1, 2]);
    const placed = new Uint8Array(context.models * context.devices).fill(1);
    const works = (cascade: FrontierCascade, qps: number): boolean => {
      const balance = context.balancer.balance(cascade, placed);
      if (balance === undefined || (balance.maxDeviceMs * qps) / 1000 > 1) return false;
      const candidate = { cascade, shares: balance.shares, minQueueLength: new Int32Array(6).fill(1), maxWaitMs: 0 };
      return holdsLatency(candidate, qps, context.latencyLimitMs, context);
    };
    return [6000, 12_000].map((top) =>
      Math.max(
        ...frontier.filter((cascade) => works(cascade, top / context.margins.utilisation)).map((cascade) => cascade.accuracy),
      ),
    );
  };

  test('each range gets the most accurate cascade possible, give or take two samples', async () => {
    const best = await withContext(request, exhaustive);
    const result = await planGears(request);
    if (result.type === 'infeasible') throw new Error(result.reason);
    [6000, 12_000].forEach((top, i) => {
      const gear = result.plan.gears.find(({ qps }) => top <= qps[1])!;
      expect(accuracyBySample(gear, request), describeCascade(gear.cascade)).toBeGreaterThanOrEqual(best[i] - 2 / 2000);
    });
  });
});

/** A family in which two cascades happen to be equally accurate. */
const SLOW_FAMILY = {
  models: [
    { name: 'tiny', accuracy: 0.791, fixedMs: 1.2, perSampleMs: 0.15, memoryBytes: 1e9 },
    { name: 'mini', accuracy: 0.812, fixedMs: 2, perSampleMs: 0.45, memoryBytes: 1.5e9 },
    { name: 'small', accuracy: 0.826, fixedMs: 3, perSampleMs: 1.2, memoryBytes: 2.5e9 },
    { name: 'medium', accuracy: 0.838, fixedMs: 5, perSampleMs: 2.8, memoryBytes: 5e9 },
    { name: 'base', accuracy: 0.851, fixedMs: 8, perSampleMs: 7, memoryBytes: 9e9 },
  ],
  samples: 4000,
  classes: 2,
  correlation: 0.95,
  batches: [1, 2, 4, 8, 16, 32, 64],
  seed: 1,
};

describe('cascades off the frontier', () => {
  test('of two equally accurate ones, the more expensive one is found if only it answers in time', async () => {
    const deployment = loadDeployment(new URL('../../../../conf/synthetic/bert-like', import.meta.url).pathname);
    const profile = profileOfSynthetic({ ...deployment, synthetic: SLOW_FAMILY });
    const records = validationRecords(profile);
    const [tiny, small, medium] = [0, 2, 3];
    const at = (model: number, quantile: number): number => thresholdAtQuantile(records, model, quantile);
    const cheaper = evaluateCascade(records, [tiny, small, medium], [at(tiny, 0.75), at(small, 0.25)]);
    const sooner = evaluateCascade(records, [small, medium], [at(small, 0.25)]);
    const request = planRequestOf(deployment, profile, { qpsMax: 5000, ranges: 1 });
    const chosen = async (p95Ms: number, cascades: PlanRequest['cascades']) => {
      const result = await planGears({ ...request, slo: { type: 'latency', p95Ms }, contingencies: false, cascades, ...plain });
      return result.type === 'plan' ? result.plan.gears[0].cascade.map((stage) => stage.model) : result.type;
    };
    const plain = { margins: { utilisation: 1, latency: 1 }, devices: request.devices.map((d) => ({ ...d, memoryBytes: 1e15 })) };
    const fallback = evaluateCascade(records, [tiny], []);
    expect(sooner.accuracy).toBe(cheaper.accuracy);
    expect(await chosen(60, [cheaper])).toBe('infeasible');
    expect(await chosen(60, [fallback, cheaper, sooner])).toEqual(['small', 'medium']);
  });
});

describe('placement with little memory', () => {
  const devices = Array.from({ length: 3 }, (_, i) => ({ id: `g${i}`, deviceClass: 'gpu', memoryBytes: 16e9 }));
  const request = gpus({ devices, qpsMax: 12, weights: [0.7, 0.3] });

  /** All placements that fit in memory, by the accuracy that load balancing alone allows. */
  const best = (context: PlanningContext, placements: Iterable<Uint8Array>): number => {
    let top = 0;
    for (const placed of placements) {
      const accuracies = [6, 12].map((qps) => {
        const able = context.searched.filter(
          (cascade) => worstUtilisation([{ cascade, qps: qps / context.margins.utilisation }], placed, context) <= 1,
        );
        return Math.max(0, ...able.map((cascade) => cascade.accuracy));
      });
      top = Math.max(top, 0.7 * accuracies[0] + 0.3 * accuracies[1]);
    }
    return top;
  };

  function* everyPlacement(context: PlanningContext): Generator<Uint8Array> {
    for (let bits = 0; bits < 2 ** 12; bits++) {
      const placed = Uint8Array.from({ length: 12 }, (_, i) => (bits >> i) & 1);
      if (memoryHolds(placed, context)) yield placed;
    }
  }

  test('local search finds the best of all placements', async () => {
    await withContext(request, (context) => {
      context.searched = searchFrontier(context.records, context.costs, [0, 1, 2, 3]).frontier.filter((_, i) => i % 6 === 0);
      const draft = {
        frontier: context.searched,
        frontierPlacement: '',
        ranges: [0, 1].map((i) => ({
          fromQps: 6 * i,
          toQps: 6 * (i + 1),
          weight: [0.7, 0.3][i],
          cascade: undefined,
          leastFailedWorkMs: Number.POSITIVE_INFINITY,
          stepsDown: 0,
          balance: undefined,
          tuning: undefined,
        })),
        placed: new Uint8Array(12),
        pinned: false,
        forcedReplicas: [1, 1, 1, 1],
        excludedModels: [],
        incumbent: undefined,
        cautious: false,
        accuracyTarget: 0,
        tried: [],
      };
      const found = promisingPlacements(draft, 1, context);
      for (const placed of found) expect(memoryHolds(placed, context)).toBe(true);
      expect(best(context, found)).toBeGreaterThanOrEqual(best(context, everyPlacement(context)) - 1e-9);
    });
  });
});
