import { createHash } from 'node:crypto';
import type { Cascade } from '../cascade.ts';
import type { GearPlan, Stage } from '../gear-plan.ts';
import type { DraftPlan, DraftRange, FrontierCascade } from './draft-plan.ts';
import { gearOf } from './gear-of.ts';
import type { PlanningContext } from './planning-context.ts';
import { bottleneckModel } from './sp3-place-models.ts';

/** Points of the frontier that a plan file shows, beside those in use. */
const SHOWN_FRONTIER = 48;

/** Writes a feasible draft as a plan file: names for numbers, figures rounded to what they mean. */
export function assemblePlan(draft: DraftPlan, context: PlanningContext): GearPlan {
  const { request } = context;
  const { modelNames, deviceNames } = context.system;
  const gears = draft.ranges.map((range) => gearOfRange(range, draft, context));
  const placement = modelNames.flatMap((model) =>
    deviceNames.flatMap((device) => (gears.some((gear) => gear.shares[model]?.[device] > 0) ? [{ model, device }] : [])),
  );
  const { slo } = request;
  return {
    schema: 1,
    deployment: request.deployment,
    digest: requestDigest(context),
    synthetic: request.profile.synthetic,
    slo: slo.type === 'latency' ? { p95: slo.p95Ms } : { accuracy: slo.accuracy },
    models: [...modelNames],
    devices: [...deviceNames],
    placement,
    gears,
    expected: {
      accuracy: round(expectedAccuracy(draft), 6),
      latencyMsP95: round(expectedP95(draft), 3),
    },
    qpsWeights: request.weights.map((weight) => round(weight, 9)),
    frontier: shownFrontier(draft).map((cascade) => ({
      cascade: stagesOf(cascade, modelNames),
      accuracy: round(cascade.accuracy, 6),
      computeMs: round(cascade.workMs, 6),
    })),
    search: {
      seed: String(request.seed),
      utilisationMargin: context.margins.utilisation,
      latencyMargin: context.margins.latency,
      frontierSize: draft.frontier.length,
      ...context.counters,
      simulations: context.simulations,
      linearPrograms: context.solver.solved,
    },
  };
}

/** Time-weighted accuracy over the QPS distribution (CascadeServe App. C). */
export function expectedAccuracy(draft: DraftPlan): number {
  return draft.ranges.reduce((sum, range) => sum + range.weight * (range.cascade?.accuracy ?? 0), 0);
}

export function expectedP95(draft: DraftPlan): number {
  return draft.ranges.reduce((sum, range) => sum + range.weight * (range.tuning?.latencyMs.p95 ?? Number.POSITIVE_INFINITY), 0);
}

function gearOfRange(range: DraftRange, draft: DraftPlan, context: PlanningContext): GearPlan['gears'][number] {
  const { cascade, balance, tuning } = range;
  if (cascade === undefined || balance === undefined || tuning === undefined)
    throw new Error(`QPS range ${range.fromQps}-${range.toQps} was left without a gear`);
  const { p50, p95, p99 } = tuning.latencyMs;
  const expected = {
    accuracy: round(cascade.accuracy, 6),
    latencyMs: { p50: round(p50, 3), p95: round(p95, 3), p99: round(p99, 3) },
    utilisation: Object.fromEntries(
      context.system.deviceNames.map((name, d) => [name, round((balance.deviceMs[d] * range.toQps) / 1000, 4)]),
    ),
    bottleneck: context.system.modelNames[bottleneckModel(cascade, draft.placed, context)],
  };
  const candidate = { cascade, shares: balance.shares, minQueueLength: tuning.minQueueLength, maxWaitMs: tuning.maxWaitMs };
  return gearOf(candidate, [round(range.fromQps, 6), round(range.toQps, 6)], expected, context);
}

function stagesOf(cascade: Cascade, names: readonly string[]): Stage[] {
  return cascade.models.map((model, s) =>
    s < cascade.thresholds.length ? { model: names[model], threshold: cascade.thresholds[s] } : { model: names[model] },
  );
}

function shownFrontier(draft: DraftPlan): FrontierCascade[] {
  const used = new Set(draft.ranges.map((range) => range.cascade?.key));
  const last = draft.frontier.length - 1;
  const shown = new Set(Array.from({ length: SHOWN_FRONTIER }, (_, i) => Math.round((i * last) / (SHOWN_FRONTIER - 1))));
  return draft.frontier.filter((cascade, i) => shown.has(i) || used.has(cascade.key));
}

function requestDigest({ request, margins }: PlanningContext): string {
  const { deployment, profile, devices, maxBatch, slo, qpsMax, weights, seed } = request;
  const asked = {
    deployment,
    profile: profile.digest,
    devices,
    maxBatch: maxBatch.map((n) => n ?? null),
    slo,
    qpsMax,
    weights,
    seed,
    margins,
  };
  return createHash('sha256').update(JSON.stringify(asked)).digest('hex');
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
