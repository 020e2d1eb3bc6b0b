import { createRandom } from '../../../../engine/random.ts';
import { evaluateCascade, thresholdAtQuantile, validationRecords } from '../../../../plans/domain/cascade/cascade.ts';
import { batchTable } from '../../../../plans/domain/profile/batch-cost.ts';
import { DEFAULT_MARGINS, type PlanRequest } from '../../../../plans/planner/plan-request.ts';
import { planGears } from '../../../../plans/planner/planner.ts';
import { honestAccuracy } from '../../../../plans/planner/sp1/frontiers.ts';
import type { HonestAccuracy } from '../../../../plans/planner/sp1/honest-accuracy.ts';
import type { CompiledPlan } from '../../../../plans/policy/compiled-plan.ts';
import { compilePlan } from '../../../../plans/policy/compiled-plan.ts';
import { simulatedSystem } from '../../../../plans/simulator/simulated-system.ts';
import { Simulator } from '../../../../plans/simulator/simulator.ts';
import { traceWorkload } from '../../../../plans/simulator/workload.ts';
import { constantTrace } from '../../../../plans/traces/trace.ts';
import { withContext } from './contexts.ts';
import { verifyPlan } from './verify-plan.ts';

export interface Checked {
  readonly type: 'plan' | 'infeasible';
  /** Empty if the plan passes the verifier, or if the planner found none and the simple search did not either. */
  readonly problems: readonly string[];
}

/** Plans an instance and checks the result: a plan with the verifier, an infeasibility by searching for a plan anyway. */
export async function checkInstance(request: PlanRequest): Promise<Checked> {
  const result = await planGears(request);
  if (result.type === 'plan') return { type: 'plan', problems: verifyPlan(request, result.plan) };
  const counterexample = await withContext(request, (context) => simplePlan(request, () => honestAccuracy(context)));
  return { type: 'infeasible', problems: counterexample === undefined ? [] : [`${counterexample} would do: ${result.reason}`] };
}

/** The queue lengths and waits (fractions of the latency limit) to try in simple plans. */
const QUEUES = [
  [1, 0],
  [4, 0.2],
  [16, 0.4],
] as const;
const QUANTILES = [0.2, 0.5, 0.8];

/**
 * A plan simple enough to find without a planner: one model, or two in a cascade, on every device that holds them,
 * the same at all loads, with shares by device speed. Returns a description, or undefined if there is none.
 */
function simplePlan(request: PlanRequest, promised: () => HonestAccuracy): string | undefined {
  const { profile, devices, slo } = request;
  const margins = request.margins ?? DEFAULT_MARGINS;
  const records = validationRecords(profile);
  const singles = profile.models.map((_, m) => evaluateCascade(records, [m], []));
  const pairs = profile.models.flatMap((_, a) =>
    profile.models.flatMap((_, b) =>
      a < b ? QUANTILES.map((q) => evaluateCascade(records, [a, b], [thresholdAtQuantile(records, a, q)])) : [],
    ),
  );
  for (const cascade of [...singles, ...pairs]) {
    const bytes = cascade.models.reduce((sum, m) => sum + profile.models[m].memoryBytes, 0);
    const able = devices.filter((device) => device.memoryBytes >= bytes);
    if (able.length === 0) continue;
    if (slo.type === 'accuracy' && promised().of(cascade) < slo.accuracy) continue;
    for (const [queue, wait] of QUEUES) {
      const limitMs = slo.type === 'latency' ? slo.p95Ms * margins.latency : Number.POSITIVE_INFINITY;
      const maxWaitMs = slo.type === 'latency' ? limitMs * wait : 1000 * wait;
      const plan = compilePlan({
        models: profile.models.map((model) => model.name),
        devices: devices.map((device) => device.id),
        placement: [],
        gears: [
          {
            qps: [0, request.qpsMax],
            cascade: cascade.models.map((m, s) => ({ model: profile.models[m].name, threshold: cascade.thresholds[s] })),
            shares: perModel((m) => speedShares(m)),
            minQueueLength: perModel(() => Object.fromEntries(able.map((device) => [device.id, queue]))),
            maxWaitMs,
            expected: {
              accuracy: 0,
              accuracyInterval: [0, 0],
              latencyMs: { p50: 0, p95: 0, p99: 0 },
              utilisation: {},
              bottleneck: '',
            },
          },
        ],
      });
      if (holdsEverywhere(plan, request, limitMs, margins.utilisation))
        return `${cascade.key} from ${queue} on ${able.length} devices`;
    }

    function perModel<T>(value: (m: number) => T): Record<string, T> {
      return Object.fromEntries(cascade.models.map((m) => [profile.models[m].name, value(m)]));
    }

    function speedShares(m: number): Record<string, number> {
      const speeds = able.map((device) => {
        const table = batchTable(profile, m, device.deviceClass, request.maxBatch[m]);
        return table === undefined ? 0 : 1 / table[table.length - 1];
      });
      const total = speeds.reduce((sum, speed) => sum + speed, 0);
      return Object.fromEntries(able.map((device, i) => [device.id, speeds[i] / total]));
    }
  }
  return undefined;
}

/** At both ends of every range, with more than the planner's margins: a plan that only just holds is no counterexample. */
function holdsEverywhere(plan: CompiledPlan, request: PlanRequest, limitMs: number, utilisation: number): boolean {
  const { weights, qpsMax, profile, devices, maxBatch } = request;
  const system = simulatedSystem(profile, devices, maxBatch);
  const simulator = new Simulator(system);
  const width = qpsMax / weights.length;
  const loads = weights.flatMap((_, i) => [i === 0 ? width / 20 : i * width, (1.02 * (i + 1) * width) / utilisation]);
  // The highest load first: it is the most likely to fail.
  return loads.toReversed().every((qps) => {
    const seconds = Math.max(2, Math.ceil(2000 / qps), Number.isFinite(limitMs) ? Math.ceil((8 * limitMs) / 1000) : 0);
    const workload = traceWorkload(
      constantTrace(qps, Math.min(seconds, Math.ceil(60_000 / qps))),
      system.samples,
      createRandom('refute'),
    );
    const outcomes = simulator.run(plan, workload, { fixedGear: 0 });
    const sorted = outcomes.latencyMs.slice().sort();
    const p95 = sorted[Math.floor(0.95 * sorted.length)];
    if (Number.isFinite(limitMs)) return p95 <= 0.98 * limitMs;
    return outcomes.endMs <= workload.seconds * 1000 * 1.05 + 100;
  });
}
