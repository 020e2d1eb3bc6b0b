import { createRandom, type Random } from '../../engine/random.ts';
import type { TensorSpec } from '../../engine/tensor/tensor.ts';
import type { Gear, GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import type { PlanDevice } from '../../plans/domain/profile/batch-cost.ts';
import type { Profile, RuntimeCurve } from '../../plans/domain/profile/profile.ts';
import type { AuditSettings } from '../../plans/policy/audit.ts';
import { DEFAULT_GEAR_RULE, type GearRule, LOAD_INTERVAL_MS, PAPER_GEAR_RULE } from '../../plans/policy/gear-choice.ts';
import { evenPhases } from '../../plans/simulator/control-rhythm.ts';
import type { Slowdown } from '../../plans/simulator/slowdown.ts';
import { syntheticProfile } from '../../plans/synthetic/synthetic.ts';
import { planOf } from './plans.ts';

/** A run for both the actors and the simulator. */
export interface ParityCase {
  readonly profile: Profile;
  readonly devices: readonly PlanDevice[];
  readonly plan: GearPlan;
  readonly rule: GearRule;
  readonly heartbeatPhasesMs: readonly number[];
  /** Of every request; undefined: too far away to matter. */
  readonly deadlineMs: number | undefined;
  readonly slowdowns: readonly Slowdown[];
  /** Undefined: nothing is audited. Devices draw from random streams of this seed. */
  readonly audit: { readonly settings: AuditSettings; readonly seed: string } | undefined;
  /** Request i is validation sample i. */
  readonly arrivalsMs: Float64Array;
}

export interface ParityCaseOptions {
  /** A power of two of which every time and duration is a multiple, so that sums are exact in any order. */
  readonly unitMs: number;
  readonly rule: 'paper' | 'default';
  /** Whether heartbeats are spread over the interval, or all come just before the load report. */
  readonly heartbeats: 'spread' | 'in-step';
  /** Whether requests have deadlines that the load makes hard to meet. */
  readonly deadlines: boolean;
  /** Whether devices are sometimes slower or faster than profiled. */
  readonly slowdowns: boolean;
  /** Whether samples differ in size, so that only some may share a batch. */
  readonly ragged?: boolean;
  /** Whether answers are audited in spare time. */
  readonly audit?: boolean;
}

/** Like SYNTHETIC_INPUTS, but of any length; the first element is the sample's number. */
const RAGGED_INPUTS: readonly TensorSpec[] = [{ name: 'sample', dtype: 'int32', shape: [null] }];

/** By then the actors have been up for longer than the window of load measurement; they start an interval later than the simulation. */
const FIRST_ARRIVAL_MS = DEFAULT_GEAR_RULE.windowMs + 1_000;
const RUN_MS = 1_500;
const MAX_REQUESTS = 800;
const STEP_QPS = 150;

/** Random models, devices and gears under a load that jumps up and down and sometimes exceeds their capacity. */
export function parityCase(
  seed: number | string,
  { unitMs, rule, heartbeats, deadlines, slowdowns, ragged = false, audit = false }: ParityCaseOptions,
): ParityCase {
  const random = createRandom(seed);
  const grain = Math.max(unitMs, 2 ** -10);
  const ms = (low: number, high: number): number => Math.max(1, Math.round((low + (high - low) * random.next()) / grain)) * grain;
  const arrivalsMs = burstyArrivals(random.split('arrivals'), unitMs);
  // Every batch is shorter than the heartbeat interval, so that at equal times heartbeats were always scheduled first.
  let perSampleMs = ms(0.25, 1);
  const models = Array.from({ length: 2 + random.below(3) }, (_, m) => {
    const model = { name: `m${m}`, accuracy: 0.6 + 0.1 * m, fixedMs: ms(0.5, 8), perSampleMs, memoryBytes: 1 };
    perSampleMs = Math.min(2, perSampleMs * 2);
    return model;
  });
  const made = syntheticProfile({
    seed,
    samples: arrivalsMs.length,
    deviceClasses: { fast: 1, slow: 0.5 },
    batches: [1, 2, 4, 8, 16],
    overhead: { perBatchMs: 0, perRequestMs: 0, hopMs: 0 },
    models,
  });
  const profile = ragged ? raggedProfile(made, random.split('sizes')) : made;
  const devices = Array.from({ length: 1 + random.below(5) }, (_, d) => ({
    id: `d${d}`,
    deviceClass: random.below(3) === 0 ? 'slow' : 'fast',
    memoryBytes: 10,
  }));
  const plan = randomPlan(random.split('plan'), profile, devices, () => ms(0.5, 30));
  return {
    profile,
    devices,
    plan: audit ? withPatience(plan, random.split('patience')) : plan,
    rule:
      rule === 'paper'
        ? PAPER_GEAR_RULE
        : { ...DEFAULT_GEAR_RULE, backlogDrainMs: 40 + random.below(400), settleMs: random.below(500) },
    slowdowns: slowdowns ? randomSlowdowns(random.split('slowdowns'), devices) : [],
    audit: audit ? { settings: randomAudit(random.split('audit')), seed: `audits of ${seed}` } : undefined,
    heartbeatPhasesMs: heartbeats === 'spread' ? evenPhases(devices.length) : devices.map(() => LOAD_INTERVAL_MS),
    deadlineMs: deadlines ? ms(3, 30) * (random.below(2) === 0 ? 1 : 10) : undefined,
    arrivalsMs,
  };
}

/** Samples of length 1, 2 and 4, each taking twice as long as the previous one. */
function raggedProfile(profile: Profile, random: Random): Profile {
  const size = Int32Array.from(profile.labels, () => [1, 2, 4][random.below(3)]);
  const sized = (curve: RuntimeCurve): RuntimeCurve => ({
    ...curve,
    bySize: [
      { size: 1, ms: curve.ms },
      { size: 4, ms: curve.ms.map((ms) => 4 * ms) },
    ],
  });
  return {
    ...profile,
    inputs: RAGGED_INPUTS,
    sizes: { size, batchKey: size },
    models: profile.models.map((model) => ({
      ...model,
      runtimes: Object.fromEntries(Object.entries(model.runtimes).map(([name, curve]) => [name, sized(curve)])),
    })),
  };
}

function randomPlan(random: Random, profile: Profile, devices: readonly PlanDevice[], waitMs: () => number): GearPlan {
  const models = profile.models.map(({ name }) => name);
  const names = devices.map(({ id }) => id);
  const some = <T>(all: readonly T[], chance: number): T[] => {
    const chosen = all.filter(() => random.next() < chance);
    return chosen.length === 0 ? [all[random.below(all.length)]] : chosen;
  };
  const places = new Map(models.map((model) => [model, some(names, 0.7)]));
  const gears = Array.from({ length: 2 + random.below(4) }, (_, g): Gear => {
    const cascade = some(models, 0.7);
    const byReplica = <T>(value: () => T) =>
      Object.fromEntries(
        cascade.map((model) => [model, Object.fromEntries(some(places.get(model)!, 0.8).map((device) => [device, value()]))]),
      );
    const shares = byReplica(() => 1 + random.below(4));
    for (const own of Object.values(shares)) {
      const sum = Object.values(own).reduce((a, b) => a + b, 0);
      for (const device in own) own[device] /= sum;
    }
    return {
      ...planOf({ models }).gears[0],
      qps: [g * STEP_QPS, (g + 1) * STEP_QPS],
      cascade: cascade.map((model, s) =>
        s === cascade.length - 1 ? { model } : { model, threshold: thresholdOf(profile, model, 0.2 + 0.6 * random.next()) },
      ),
      shares,
      minQueueLength: Object.fromEntries(
        Object.entries(shares).map(([model, own]) => [
          model,
          Object.fromEntries(Object.keys(own).map((device) => [device, 1 + random.below(6)])),
        ]),
      ),
      maxWaitMs: waitMs(),
    };
  });
  const placement = models.flatMap((model) => places.get(model)!.map((device) => ({ model, device })));
  return { ...planOf({ models, devices: names }), placement, gears };
}

function randomAudit(random: Random): AuditSettings {
  return { share: [0.1, 0.5, 1][random.below(3)], utilisation: 0.2 + 0.8 * random.next() };
}

/** The latency of some gears leaves time for long audits, that of others only for audits no longer than a batch. */
function withPatience(plan: GearPlan, random: Random): GearPlan {
  return {
    ...plan,
    gears: plan.gears.map((gear) => {
      const latencyMs = { ...gear.expected.latencyMs, p95: [10, 40, 200][random.below(3)] };
      return { ...gear, expected: { ...gear.expected, latencyMs } };
    }),
  };
}

/** Factors with few bits, so that products with times are exact. */
function randomSlowdowns(random: Random, devices: readonly PlanDevice[]): Slowdown[] {
  return Array.from({ length: 1 + random.below(3) }, () => {
    const fromMs = FIRST_ARRIVAL_MS + random.below(RUN_MS);
    return {
      device: random.below(2) === 0 ? undefined : devices[random.below(devices.length)].id,
      factor: [0.5, 1.5, 2, 4][random.below(4)],
      fromMs,
      toMs: fromMs + 100 + random.below(RUN_MS),
    };
  });
}

/** The certainty that this share of the samples does not reach. */
function thresholdOf(profile: Profile, model: string, part: number): number {
  const { certainties } = profile.models.find(({ name }) => name === model)!;
  return certainties.toSorted()[Math.floor(part * certainties.length)];
}

/** Poisson arrivals whose rate jumps from time to time, some of them simultaneous. */
function burstyArrivals(random: Random, unitMs: number): Float64Array {
  const arrivals: number[] = [];
  let at = FIRST_ARRIVAL_MS;
  let phaseEnd = at;
  let qps = 0;
  while (at < FIRST_ARRIVAL_MS + RUN_MS && arrivals.length < MAX_REQUESTS) {
    if (at >= phaseEnd) {
      phaseEnd = at + 50 + 250 * random.next();
      qps = 40 * 30 ** random.next();
    }
    const together = random.below(10) === 0 ? 1 + random.below(6) : 1;
    for (let k = 0; k < together; k++) arrivals.push(at);
    at += Math.round(random.exponential(1_000 / qps) / unitMs) * unitMs;
  }
  return Float64Array.from(arrivals);
}
