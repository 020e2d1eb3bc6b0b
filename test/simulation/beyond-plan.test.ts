import { describe, expect, test } from 'vitest';
import { createRandom } from '../../engine/random.ts';
import type { GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import type { PlanRequest } from '../../plans/planner/plan-request.ts';
import { planGears } from '../../plans/planner/planner.ts';
import { compilePlan } from '../../plans/policy/compiled-plan.ts';
import { DEFAULT_GEAR_RULE } from '../../plans/policy/gear-choice.ts';
import { simulatedSystem } from '../../plans/simulator/simulated-system.ts';
import { Simulator } from '../../plans/simulator/simulator.ts';
import { traceWorkload } from '../../plans/simulator/workload.ts';
import { syntheticProfile } from '../../plans/synthetic/synthetic.ts';
import { constantTrace, type Trace } from '../../plans/traces/trace.ts';

const P95_MS = 100;
const QPS_MAX = 4_000;

/** Costs like those of the example's models on one core, and a plan for about the load they carry within the SLO at good accuracy. */
const request: PlanRequest = {
  deployment: 'test',
  profile: syntheticProfile({
    seed: 1,
    samples: 2_000,
    models: [
      { name: 'linear', accuracy: 0.84, fixedMs: 0.03, perSampleMs: 0.01, memoryBytes: 1 },
      { name: 'mlp', accuracy: 0.885, fixedMs: 0.05, perSampleMs: 0.02, memoryBytes: 1 },
      { name: 'cnn-small', accuracy: 0.905, fixedMs: 0.1, perSampleMs: 0.1, memoryBytes: 1 },
      { name: 'cnn-medium', accuracy: 0.925, fixedMs: 0.3, perSampleMs: 0.3, memoryBytes: 1 },
      { name: 'resnet', accuracy: 0.94, fixedMs: 0.6, perSampleMs: 0.7, memoryBytes: 1 },
    ],
  }),
  devices: [{ id: 'cpu0', deviceClass: 'cpu-1', memoryBytes: 10 }],
  maxBatch: [],
  slo: { type: 'latency', p95Ms: P95_MS },
  qpsMax: QPS_MAX,
  weights: new Array(16).fill(1 / 16),
  seed: 1,
};
const system = simulatedSystem(request.profile, request.devices, request.maxBatch);

function run(plan: GearPlan, trace: Trace) {
  const workload = traceWorkload(trace, system.samples, createRandom(5));
  const outcomes = new Simulator(system).run(compilePlan(plan), workload, { rule: DEFAULT_GEAR_RULE, deadlineMs: 10 * P95_MS });
  const inTime = outcomes.latencyMs.filter((ms) => ms <= P95_MS).length / outcomes.latencyMs.length;
  return { ...outcomes, inTime };
}

describe('a load beyond the plan', async () => {
  const found = await planGears(request);
  if (found.type === 'infeasible') throw new Error(found.reason);
  const { plan } = found;
  const carried = plan.beyond?.at(-1)?.qps[1] ?? 0;

  test('of 1.5 times the highest promised load is answered, nearly all of it within the SLO', () => {
    expect(carried).toBeGreaterThan(1.5 * QPS_MAX);
    const { inTime, rejected, gearMs } = run(plan, constantTrace(1.5 * QPS_MAX, 20));
    expect(rejected).toBe(0);
    expect(inTime).toBeGreaterThan(0.95);
    expect(gearMs.slice(plan.gears.length).reduce((sum, ms) => sum + ms, 0)).toBeGreaterThan(15_000);
  });

  test('in a crowd costs accuracy, not answers; without gears beyond the plan it costs answers', () => {
    const crowd = { qps: Float64Array.from({ length: 30 }, (_, s) => (s >= 10 && s < 20 ? 0.8 * carried : 0.2 * QPS_MAX)) };
    const { inTime, rejected } = run(plan, crowd);
    expect(rejected).toBe(0);
    expect(inTime).toBeGreaterThan(0.95);
    const { beyond: _, ...promised } = plan;
    expect(run(promised, crowd).inTime).toBeLessThan(0.5);
  });
});
