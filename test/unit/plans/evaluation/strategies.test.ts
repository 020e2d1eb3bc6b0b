import { describe, expect, test, vi } from 'vitest';
import { describeCascade } from '../../../../plans/domain/gear-plan/gear-plan.ts';
import { checkPlan } from '../../../../plans/domain/gear-plan/plan-check.ts';
import { Capacities } from '../../../../plans/evaluation/capacities.ts';
import { cellsOf } from '../../../../plans/evaluation/cells.ts';
import { bestFor, frontierOf, type Point } from '../../../../plans/evaluation/points.ts';
import { holdings } from '../../../../plans/evaluation/strategies/ms.ts';
import { STRATEGIES } from '../../../../plans/evaluation/strategies/strategies.ts';
import type { StrategyContext } from '../../../../plans/evaluation/strategies/strategy.ts';
import type { PlanRequest } from '../../../../plans/planner/plan-request.ts';
import { planGears } from '../../../../plans/planner/planner.ts';
import { syntheticProfile } from '../../../../plans/synthetic/synthetic.ts';
import { constantTrace } from '../../../../plans/traces/trace.ts';

/** A batch takes 10 ms whatever its size, up to 10 requests: 1,000/s in full batches; the large model five times as long. */
const profile = syntheticProfile({
  seed: 1,
  samples: 400,
  batches: [1, 10],
  overhead: { perBatchMs: 0, perRequestMs: 0, hopMs: 0 },
  models: [
    { name: 'small', accuracy: 0.8, fixedMs: 10, perSampleMs: 0, memoryBytes: 1 },
    { name: 'large', accuracy: 0.9, fixedMs: 50, perSampleMs: 0, memoryBytes: 2 },
  ],
});

function contextOf(memoryBytes = 3, qpsMax = 500): StrategyContext {
  const request: PlanRequest = {
    deployment: 'test',
    profile,
    devices: ['x', 'y'].map((id) => ({ id, deviceClass: 'cpu-1', memoryBytes })),
    maxBatch: [undefined, undefined],
    slo: { type: 'latency', p95Ms: 200 },
    qpsMax,
    weights: [0.5, 0.5],
    seed: 1,
    contingencies: false,
  };
  return {
    request,
    trace: constantTrace(qpsMax, 10),
    targetsMs: [200],
    accuracies: [0.85],
    planFor: (share) => ({ qpsMax: share * qpsMax, weights: request.weights }),
    capacities: new Capacities(request),
    plan: (change) => planGears({ ...request, ...change }),
  };
}

async function plansOf(name: keyof typeof STRATEGIES, context: StrategyContext) {
  const candidates = await STRATEGIES[name](context);
  return candidates.flatMap((candidate) => (candidate.type === 'plan' ? [candidate] : []));
}

describe('capacities', () => {
  const { capacities } = contextOf();

  test('full batches, by hand', () => {
    expect(capacities.fullQps(0, 0)).toBe(1000);
    expect(capacities.fullQps(1, 0)).toBe(200);
  });

  test('is zero for a latency that nothing can meet', () => {
    expect(capacities.withinQps(1, [0], 40)).toBe(0);
  });

  test('a strict latency allows a small load, and it is found to a few percent', () => {
    // Within 52 ms, only requests that wait for less than 2 ms are in time: those that find the device busy are late.
    const few = capacities.withinQps(1, [0], 52);
    expect(few).toBeGreaterThan(0);
    expect(few).toBeLessThan(200 / 64);
    // Twice the devices carry more than twice as much, whatever share of full batches that is.
    expect(capacities.withinQps(1, [0, 1], 52)).toBeGreaterThanOrEqual(1.9 * few);
  });

  test('a loose latency allows nearly full batches, and two devices carry more than twice as much as one', () => {
    const one = capacities.withinQps(0, [0], 200);
    expect(one).toBeGreaterThan(900);
    expect(one).toBeLessThanOrEqual(1000);
    expect(capacities.withinQps(0, [0, 1], 200)).toBeGreaterThanOrEqual(2 * one);
  });
});

describe('every strategy aims at latencies below and above the targets', () => {
  const context = { ...contextOf(), targetsMs: [200, 300] };

  test.each(['ms', 'cocktail'] as const)('%s', async (name) => {
    const searched = vi.spyOn(context.capacities, 'withinQps');
    await STRATEGIES[name](context);
    expect(new Set(searched.mock.calls.map(([, , p95Ms]) => p95Ms))).toEqual(new Set([100, 200, 300, 600]));
    searched.mockRestore();
  });

  test('cascade', async () => {
    const planned = (await plansOf('cascade', context)).flatMap(({ settings }) => settings.plannedP95Ms ?? []);
    expect(new Set(planned)).toEqual(new Set([100, 200, 300, 600]));
  });
});

describe('dynba', () => {
  test('tries each model with and without waiting for a batch, evenly on all devices', async () => {
    const candidates = await plansOf('dynba', contextOf());
    expect(new Set(candidates.map(({ settings }) => settings.model))).toEqual(new Set(['small', 'large']));
    for (const { plan } of candidates) {
      expect(checkPlan(plan)).toEqual([]);
      expect(plan.gears).toHaveLength(1);
      expect(Object.values(plan.gears[0].shares)[0]).toEqual({ x: 0.5, y: 0.5 });
    }
    const small = candidates.filter(({ settings }) => settings.model === 'small');
    expect(small[0].settings).toEqual({ model: 'small', minQueueLength: 1, maxWaitMs: 0 });
    expect(new Set(small.map(({ settings }) => settings.minQueueLength))).toEqual(new Set([1, 5, 10]));
  });

  test('leaves out models that do not fit on any device', async () => {
    const candidates = await plansOf('dynba', contextOf(1));
    expect(new Set(candidates.map(({ settings }) => settings.model))).toEqual(new Set(['small']));
  });
});

describe('ms', () => {
  test('uses the most accurate model up to its capacity, then the faster one', async () => {
    const candidates = await plansOf('ms', contextOf());
    for (const { plan, settings } of candidates) {
      expect(checkPlan(plan)).toEqual([]);
      expect(plan.gears.map(({ cascade }) => describeCascade(cascade))).toEqual(['large', 'small']);
      // Two devices carry 400/s with the large model in full batches.
      expect(plan.gears[0].qps[1]).toBeLessThanOrEqual(Number(settings.headroom) * 400);
      expect(plan.gears[0].qps[1]).toBeGreaterThan(Number(settings.headroom) * 300);
    }
    expect(new Set(candidates.map(({ settings }) => settings.headroom))).toEqual(new Set([0.85, 1]));
  });

  test('tries all splits of the devices between models if memory holds only one model', () => {
    const { request } = contextOf(2);
    expect(holdings(request).map(({ name }) => name)).toEqual(
      expect.arrayContaining(['2 x small', '2 x large', '1 x small, 1 x large', '1 x large, 1 x small']),
    );
  });

  test('has one choice if memory holds all models', () => {
    expect(holdings(contextOf().request).map(({ name }) => name)).toEqual(['2 x small+large']);
  });
});

describe('baselines that the planner plans', () => {
  test('no-cascade uses one model per request', async () => {
    const candidates = await plansOf('no-cascade', contextOf());
    expect(candidates.length).toBeGreaterThan(0);
    for (const { plan } of candidates) for (const gear of plan.gears) expect(gear.cascade).toHaveLength(1);
  });

  test('no-switching uses one cascade at all promised loads', async () => {
    const candidates = await plansOf('no-switching', contextOf());
    expect(candidates.length).toBeGreaterThan(0);
    for (const { plan } of candidates) expect(new Set(plan.gears.map(({ cascade }) => describeCascade(cascade))).size).toBe(1);
  });

  test('the cascade promises at least about the accuracy of either', async () => {
    const context = contextOf();
    const best = async (name: keyof typeof STRATEGIES): Promise<number> =>
      Math.max(...(await plansOf(name, context)).map(({ plan }) => plan.expected.accuracy));
    const ours = await best('cascade');
    // Promised accuracies are corrected for choosing thresholds; single models have none.
    expect(ours).toBeGreaterThanOrEqual((await best('no-cascade')) - 0.005);
    expect(ours).toBeGreaterThanOrEqual((await best('no-switching')) - 0.005);
  });
});

describe('cocktail', () => {
  test('considers single models as ensembles, and uses one device for a light load', async () => {
    const candidates = await STRATEGIES.cocktail(contextOf(3, 10));
    const schedules = candidates.flatMap((candidate) => (candidate.type === 'ensembles' ? [candidate.schedule] : []));
    expect(
      schedules.some(({ steps, meanDevices }) => steps.length === 1 && steps[0].members.join() === '1' && meanDevices === 1),
    ).toBe(true);
  });
});

const point = (strategy: Point['strategy'], devices: number, p95Ms: number, accuracy: number): Point => ({
  strategy,
  given: Math.ceil(devices),
  devices,
  settings: {},
  p95Ms,
  accuracy,
});

describe('cells, by hand', () => {
  const points = [
    point('cascade', 1, 90, 0.85),
    point('cascade', 2, 50, 0.88),
    point('ms', 3, 80, 0.86),
    point('dynba', 4, 40, 0.9),
    point('cocktail', 2.5, 95, 0.86),
    point('no-cascade', 1, 10, 0.99),
  ];
  const cell = (p95Ms: number, accuracy: number) =>
    cellsOf(points, ['cascade', 'dynba', 'ms', 'cocktail', 'no-cascade'], [p95Ms], [accuracy])[0];

  test('the saving is against the cheapest baseline; ablations of our own planner do not count', () => {
    expect(cell(100, 0.85)).toMatchObject({
      cheapestBaseline: 'cocktail',
      saving: 2.5,
      devices: { cascade: 1, ms: 3, 'no-cascade': 1 },
    });
    expect(cell(60, 0.85)).toMatchObject({ cheapestBaseline: 'dynba', saving: 2, devices: { cascade: 2, ms: null } });
  });

  test('there is no saving if either side cannot meet the goal', () => {
    expect(cell(60, 0.9)).toMatchObject({ cheapestBaseline: 'dynba', saving: null, devices: { cascade: null } });
    expect(cell(10, 0.85)).toMatchObject({ cheapestBaseline: null, saving: null });
  });
});

describe('points', () => {
  const points = [point('ms', 1, 10, 0.8), point('ms', 1, 20, 0.79), point('ms', 1, 30, 0.9)];

  test('points that another beats in both respects are off the frontier', () => {
    expect(frontierOf(points)).toEqual([points[0], points[2]]);
  });

  test('the best point that meets a goal, or else the one that misses it by the least', () => {
    expect(bestFor(points, { p95Ms: 25 })).toBe(points[0]);
    expect(bestFor(points, { p95Ms: 5 })).toBe(points[0]);
    expect(bestFor(points, { accuracy: 0.85 })).toBe(points[2]);
    expect(bestFor(points, { accuracy: 0.95 })).toBe(points[2]);
    expect(bestFor([], { p95Ms: 5 })).toBeUndefined();
  });
});
