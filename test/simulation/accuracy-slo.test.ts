import { describe, expect, test } from 'vitest';
import { createRandom, type Random } from '../../engine/random.ts';
import { allGears, type GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import type { PlanRequest } from '../../plans/planner/plan-request.ts';
import { planGears } from '../../plans/planner/planner.ts';
import { compilePlan } from '../../plans/policy/compiled-plan.ts';
import { simulatedSystem } from '../../plans/simulator/simulated-system.ts';
import { Simulator } from '../../plans/simulator/simulator.ts';
import { traceWorkload } from '../../plans/simulator/workload.ts';
import { syntheticProfile } from '../../plans/synthetic/synthetic.ts';
import type { Trace } from '../../plans/traces/trace.ts';

/** Enough devices for twice the planned load in every gear, so that only the choice of gears can lose accuracy. */
const DEVICES = ['a', 'b', 'c', 'd', 'e', 'f'].map((id) => ({ id, deviceClass: 'cpu-1', memoryBytes: 10 }));
const QPS_MAX = 200;
const TARGET = 0.87;
const SECONDS = 1_200;

const request: PlanRequest = {
  deployment: 'test',
  profile: syntheticProfile({
    seed: 1,
    samples: 2_000,
    models: [
      { name: 'small', accuracy: 0.7, fixedMs: 1, perSampleMs: 0.5, memoryBytes: 1 },
      { name: 'large', accuracy: 0.9, fixedMs: 4, perSampleMs: 4, memoryBytes: 1 },
    ],
  }),
  devices: DEVICES,
  maxBatch: [undefined, undefined],
  slo: { type: 'accuracy', accuracy: TARGET },
  qpsMax: QPS_MAX,
  weights: [0.4, 0.3, 0.2, 0.1],
  seed: 1,
  contingencies: false,
};
const system = simulatedSystem(request.profile, DEVICES, request.maxBatch);

/** Seconds with rates from the planned distribution, times a factor. */
function drawn(factor: number, random: Random): Trace {
  const { weights } = request;
  const width = QPS_MAX / weights.length;
  const rate = (): number => {
    let left = random.next();
    const k = weights.findIndex((weight) => {
      left -= weight;
      return left < 0;
    });
    return factor * width * ((k === -1 ? weights.length - 1 : k) + random.next());
  };
  // Each load lasts for several seconds, so that gears are chosen for the load they serve.
  const rates = Array.from({ length: SECONDS / 10 }, rate);
  return { qps: Float64Array.from({ length: SECONDS }, (_, second) => rates[Math.floor(second / 10)]) };
}

/** The mean over the seconds, as in the plan: accuracy by time, not by request. */
function accuracyOverTime(plan: GearPlan, factor: number, scaled: boolean): number {
  const compiled = compilePlan(plan);
  const workload = traceWorkload(drawn(factor, createRandom(7)), system.samples, createRandom(8));
  const outcomes = new Simulator(system).run(scaled ? compiled : { ...compiled, scaleToQps: undefined }, workload);
  const total = outcomes.gearMs.reduce((sum, ms) => sum + ms, 0);
  return outcomes.gearMs.reduce((sum, ms, gear) => sum + (ms / total) * allGears(plan)[gear].expected.accuracy, 0);
}

describe('a plan for an accuracy SLO', async () => {
  const found = await planGears(request);
  if (found.type === 'infeasible') throw new Error(found.reason);
  const { plan } = found;

  test('keeps its accuracy over the planned distribution, scaled or not', () => {
    expect(plan.expected.accuracy).toBeGreaterThanOrEqual(TARGET);
    expect(accuracyOverTime(plan, 1, true)).toBeGreaterThan(TARGET - 0.005);
    expect(accuracyOverTime(plan, 1, false)).toBeGreaterThan(TARGET - 0.005);
  });

  test('keeps it under twice the load by scaling, and would not without', () => {
    const unscaled = accuracyOverTime(plan, 2, false);
    const scaled = accuracyOverTime(plan, 2, true);
    expect(scaled).toBeGreaterThan(TARGET - 0.005);
    expect(unscaled).toBeLessThan(TARGET - 0.01);
  });
});
