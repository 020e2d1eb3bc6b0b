import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { beyondOnly } from '../../../../plans/domain/gear-plan/beyond-only.ts';
import { allGears, describeCascade, type GearPlan } from '../../../../plans/domain/gear-plan/gear-plan.ts';
import { checkPlan } from '../../../../plans/domain/gear-plan/plan-check.ts';
import { beyondSteps, firstCarriers, joinSteps } from '../../../../plans/planner/beyond/beyond-ranges.ts';
import type { PlanningContext } from '../../../../plans/planner/cycle/planning-context.ts';
import type { PlanRequest } from '../../../../plans/planner/plan-request.ts';
import { planGears } from '../../../../plans/planner/planner.ts';
import { searchFrontier } from '../../../../plans/planner/sp1/enumerate-cascades.ts';
import { syntheticProfile } from '../../../../plans/synthetic/synthetic.ts';
import { withContext } from './contexts.ts';
import { cores, gpus } from './requests.ts';
import { accuracyBySample, verifyPlan } from './verify-plan.ts';

const MARGIN = 0.85;
/** For one sample: accuracies are written with six digits. */
const HALF_A_SAMPLE = 1e-5;

async function planned(request: PlanRequest): Promise<GearPlan> {
  const result = await planGears(request);
  if (result.type === 'infeasible') throw new Error(result.reason);
  return result.plan;
}

describe('steps of load', () => {
  const carried = fc
    .array(fc.double({ min: 1, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 40 })
    .map((values) => [...new Set(values)].sort((a, b) => a - b));

  test('ascend from the last range to the highest load that can be carried, joined into a few ranges, each with the first cascade that carries its top', () => {
    fc.assert(
      fc.property(carried, fc.double({ min: 0.5, max: 1e5, noNaN: true }), (qps, from) => {
        const ends = beyondSteps(from, qps);
        const top = qps[qps.length - 1];
        if (ends.length === 0) expect(top).toBeLessThan(1.02 * from);
        const chosen = firstCarriers(ends, qps);
        const ranges = joinSteps(from, ends, chosen);
        expect(ranges.length).toBeLessThanOrEqual(12);
        let begin = from;
        let before = -1;
        for (const { fromQps, toQps, carrier } of ranges) {
          expect(fromQps).toBe(begin);
          expect(toQps).toBeGreaterThan(fromQps);
          expect(carrier).toBeGreaterThan(before);
          expect(carrier).toBe(qps.findIndex((carries) => carries >= toQps));
          [begin, before] = [toQps, carrier];
        }
        if (ranges.length > 0) expect(begin / top).toBeGreaterThan(0.998);
        // Neighbouring steps differ by little more than a quarter, unless that would make too many gears.
        const ratios = ends.map((end, i) => end / (ends[i - 1] ?? from));
        if (top / from < 1.2 ** 12) for (const ratio of ratios) expect(ratio).toBeLessThan(1.36);
      }),
    );
  });
});

describe('gears beyond the plan', () => {
  /** Families and devices small enough for exhaustive search. */
  const tiny = fc.record({
    seed: fc.integer({ min: 1, max: 1_000 }),
    devices: fc.integer({ min: 1, max: 2 }),
    per: fc.integer({ min: 1, max: 8 }),
    load: fc.double({ min: 0.05, max: 0.6, noNaN: true }),
    accuracy: fc.boolean(),
  });
  const requestOf = ({
    seed,
    devices,
    per,
    load,
    accuracy,
  }: typeof tiny extends fc.Arbitrary<infer T> ? T : never): PlanRequest => ({
    deployment: 'tiny',
    profile: syntheticProfile({
      seed,
      samples: 200,
      models: [
        { name: 'small', accuracy: 0.7, fixedMs: 1, perSampleMs: 0.1 * per, memoryBytes: 1 },
        { name: 'middle', accuracy: 0.8, fixedMs: 2, perSampleMs: 0.3 * per, memoryBytes: 1 },
        { name: 'large', accuracy: 0.9, fixedMs: 6, perSampleMs: per, memoryBytes: 1 },
      ],
    }),
    devices: Array.from({ length: devices }, (_, d) => ({ id: `d${d}`, deviceClass: 'cpu-1', memoryBytes: 10 })),
    maxBatch: [],
    slo: accuracy ? { type: 'accuracy', accuracy: 0.82 } : { type: 'latency', p95Ms: 400 },
    qpsMax: (load * 1_000 * devices) / per,
    weights: [0.6, 0.4],
    seed: 1,
    contingencies: false,
  });

  /** Accuracies of all cascades that carry a load within the margin, with every model on every device. */
  const carrying = (context: PlanningContext, plan: GearPlan, qps: number): number[] => {
    const models = [...new Set(plan.placement.map(({ model }) => context.system.modelNames.indexOf(model)))].sort();
    const { frontier } = searchFrontier(context.records, context.costs, models);
    return frontier.filter(({ workMs }) => (workMs * qps) / (1_000 * context.devices) <= MARGIN).map(({ accuracy }) => accuracy);
  };

  test('are contiguous, can be carried, descend in accuracy, and are each the most accurate possible', async () => {
    let beyond = 0;
    await fc.assert(
      fc.asyncProperty(tiny, async (drawn) => {
        const request = requestOf(drawn);
        const result = await planGears(request);
        if (result.type === 'infeasible') return;
        const { plan } = result;
        expect(verifyPlan(request, plan)).toEqual([]);
        const last = accuracyBySample(plan.gears[plan.gears.length - 1], request);
        await withContext(request, (context) => {
          for (const gear of plan.beyond ?? []) {
            beyond++;
            const others = carrying(context, plan, gear.qps[1]).filter((accuracy) => accuracy <= last + HALF_A_SAMPLE);
            expect(accuracyBySample(gear, request), describeCascade(gear.cascade)).toBeGreaterThanOrEqual(
              Math.max(...others) - HALF_A_SAMPLE,
            );
          }
          // Above them is only load that no cascade carries.
          const top = allGears(plan)[allGears(plan).length - 1].qps[1];
          expect(carrying(context, plan, 1.02 * top).filter((accuracy) => accuracy <= last + HALF_A_SAMPLE)).toEqual([]);
        });
      }),
      { numRuns: 40, seed: 7 },
    );
    expect(beyond).toBeGreaterThan(100);
  });

  test('end with the cheapest cascade', async () => {
    const plan = await planned(cores());
    expect(plan.placement.map(({ model }) => model)).toContain('linear');
    expect(plan.beyond?.at(-1)?.cascade).toEqual([{ model: 'linear' }]);
  });

  /** At a load this low, no promised gear needs the cheapest model. */
  const light = cores({ qpsMax: 400, contingencies: true });

  test('place the cheapest model wherever memory is left, also for the loss of a device', async () => {
    const plan = await planned(light);
    const promised = [plan, ...(plan.contingencies ?? [])].flatMap(({ gears }) => gears);
    expect(promised.flatMap(({ cascade }) => cascade.map(({ model }) => model))).not.toContain('linear');
    expect(beyondOnly(plan)).toEqual(['c0', 'c1'].map((device) => ({ model: 'linear', device })));
    expect(plan.contingencies).not.toEqual([]);
    for (const { beyond } of [plan, ...(plan.contingencies ?? [])])
      expect(beyond?.at(-1)?.cascade).toEqual([{ model: 'linear' }]);
    expect(verifyPlan(light, plan)).toEqual([]);
    expect(checkPlan(plan)).toEqual([]);
  });

  test('displace nothing: without memory for the cheapest model, the rest of the plan is the same', async () => {
    const roomy = await planned(light);
    const models = new Set(roomy.placement.map(({ model }) => model));
    models.delete('linear');
    const needed = light.profile.models.reduce((sum, { name, memoryBytes }) => sum + (models.has(name) ? memoryBytes : 0), 0);
    const tight = await planned({ ...light, devices: light.devices.map((device) => ({ ...device, memoryBytes: needed })) });
    expect(tight.gears).toEqual(roomy.gears);
    expect(tight.placement).toEqual(roomy.placement.filter(({ model }) => model !== 'linear'));
    expect(tight.beyond).toBeDefined();
    expect(beyondOnly(tight)).toEqual([]);
    // On one of the devices there is room.
    const devices = light.devices.map((device, d) => ({ ...device, memoryBytes: d === 0 ? needed : device.memoryBytes }));
    expect(beyondOnly(await planned({ ...light, devices }))).toEqual([{ model: 'linear', device: 'c1' }]);
  });

  test('do not load models that they do not use', async () => {
    const cascades = [{ models: [1], thresholds: [] }];
    const plan = await planned(cores({ qpsMax: 400, cascades }));
    expect(new Set(plan.placement.map(({ model }) => model))).toEqual(new Set(['mlp']));
  });

  test('exist for the loss of a device, within the remaining capacity', async () => {
    const plan = await planned(gpus({ qpsMax: 20, weights: [0.5, 0.3, 0.2], contingencies: true }));
    const top = plan.beyond!.at(-1)!.qps[1];
    for (const { gears, beyond = [] } of plan.contingencies ?? []) {
      expect(allGears({ gears, beyond }).at(-1)!.qps[1]).toBeLessThanOrEqual(top);
      for (const { expected } of beyond) expect(expected.accuracy).toBeLessThanOrEqual(gears.at(-1)!.expected.accuracy);
    }
    expect(plan.contingencies?.some(({ beyond }) => beyond !== undefined)).toBe(true);
  });

  test('obey the restrictions of the plan', async () => {
    const one = await planned(cores({ restrict: 'one-cascade', qpsMax: 3000 }));
    expect(new Set(allGears(one).map(({ cascade }) => describeCascade(cascade))).size).toBe(1);
    const single = await planned(cores({ restrict: 'single-models', qpsMax: 3000 }));
    expect(single.beyond).toBeDefined();
    for (const { cascade } of allGears(single)) expect(cascade).toHaveLength(1);
  });
});

test('a plan names the models that were left out for memory', async () => {
  const requestOf = (memoryBytes: number): PlanRequest => ({
    deployment: 'tight',
    profile: syntheticProfile({
      seed: 1,
      samples: 200,
      models: [
        { name: 'small', accuracy: 0.7, fixedMs: 1, perSampleMs: 0.1, memoryBytes: 4 },
        { name: 'large', accuracy: 0.9, fixedMs: 6, perSampleMs: 1, memoryBytes: 8 },
      ],
    }),
    devices: [{ id: 'd0', deviceClass: 'cpu-1', memoryBytes }],
    maxBatch: [],
    slo: { type: 'latency', p95Ms: 400 },
    // More than the large model carries alone.
    qpsMax: 2_000,
    weights: [0.5, 0.5],
    seed: 1,
    contingencies: false,
  });
  expect((await planned(requestOf(12))).search).not.toHaveProperty('noMemoryFor');
  expect((await planned(requestOf(11))).search.noMemoryFor).toBe('large');
});
