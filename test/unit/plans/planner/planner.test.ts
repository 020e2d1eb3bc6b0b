import { describe, expect, test } from 'vitest';
import { NO_NUMBER } from '../../../../plans/domain/cascade/certainty.ts';
import { type GearPlan, gearPlanSchema } from '../../../../plans/domain/gear-plan/gear-plan.ts';
import type { PlanRequest } from '../../../../plans/planner/plan-request.ts';
import { type PlannerOptions, planGears } from '../../../../plans/planner/planner.ts';
import { cores, gpus, zipf } from './requests.ts';
import { verifyPlan } from './verify-plan.ts';

/** Plans of requests that several tests share, so that each is planned once. */
const plans = new Map<string, Promise<GearPlan>>();

function planned(request: PlanRequest): Promise<GearPlan> {
  const key = JSON.stringify({ ...request, profile: request.profile.deployment + request.profile.models.length });
  const known = plans.get(key) ?? plannedAnew(request);
  plans.set(key, known);
  return known;
}

async function plannedAnew(request: PlanRequest, options?: PlannerOptions): Promise<GearPlan> {
  const result = await planGears(request, options);
  if (result.type === 'infeasible') throw new Error(result.reason);
  return result.plan;
}

async function refused(request: PlanRequest) {
  const result = await planGears(request);
  if (result.type === 'plan') throw new Error('a plan was found');
  return result;
}

describe('a feasible plan', () => {
  test.each([
    ['latency SLO, everything fits everywhere', cores()],
    ['latency SLO, memory is short', gpus()],
    ['latency SLO, batches are limited', cores({ maxBatch: [16, 4, 2] })],
    ['accuracy SLO', cores({ slo: { type: 'accuracy', accuracy: 0.92 } })],
    ['accuracy SLO, memory is short', gpus({ slo: { type: 'accuracy', accuracy: 0.58 } })],
    ['one range, and a measured mean', cores({ weights: [1], meanQps: 321.5 })],
  ])('holds its SLO, memory and shares: %s', async (_, request) => {
    expect(verifyPlan(request, await planned(request))).toEqual([]);
  });

  test.each([
    ['latency SLO, on one in 25', 25, {}],
    ['latency SLO, on one in 15', 15, {}],
    ['accuracy SLO, on one in 40', 40, { slo: { type: 'accuracy', accuracy: 0.85 } }],
  ] as const)('is found and readable if the models answer NaN for some samples: %s', async (_, every, change) => {
    const request = cores({ qpsMax: 500, weights: [0.5, 0.5], contingencies: false, ...change });
    const models = request.profile.models.map((model) => ({
      ...model,
      certainties: model.certainties.map((certainty, i) => (i % every === 0 ? NO_NUMBER : certainty)),
      quality: model.quality.map((quality, i) => (i % every === 0 ? 0 : quality)),
    }));
    const failing = { ...request, profile: { ...request.profile, models } };
    const plan = await plannedAnew(failing);
    expect(gearPlanSchema.parse(JSON.parse(JSON.stringify(plan)))).toEqual(plan);
    expect(verifyPlan(failing, plan)).toEqual([]);
  });

  test.each([
    ['whichever cascades it uses', undefined],
    ['with one cascade', 'one-cascade'],
  ] as const)('is found for an accuracy SLO that is exactly reached, %s', async (_, restrict) => {
    const { profile, ...request } = cores({ qpsMax: 100, weights: zipf(16), slo: { type: 'accuracy', accuracy: 0.94 } });
    const exact = { ...profile.models[0], quality: profile.models[0].quality.map((_, i) => (i < 1410 ? 1 : 0)) };
    const asked = { ...request, profile: { ...profile, models: [exact] }, ...(restrict && { restrict }) };
    expect((await plannedAnew(asked)).expected.accuracy).toBe(0.94);
  });

  test('makes a valid plan file', async () => {
    const plan = await planned(cores());
    expect(gearPlanSchema.parse(JSON.parse(JSON.stringify(plan)))).toEqual(plan);
  });

  test('holds on devices of two speeds, and gives the faster one a larger share', async () => {
    const base = cores();
    const models = base.profile.models.map((model) => {
      const [curve] = Object.values(model.runtimes);
      return { ...model, runtimes: { fast: curve, slow: { batch: curve.batch, ms: curve.ms.map((ms) => ms * 3) } } };
    });
    const devices = ['fast', 'slow'].map((deviceClass) => ({ id: deviceClass, deviceClass, memoryBytes: 1e9 }));
    const request = { ...base, profile: { ...base.profile, models }, devices, qpsMax: 3000 };
    const plan = await planned(request);
    expect(verifyPlan(request, plan)).toEqual([]);
    const top = plan.gears[plan.gears.length - 1];
    const dearest = top.shares[top.cascade[top.cascade.length - 1].model];
    expect(dearest.fast).toBeGreaterThan(dearest.slow ?? 0);
  });

  test('is the same byte for byte when planned again, with one worker thread or two', async () => {
    const plan = JSON.stringify(await planned(gpus()));
    for (const threads of [1, 2]) expect(JSON.stringify(await plannedAnew(gpus(), { threads }))).toBe(plan);
  });

  test('records which request it was made for: another request has another digest', async () => {
    const { digest } = await planned(cores());
    expect((await planned(cores({ seed: 2 }))).digest).not.toBe(digest);
    expect((await planned(cores({ slo: { type: 'latency', p95Ms: 90 } }))).digest).not.toBe(digest);
  });
});

describe('quality', () => {
  test('loads shift gears: low loads get more accuracy than high ones', async () => {
    const plan = await planned(cores({ qpsMax: 12_000 }));
    expect(plan.gears[0].expected.accuracy).toBeGreaterThan(plan.gears[plan.gears.length - 1].expected.accuracy + 0.01);
  });

  test('more devices or a looser SLO never make a plan much worse', async () => {
    const one = await planned(gpus());
    const more = await planned(
      gpus({ devices: Array.from({ length: 9 }, (_, i) => ({ id: `g${i}`, deviceClass: 'gpu', memoryBytes: 16e9 })) }),
    );
    const laxer = await planned(gpus({ slo: { type: 'latency', p95Ms: 8000 } }));
    expect(more.expected.accuracy).toBeGreaterThan(one.expected.accuracy - 0.002);
    expect(laxer.expected.accuracy).toBeGreaterThan(one.expected.accuracy - 0.002);
  });

  test('a lower accuracy target gives a lower latency', async () => {
    const high = await planned(cores({ slo: { type: 'accuracy', accuracy: 0.925 } }));
    const low = await planned(cores({ slo: { type: 'accuracy', accuracy: 0.87 } }));
    expect(low.expected.latencyMsP95).toBeLessThan(high.expected.latencyMsP95);
  });

  test('cascades beat the best single model under the same load', async () => {
    const plan = await planned(cores());
    for (const keep of [0, 1, 2]) {
      const base = cores();
      const profile = { ...base.profile, models: [base.profile.models[keep]] };
      const alone = await planGears({ ...base, profile });
      if (alone.type === 'plan') expect(plan.expected.accuracy).toBeGreaterThanOrEqual(alone.plan.expected.accuracy);
    }
  });
});

describe('no plan', () => {
  test('too much load: names the range, the model and the excess', async () => {
    const result = await refused(cores({ qpsMax: 1e6 }));
    expect(result.qpsRange).toEqual([875_000, 1e6]);
    expect(result.model).toBe('linear');
    expect(result.best.metric).toBe('utilisation');
    expect(result.best.value ?? 0).toBeGreaterThan(result.best.limit);
  });

  test('latency below one inference: names the best p95', async () => {
    const result = await refused(gpus({ slo: { type: 'latency', p95Ms: 60 }, qpsMax: 2 }));
    expect(result).toMatchObject({ model: '3b', best: { metric: 'latencyMsP95', limit: 54 } });
    expect(result.best.value ?? 0).toBeGreaterThan(80);
    expect(result.reason).toContain('3b');
  });

  test('more accuracy than the family has: names the best accuracy', async () => {
    const result = await refused(cores({ slo: { type: 'accuracy', accuracy: 0.99 } }));
    expect(result.best).toMatchObject({ metric: 'accuracy', limit: 0.99 });
    expect(result.best.value ?? 0).toBeGreaterThan(0.92);
    const told = Number(/accuracy is (0\.\d{4}),/.exec(result.reason)?.[1]);
    expect(told).toBeLessThanOrEqual(result.best.value ?? 0);
    await planned(cores({ slo: { type: 'accuracy', accuracy: told } }));
  });

  test('more accuracy than the devices can carry at the load', async () => {
    const result = await refused(gpus({ slo: { type: 'accuracy', accuracy: 0.655 }, weights: [0.1, 0.9] }));
    expect(result.best.metric).toBe('accuracy');
    expect(result.best.value ?? 0).toBeLessThan(0.655);
  });

  test('memory too small for any model', async () => {
    const devices = [{ id: 'tiny', deviceClass: 'cpu-1', memoryBytes: 1e6 }];
    const result = await refused(cores({ devices }));
    expect(result).toMatchObject({ model: 'linear', best: { metric: 'memoryBytes', value: 10e6, limit: 1e6 } });
  });
});

test('memory for only some models: the others are left out, and the plan lists what is placed where', async () => {
  const devices = [{ id: 'small', deviceClass: 'cpu-1', memoryBytes: 35e6 }];
  const request = cores({ devices, qpsMax: 500 });
  const plan = await planned(request);
  expect(verifyPlan(request, plan)).toEqual([]);
  expect(plan.placement.map((replica) => replica.model)).not.toContain('cnn');
});
