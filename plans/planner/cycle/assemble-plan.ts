import { createHash } from 'node:crypto';
import type { Cascade } from '../../domain/cascade/cascade.ts';
import { gearsWithout } from '../../domain/gear-plan/contingency.ts';
import { type Gear, type GearPlan, PLAN_SCHEMA, type Stage } from '../../domain/gear-plan/gear-plan.ts';
import { evenly } from '../evenly.ts';
import { type AccuracyEstimate, weightedMean } from '../sp1/accuracy-estimate.ts';
import { honestAccuracy } from '../sp1/frontiers.ts';
import { bottleneckModel } from '../sp3/sp3-place-models.ts';
import type { ContingencyDraft, DraftPlan, DraftRange, FrontierCascade } from './draft-plan.ts';
import { expectedP95 } from './draft-score.ts';
import { gearOf } from './gear-of.ts';
import { joinGears } from './join-gears.ts';
import { planCorrection, planWeights } from './plan-weights.ts';
import type { PlanningContext } from './planning-context.ts';

/** Points of the frontier that a plan file shows, in addition to those in use. */
const SHOWN_FRONTIER = 48;

/** Converts a feasible draft to a plan file: names for indices, figures rounded to significant digits, equal neighbours joined. */
export function assemblePlan(
  draft: DraftPlan,
  contingencies: readonly ContingencyDraft[] | undefined,
  context: PlanningContext,
): GearPlan {
  const { request } = context;
  const { modelNames, deviceNames } = context.system;
  const joined = joinGears(gearsOf(draft, context));
  const gears = joined.map(({ gear }) => gear);
  const lossGears = contingencies?.map((loss) => ({
    lost: deviceNames[loss.devices[0]],
    alike: loss.devices.slice(1).map((d) => deviceNames[d]),
    gears: joinGears(gearsOf(loss.draft, context)).map(({ gear }) => gear),
  }));
  const inUse = [...gears, ...deviceNames.flatMap((device) => gearsWithout({ contingencies: lossGears }, device)?.gears ?? [])];
  const placement = modelNames.flatMap((model) =>
    deviceNames.flatMap((device) => (inUse.some((gear) => gear.shares[model]?.[device] > 0) ? [{ model, device }] : [])),
  );
  const { slo } = request;
  return {
    schema: PLAN_SCHEMA,
    deployment: request.deployment,
    digest: requestDigest(context),
    synthetic: request.profile.synthetic,
    ...(request.profile.correction && { correction: planCorrection(request.profile.correction, request.devices) }),
    slo: slo.type === 'latency' ? { p95: slo.p95Ms } : { accuracy: slo.accuracy },
    models: [...modelNames],
    weights: planWeights(request.profile),
    devices: [...deviceNames],
    placement,
    gears,
    ...(lossGears !== undefined && { contingencies: lossGears }),
    expected: {
      ...promised(promisedOver(draft, context)),
      latencyMsP95: round(expectedP95(draft), 3),
    },
    qpsWeights: joinedWeights(
      joined.map(({ ranges }) => ranges),
      request.weights,
    ),
    meanQps: round(
      request.meanQps ?? draft.ranges.reduce((sum, { weight, fromQps, toQps }) => sum + (weight * (fromQps + toQps)) / 2, 0),
      6,
    ),
    frontier: frontierOf(draft, context),
    search: {
      seed: String(request.seed),
      utilisationMargin: context.margins.utilisation,
      latencyMargin: context.margins.latency,
      frontierSize: draft.frontier.length,
      ...noMemoryFor(draft, context),
      ...context.counters,
      simulations: context.simulations,
      linearPrograms: context.solver.solved,
    },
  };
}

/** Models that were left out because they do not fit into memory with the others. */
function noMemoryFor({ excludedModels }: DraftPlan, { system }: PlanningContext): { readonly noMemoryFor?: string } {
  return excludedModels.length === 0 ? {} : { noMemoryFor: excludedModels.map((model) => system.modelNames[model]).join(', ') };
}

/** The accuracy promised over the QPS distribution. */
function promisedOver({ ranges }: DraftPlan, context: PlanningContext): AccuracyEstimate {
  const honest = honestAccuracy(context);
  return weightedMean(
    ranges.map(({ cascade }) => honest.estimate(cascade ?? { accuracy: 0 })),
    ranges.map(({ weight }) => weight),
  );
}

function promised({ accuracy, interval }: AccuracyEstimate): Pick<Gear['expected'], 'accuracy' | 'accuracyInterval'> {
  return { accuracy: round(accuracy, 6), accuracyInterval: [round(interval[0], 6), round(interval[1], 6)] };
}

function gearsOf({ ranges, placed }: DraftPlan, context: PlanningContext): Gear[] {
  return ranges.map((range) => gearOfRange(range, placed, context));
}

function joinedWeights(counts: readonly number[], weights: readonly number[]): number[] {
  let next = 0;
  return counts.map((count) => {
    const own = weights.slice(next, next + count);
    next += count;
    return round(
      own.reduce((sum, weight) => sum + weight, 0),
      9,
    );
  });
}

export function gearOfRange(range: DraftRange, placed: Uint8Array, context: PlanningContext): Gear {
  const { cascade, balance, tuning } = range;
  if (cascade === undefined || balance === undefined || tuning === undefined)
    throw new Error(`QPS range ${range.fromQps}-${range.toQps} was left without a gear`);
  const { p50, p95, p99 } = tuning.latencyMs;
  const expected = {
    ...promised(honestAccuracy(context).estimate(cascade)),
    latencyMs: { p50: round(p50, 3), p95: round(p95, 3), p99: round(p99, 3) },
    utilisation: Object.fromEntries(
      context.system.deviceNames.map((name, d) => [name, round((balance.deviceMs[d] * range.toQps) / 1000, 4)]),
    ),
    bottleneck: context.system.modelNames[bottleneckModel(cascade, placed, context)],
  };
  const candidate = { cascade, shares: balance.shares, minQueueLength: tuning.minQueueLength, maxWaitMs: tuning.maxWaitMs };
  return gearOf(candidate, [round(range.fromQps, 6), round(range.toQps, 6)], expected, context);
}

function stagesOf(cascade: Cascade, names: readonly string[]): Stage[] {
  return cascade.models.map((model, s) =>
    s < cascade.thresholds.length ? { model: names[model], threshold: cascade.thresholds[s] } : { model: names[model] },
  );
}

/** The thinned frontier and the cascades in use, cheapest first. For latency's sake, those in use may lie off the frontier. */
export function frontierOf(draft: DraftPlan, context: PlanningContext): GearPlan['frontier'] {
  const honest = honestAccuracy(context);
  return shownFrontier(draft).map((cascade) => ({
    cascade: stagesOf(cascade, context.system.modelNames),
    ...promised(honest.estimate(cascade)),
    computeMs: round(cascade.workMs, 6),
  }));
}

function shownFrontier(draft: DraftPlan): FrontierCascade[] {
  const shown = new Map(evenly(draft.frontier, SHOWN_FRONTIER).map((cascade) => [cascade.key, cascade]));
  for (const { cascade } of draft.ranges) if (cascade !== undefined) shown.set(cascade.key, cascade);
  return [...shown.values()].sort((a, b) => a.workMs - b.workMs || a.accuracy - b.accuracy);
}

function requestDigest({ request, margins }: PlanningContext): string {
  const { deployment, profile, devices, maxBatch, slo, qpsMax, weights, meanQps, seed, restrict, contingencies, cascades } =
    request;
  const asked = {
    deployment,
    profile: profile.digest,
    devices,
    maxBatch: maxBatch.map((n) => n ?? null),
    slo,
    qpsMax,
    weights,
    ...(meanQps !== undefined && { meanQps }),
    seed,
    margins,
    ...(restrict && { restrict }),
    ...(cascades && { cascades }),
    ...(contingencies !== undefined && { contingencies }),
    ...(profile.correction && { correction: profile.correction.digest }),
  };
  return createHash('sha256').update(JSON.stringify(asked)).digest('hex');
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
