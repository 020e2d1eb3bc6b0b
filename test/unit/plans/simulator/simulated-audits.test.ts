import { expect, test } from 'vitest';
import { createRandom } from '../../../../engine/random.ts';
import { compilePlan } from '../../../../plans/policy/compiled-plan.ts';
import { simulatedSystem } from '../../../../plans/simulator/simulated-system.ts';
import { Simulator } from '../../../../plans/simulator/simulator.ts';
import { traceWorkload } from '../../../../plans/simulator/workload.ts';
import { syntheticProfile } from '../../../../plans/synthetic/synthetic.ts';
import { constantTrace } from '../../../../plans/traces/trace.ts';
import { planOf } from '../../../support/plans.ts';

const AUDIT_MS = 2;
const profile = syntheticProfile({
  seed: 1,
  samples: 1_000,
  batches: [1, 8],
  overhead: { perBatchMs: 0, perRequestMs: 0, hopMs: 0.1 },
  models: [
    { name: 'small', accuracy: 0.8, fixedMs: 0.5, perSampleMs: 0.5, memoryBytes: 1 },
    { name: 'large', accuracy: 0.95, fixedMs: 1, perSampleMs: 1, memoryBytes: 1 },
  ],
});
const system = simulatedSystem(
  profile,
  ['d0', 'd1'].map((id) => ({ id, deviceClass: 'cpu-1', memoryBytes: 10 })),
  [],
);
const plan = compilePlan(planOf({ models: ['small', 'large'], devices: ['d0', 'd1'], threshold: 0.3, stepQps: 10_000 }));

/** @param atOnce the number of requests that arrive first, at one instant. */
function run(qps: number, share: number | undefined, atOnce = 0) {
  const audit = share === undefined ? undefined : { settings: { share, utilisation: 0.7 }, random: createRandom('audits') };
  const workload = traceWorkload(constantTrace(qps, 10), profile.labels.length, createRandom(qps));
  workload.arrivalsMs.fill(0, 0, atOnce);
  const outcomes = new Simulator(system).run(plan, workload, { audit });
  const latencyMs = Array.from(outcomes.latencyMs);
  return { ...outcomes, latencyMs, meanMs: latencyMs.reduce((sum, ms) => sum + ms, 0) / latencyMs.length };
}

test('audits use spare time: a share of all answers is compared, which keeps devices busy, and no request waits long', () => {
  const [without, audited] = [run(150, undefined), run(150, 0.2)];
  const { drawn, compared } = audited.audits!;
  expect(without.audits).toBeUndefined();
  expect(Math.abs(drawn / audited.requests - 0.2)).toBeLessThan(0.05);
  expect(compared).toBeGreaterThan(0.9 * drawn);
  const busyMs = ({ busyMs }: typeof audited): number => busyMs[0] + busyMs[1];
  // Short by the audits that the run ends before, and by the fuller batches after audits.
  expect(busyMs(audited) - busyMs(without)).toBeGreaterThan(0.8 * compared * AUDIT_MS);
  expect(audited.meanMs - without.meanMs).toBeLessThan(0.2 * AUDIT_MS);
  expect(Array.from(audited.answeredBy)).toEqual(Array.from(without.answeredBy));
});

test('at full load there are no audits, and every answer comes at the same time as without them', () => {
  // From the first moment, something is waiting.
  const [without, audited] = [run(4_000, undefined, 100), run(4_000, 0.2, 100)];
  expect(audited.audits!.drawn).toBeGreaterThan(1_000);
  expect(audited.audits!.compared).toBe(0);
  expect(audited.latencyMs).toEqual(without.latencyMs);
});
