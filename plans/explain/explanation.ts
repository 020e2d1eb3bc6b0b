import { evaluateCascade, validationRecords } from '../domain/cascade/cascade.ts';
import { beyondOnly } from '../domain/gear-plan/beyond-only.ts';
import {
  allGears,
  describeCascade,
  digestsOf,
  type Gear,
  type GearPlan,
  type GearReason,
  sameCascade,
} from '../domain/gear-plan/gear-plan.ts';
import { inOrderOf } from '../domain/profile/family-order.ts';
import type { Profile } from '../domain/profile/profile.ts';
import { type AccuracyEstimate, weightedMean } from '../planner/sp1/accuracy-estimate.ts';
import { gearReason } from './gear-reason.ts';

/** Explanation of one gear. */
export interface ExplainedGear {
  readonly index: number;
  readonly qps: readonly [from: number, to: number];
  /** Beyond what the plan promises: the SLO does not apply. */
  readonly bestEffort: boolean;
  /** How often loads of this range occur; 0 beyond the planned ones. */
  readonly weight: number;
  readonly cascade: string;
  readonly stages: readonly ExplainedStage[];
  readonly accuracy: number;
  /** 95 % confidence interval. */
  readonly accuracyInterval: readonly [low: number, high: number];
  readonly latencyMs: Gear['expected']['latencyMs'];
  readonly maxWaitMs: number;
  readonly utilisation: Readonly<Record<string, number>>;
  readonly fullest: { readonly device: string; readonly utilisation: number };
  readonly bottleneck: string;
  readonly why: GearReason;
}

export interface ExplainedStage {
  readonly model: string;
  /** Less certain answers move on; null on the last stage. */
  readonly threshold: number | null;
  /** Fraction of all requests that reach this model, and that it answers finally; null when unknown. */
  readonly reach: number | null;
  readonly answers: number | null;
  /** Over its replicas. */
  readonly minQueueLength: readonly [least: number, most: number];
}

interface ExplainedDevice {
  readonly device: string;
  readonly models: readonly string[];
  /** Those that only gears beyond the plan use. */
  readonly beyondOnly: readonly string[];
  /** In its busiest gear. */
  readonly utilisation: number;
  readonly busiestGear: number;
}

/** A cascade on the frontier. */
export interface ExplainedPoint {
  readonly cascade: string;
  /** The model, if the cascade has only one. */
  readonly alone: string | null;
  readonly accuracy: number;
  readonly accuracyInterval: readonly [low: number, high: number];
  readonly computeMs: number;
  /** Gears that run it. */
  readonly gears: readonly number[];
}

type Interval = AccuracyEstimate['interval'];

/** What remains when one of these devices is lost. */
export interface ExplainedLoss {
  /** Identical devices: the plan for the loss of one applies to any of them. */
  readonly devices: readonly string[];
  /** Highest load that the others can carry within the SLO. */
  readonly qpsMax: number;
  /** Highest load that they can carry at all, as best effort. */
  readonly carriedQps: number;
  /** Over the loads up to there, weighted by how often they occur: with all devices, and without the lost one. */
  readonly accuracy: readonly [before: number, after: number];
  readonly accuracyInterval: readonly [before: Interval, after: Interval];
  /** Highest over all gears. */
  readonly latencyMsP95: readonly [before: number, after: number];
}

/** A plan with everything derived from it: written by `explain --json`, shown in tables and on the page. */
export interface Explanation {
  readonly deployment: string;
  readonly synthetic: boolean;
  readonly slo: GearPlan['slo'];
  readonly models: readonly string[];
  /** Model -> digest of its files. */
  readonly weights: Readonly<Record<string, string>>;
  readonly expected: GearPlan['expected'];
  readonly gears: readonly ExplainedGear[];
  /** Best effort, without an SLO: their indices follow those of `gears`. */
  readonly beyond: readonly ExplainedGear[];
  readonly devices: readonly ExplainedDevice[];
  /** Empty when the plan does not say. */
  readonly losses: readonly ExplainedLoss[];
  /** Cheapest first. */
  readonly frontier: readonly ExplainedPoint[];
  readonly search: GearPlan['search'];
}

/** @param profile that the plan was made from, if known: it says how many requests reach each model. */
export function explainPlan(plan: GearPlan, profile?: Profile): Explanation {
  const reach = reachOf(plan, profile);
  const all = allGears(plan).map((gear, index) => explainGear(plan, gear, index, reach?.[index]));
  return {
    deployment: plan.deployment,
    synthetic: plan.synthetic,
    slo: plan.slo,
    models: plan.models,
    weights: digestsOf(plan.weights),
    expected: plan.expected,
    gears: all.slice(0, plan.gears.length),
    beyond: all.slice(plan.gears.length),
    devices: plan.devices.map((device) => explainDevice(plan, device)),
    losses: (plan.contingencies ?? []).map((contingency) => explainLoss(plan, contingency)),
    frontier: plan.frontier.map((point) => explainPoint(plan, point)),
    search: plan.search,
  };
}

function explainGear(plan: GearPlan, gear: Gear, index: number, reach: readonly number[] | undefined): ExplainedGear {
  const { accuracy, accuracyInterval, latencyMs, utilisation, bottleneck } = gear.expected;
  const [device, highest] = Object.entries(utilisation).reduce((a, b) => (b[1] > a[1] ? b : a), ['', 0]);
  return {
    index,
    qps: gear.qps,
    bestEffort: index >= plan.gears.length,
    weight: plan.qpsWeights[index] ?? 0,
    cascade: describeCascade(gear.cascade),
    stages: gear.cascade.map(({ model, threshold }, s) => {
      const lengths = Object.values(gear.minQueueLength[model] ?? {});
      return {
        model,
        threshold: threshold ?? null,
        reach: reach?.[s] ?? null,
        answers: reach === undefined ? null : reach[s] - (reach[s + 1] ?? 0),
        minQueueLength: [Math.min(...lengths), Math.max(...lengths)],
      };
    }),
    accuracy,
    accuracyInterval,
    latencyMs,
    maxWaitMs: gear.maxWaitMs,
    utilisation,
    fullest: { device, utilisation: highest },
    bottleneck,
    why: gearReason(plan, index),
  };
}

function explainLoss(
  plan: GearPlan,
  { lost, alike, gears, beyond = [] }: NonNullable<GearPlan['contingencies']>[number],
): ExplainedLoss {
  const qpsMax = gears[gears.length - 1].qps[1];
  const [before, after] = [meanAccuracy(plan.gears, plan, qpsMax), meanAccuracy(gears, plan, qpsMax)];
  return {
    devices: [lost, ...alike],
    qpsMax,
    carriedQps: beyond.at(-1)?.qps[1] ?? qpsMax,
    accuracy: [before.accuracy, after.accuracy],
    accuracyInterval: [before.interval, after.interval],
    latencyMsP95: [highestP95(plan.gears, qpsMax), highestP95(gears, qpsMax)],
  };
}

/**
 * Over the loads up to `qpsMax`, weighted by how often they occur, or equally if none of them occurs; within a range of the plan, all
 * are equally likely.
 */
function meanAccuracy(gears: readonly Gear[], plan: GearPlan, qpsMax: number): AccuracyEstimate {
  const weightsWith = (probabilities: readonly number[]): number[] =>
    gears.map(({ qps }) =>
      plan.gears.reduce((sum, { qps: [from, to] }, g) => {
        const overlap = Math.min(qps[1], to, qpsMax) - Math.max(qps[0], from);
        return sum + (probabilities[g] * Math.max(0, overlap)) / (to - from);
      }, 0),
    );
  const usual = weightsWith(plan.qpsWeights);
  const weights = usual.some((weight) => weight > 0) ? usual : weightsWith(plan.gears.map(({ qps: [from, to] }) => to - from));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weightedMean(
    gears.map(({ expected }) => ({ accuracy: expected.accuracy, interval: expected.accuracyInterval })),
    weights.map((weight) => weight / total),
  );
}

function highestP95(gears: readonly Gear[], qpsMax: number): number {
  return Math.max(...gears.filter(({ qps }) => qps[0] < qpsMax).map(({ expected }) => expected.latencyMs.p95));
}

type FrontierPoint = GearPlan['frontier'][number];

function explainPoint(plan: GearPlan, { cascade, accuracy, accuracyInterval, computeMs }: FrontierPoint): ExplainedPoint {
  const gears = allGears(plan).flatMap((gear, index) => (sameCascade(gear.cascade, cascade) ? [index] : []));
  return {
    cascade: describeCascade(cascade),
    alone: cascade.length === 1 ? cascade[0].model : null,
    accuracy,
    accuracyInterval,
    computeMs,
    gears,
  };
}

function explainDevice(plan: GearPlan, device: string): ExplainedDevice {
  const byGear = plan.gears.map((gear) => gear.expected.utilisation[device] ?? 0);
  const utilisation = Math.max(...byGear);
  return {
    device,
    models: plan.models.filter((model) => plan.placement.some((r) => r.model === model && r.device === device)),
    beyondOnly: beyondOnly(plan).flatMap((replica) => (replica.device === device ? [replica.model] : [])),
    utilisation,
    busiestGear: byGear.indexOf(utilisation),
  };
}

/**
 * Per gear and stage: fraction of all requests that reach it. From the plan, else from the profile if the plan was made from it, because
 * then both have the same models.
 */
function reachOf(plan: GearPlan, profile: Profile | undefined): (readonly number[])[] | undefined {
  const gears = allGears(plan);
  const written = gears.map((gear) => gear.reach);
  if (written.every((reach) => reach !== undefined)) return written;
  if (profile === undefined || profile.models.length !== plan.models.length) return undefined;
  if (profile.models.some(({ name, digest }) => plan.weights[name]?.digest !== digest)) return undefined;
  const records = validationRecords({ models: inOrderOf(profile.models, plan.models) });
  return gears.map(
    (gear) =>
      evaluateCascade(
        records,
        gear.cascade.map(({ model }) => plan.models.indexOf(model)),
        gear.cascade.flatMap(({ threshold }) => threshold ?? []),
      ).reach,
  );
}
