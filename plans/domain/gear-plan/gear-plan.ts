import { z } from 'zod';
import { DEADLINE_MAX_MS } from '../../protocol/request.ts';
import { runtimeCurveSchema } from '../profile/runtime-curve-schema.ts';

/** Plans of version 1 name no weights. */
export const PLAN_SCHEMA = 2;

/** The gear plan file: what the planner writes, people read and diff, and the serving plane runs. */
const stage = z.strictObject({
  model: z.string(),
  /** Answers at least this certain are final; absent on the last stage. */
  threshold: z.number().optional(),
});

/** What keeps a range from a better cascade; `nothing`: there is no better one. */
const BINDING = ['nothing', 'utilisation', 'latency', 'memory', 'accuracy'] as const;

const percentiles = z.strictObject({ p50: z.number(), p95: z.number(), p99: z.number() });

const promisedAccuracy = {
  /** On new samples: estimated on samples that did not choose the thresholds, so below what the profile's own samples show. */
  accuracy: z.number(),
  /** Holds the true accuracy in 95 of 100 cases. Wide where the profile has few samples. */
  accuracyInterval: z.tuple([z.number(), z.number()]),
};

const gear = z.strictObject({
  /** Half-open range [from, to) of requests per second; the last gear of all also serves the loads above. */
  qps: z.tuple([z.number().nonnegative(), z.number().positive()]),
  cascade: z.array(stage).min(1),
  /** model -> device -> share of the model's requests; the shares of a model sum to 1. */
  shares: z.record(z.string(), z.record(z.string(), z.number().min(0).max(1))),
  /** model -> device -> queue length that triggers an inference. */
  minQueueLength: z.record(z.string(), z.record(z.string(), z.int().positive())),
  /** A queue also triggers when its oldest request has waited this long; no longer than the longest deadline, and than timers can hold. */
  maxWaitMs: z.number().nonnegative().max(DEADLINE_MAX_MS),
  /** Per stage: fraction of all requests that reach it, by the validation records; 1 for the first. */
  reach: z.array(z.number().min(0).max(1)).optional(),
  /** Why no better cascade serves this range: what stands in the way, and a sentence for people. */
  why: z.strictObject({ binds: z.enum(BINDING), text: z.string() }).optional(),
  expected: z.strictObject({
    ...promisedAccuracy,
    latencyMs: percentiles,
    /**
     * Per device: share of what it can carry, at the batch sizes that the SLO leaves time for, at the top of the range. It may
     * be occupied for longer: while there is time, batches are smaller than they could be.
     */
    utilisation: z.record(z.string(), z.number()),
    /** First model whose device is the fullest. */
    bottleneck: z.string(),
  }),
});

const contingency = z.strictObject({
  /** The device that is lost. */
  lost: z.string(),
  /** Devices that are like it and hold the same: when one of them is lost, it and `lost` change places in the gears. */
  alike: z.array(z.string()),
  /** Gears for the same placement without that device. Loads above the last range are more than it can carry within the SLO. */
  gears: z.array(gear).min(1),
  /** As `beyond` of the plan, for those loads. */
  beyond: z.array(gear).min(1).optional(),
});

/** Which files a model is, and what was measured of them: devices serve a plan by what it says, whatever lies on disk meanwhile. */
const weights = z.strictObject({
  /** Of all files that make the model (see `modelDigest`). */
  digest: z.string().min(1),
  /** Memory of one replica. */
  memoryBytes: z.number().positive(),
  /** Device class -> inference time by batch size, as profiled. */
  runtimes: z.record(z.string(), runtimeCurveSchema),
  /** Bins of its certainties, in which devices count them for the drift monitor (see `certaintyEdges`). */
  certaintyEdges: z.array(z.number()),
  /** Of its own answers to the validation samples: audits ask the most accurate model. */
  accuracy: z.number(),
  /** Output that holds the scores, where `profile` chose it. */
  output: z.string().optional(),
});

const latencySlo = z.strictObject({ p95: z.number().positive() });
const accuracySlo = z.strictObject({ accuracy: z.number().min(0).max(1) });

export const gearPlanSchema = z.strictObject({
  schema: z.literal(PLAN_SCHEMA),
  deployment: z.string(),
  /** Digest of the profile and of what was asked. */
  digest: z.string(),
  synthetic: z.boolean(),
  /**
   * Present where the profile was corrected by a calibration of that date: device -> inference time as served, over the
   * profile's. Devices compare the times of their batches with that, so that plan and devices mean the same by "as planned".
   */
  correction: z.strictObject({ date: z.string(), inference: z.record(z.string(), z.number().positive()) }).optional(),
  slo: z.union([latencySlo, accuracySlo]),
  /** Models of the family, cheapest first. */
  models: z.array(z.string()).min(1),
  /** Per model of the family. */
  weights: z.record(z.string(), weights),
  devices: z.array(z.string()).min(1),
  placement: z.array(z.strictObject({ model: z.string(), device: z.string() })).min(1),
  /** What is promised: each holds the SLO in its range. */
  gears: z.array(gear).min(1),
  /**
   * Best effort, no SLO promised: gears for the loads above the last range, down to the cheapest cascade and up to what that one
   * carries; absent where the last gear carries as much as the placement can. They may use replicas that no other gear does.
   * `expected.latencyMs` is simulated at the top load.
   */
  beyond: z.array(gear).min(1).optional(),
  /** What to do while a device is lost; absent where it was not planned for. See `gearsWithout`. */
  contingencies: z.array(contingency).optional(),
  /** Expected over the QPS distribution. */
  expected: z.strictObject({ ...promisedAccuracy, latencyMsP95: z.number() }),
  /** Probability of the range of each of `gears` under the distribution planned for. */
  qpsWeights: z.array(z.number().nonnegative()),
  /** Mean load of that distribution, which wide ranges do not tell; absent in plans of older versions. */
  meanQps: z.number().nonnegative().optional(),
  /** Pareto frontier of the cascades considered, cheapest first. */
  frontier: z.array(z.strictObject({ cascade: z.array(stage), ...promisedAccuracy, computeMs: z.number() })),
  /** How the plan was found: iterations, simulations, seed. */
  search: z.record(z.string(), z.union([z.number(), z.string()])),
});

export type GearPlan = z.infer<typeof gearPlanSchema>;
export type ModelWeights = GearPlan['weights'][string];
export type Gear = GearPlan['gears'][number];
/** Gears that follow one another in load: those that are promised, and those beyond. */
export type GearTable = Pick<GearPlan, 'gears' | 'beyond'>;
export type Stage = z.infer<typeof stage>;
/** As it stands in a plan. */
export interface ExpectedAccuracy {
  readonly accuracy: number;
  readonly accuracyInterval: readonly [low: number, high: number];
}
export type GearReason = NonNullable<Gear['why']>;

/** Those that are promised, then those beyond: what the number of a gear in a message or a report counts. */
export function allGears({ gears, beyond = [] }: GearTable): readonly Gear[] {
  return [...gears, ...beyond];
}

/** As much of a digest as people compare; a made-up family has a word in its place. */
export function shortDigest(digest: string): string {
  return /^[0-9a-f]+$/.test(digest) ? digest.slice(0, 8) : digest;
}

/** Model -> digest of its files. */
export function digestsOf(weights: GearPlan['weights']): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(weights).map(([model, { digest }]) => [model, digest]));
}

/** `cnn 1a2b3c4d, resnet 9f8e7d6c`: which files the models are. */
export function describeWeights(digests: Readonly<Record<string, string>>): string {
  return Object.entries(digests)
    .map(([model, digest]) => `${model} ${shortDigest(digest)}`)
    .join(', ');
}

/** `linear <0.62 → cnn <0.3 → resnet`: a cascade in one line; what is less certain goes on. */
export function describeCascade(cascade: readonly Stage[]): string {
  return cascade.map((s) => (s.threshold === undefined ? s.model : `${s.model} <${Number(s.threshold.toFixed(3))}`)).join(' → ');
}
