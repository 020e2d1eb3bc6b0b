import { createHash } from 'node:crypto';
import { type Gear, type GearPlan, PLAN_SCHEMA } from '../domain/gear-plan/gear-plan.ts';
import { accuracyOf } from '../domain/profile/profile.ts';
import { wilson } from '../drift/interval.ts';
import { planCorrection, planWeights } from '../planner/cycle/plan-weights.ts';
import type { PlanRequest } from '../planner/plan-request.ts';
import type { Trace } from '../traces/trace.ts';
import type { Settings } from './strategies/strategy.ts';

/** A gear of one model, as DynBa and MS+ run it. */
export interface SingleModelGear {
  readonly model: number;
  /** Upper end of its load range; the last gear of a plan also serves higher loads. */
  readonly toQps: number;
  /** [model * devices + device] */
  readonly shares: Float64Array;
  readonly minQueueLength: number;
  readonly maxWaitMs: number;
}

/** What a plan of single-model gears is made for. */
export interface SingleModelTarget {
  readonly p95Ms: number;
  readonly trace: Trace;
  readonly settings: Settings;
}

/** Makes an ordinary plan from gears of single models, ascending in load. */
export function singleModelPlan(
  gears: readonly SingleModelGear[],
  request: PlanRequest,
  { p95Ms, trace, settings }: SingleModelTarget,
): GearPlan {
  const { profile, devices } = request;
  const names = profile.models.map(({ name }) => name);
  const ids = devices.map(({ id }) => id);
  const written = gears.map(({ model, toQps, shares, minQueueLength, maxWaitMs }, g): Gear => {
    const byDevice = ids.flatMap((id, d) => {
      const share = shares[model * ids.length + d];
      return share > 0 ? [[id, share] as const] : [];
    });
    return {
      qps: [g === 0 ? 0 : gears[g - 1].toQps, toQps],
      cascade: [{ model: names[model] }],
      shares: { [names[model]]: Object.fromEntries(byDevice) },
      minQueueLength: { [names[model]]: Object.fromEntries(byDevice.map(([id]) => [id, minQueueLength])) },
      maxWaitMs,
      reach: [1],
      expected: {
        ...promiseOf(model, request),
        // Only the latency that limited the load is known.
        latencyMs: { p50: p95Ms, p95: p95Ms, p99: p95Ms },
        utilisation: Object.fromEntries(ids.map((id) => [id, byDevice.some(([used]) => used === id) ? 1 : 0])),
        bottleneck: names[model],
      },
    };
  });
  const qpsWeights = gearWeights(gears, trace);
  // The weights add up to 1 except for rounding, and a plan with an accuracy above 1 is refused.
  const mean = (of: (gear: Gear) => number): number =>
    Math.min(
      1,
      written.reduce((sum, gear, g) => sum + qpsWeights[g] * of(gear), 0),
    );
  return {
    schema: PLAN_SCHEMA,
    deployment: request.deployment,
    digest: createHash('sha256')
      .update(JSON.stringify([profile.digest, settings, ids, p95Ms]))
      .digest('hex'),
    synthetic: profile.synthetic,
    ...(profile.correction && { correction: planCorrection(profile.correction, devices) }),
    slo: { p95: p95Ms },
    models: names,
    weights: planWeights(profile),
    devices: ids,
    placement: names.flatMap((model) =>
      ids.flatMap((device) => (written.some((gear) => gear.shares[model]?.[device] > 0) ? [{ model, device }] : [])),
    ),
    gears: written,
    expected: {
      accuracy: mean(({ expected }) => expected.accuracy),
      accuracyInterval: [
        mean(({ expected }) => expected.accuracyInterval[0]),
        mean(({ expected }) => expected.accuracyInterval[1]),
      ],
      latencyMsP95: p95Ms,
    },
    qpsWeights,
    frontier: [],
    search: settings,
  };
}

function promiseOf(model: number, { profile }: PlanRequest): Pick<Gear['expected'], 'accuracy' | 'accuracyInterval'> {
  const { quality } = profile.models[model];
  const accuracy = accuracyOf({ quality });
  const { low, high } = wilson(accuracy * quality.length, quality.length);
  return { accuracy, accuracyInterval: [low, high] };
}

/** Share of the trace's seconds that each gear serves. */
function gearWeights(gears: readonly SingleModelGear[], trace: Trace): number[] {
  const weights = new Array<number>(gears.length).fill(0);
  for (const qps of trace.qps) {
    const at = gears.findIndex(({ toQps }) => qps < toQps);
    weights[at === -1 ? gears.length - 1 : at] += 1 / trace.qps.length;
  }
  return weights;
}
