import { z } from 'zod';
import { DEADLINE_MAX_MS } from '../../protocol/request.ts';
import { runtimeCurveSchema } from '../profile/runtime-curve-schema.ts';

/** Version 1 plans did not record the models' weights. */
export const PLAN_SCHEMA = 2;

/** The gear plan file: what the planner writes, people read and diff, and the serving plane runs. */
const stage = z.strictObject({
  model: z.string(),
  /** Answers at least this certain are final; absent on the last stage. */
  threshold: z.number().optional(),
});

/** What keeps a range from using a better cascade; `nothing` means that there is none. */
const BINDING = ['nothing', 'utilisation', 'latency', 'memory', 'accuracy'] as const;

const milliseconds = z.number().nonnegative();
const percentiles = z.strictObject({ p50: milliseconds, p95: milliseconds, p99: milliseconds });
const share = z.number().min(0).max(1);

const promisedAccuracy = {
  /** Estimated on samples that did not choose the thresholds, so it is below what the profile's own samples show. */
  accuracy: share,
  /** 95 % confidence interval. It is wide when the profile has few samples. */
  accuracyInterval: z.tuple([share, share]).refine(([low, high]) => low <= high, { error: 'ends below its start' }),
};

const gear = z.strictObject({
  /** Half-open range [from, to) of requests per second; the last gear also serves all loads above. */
  qps: z.tuple([z.number().nonnegative(), z.number().positive()]),
  cascade: z.array(stage).min(1),
  /** model -> device -> share of the model's requests; the shares of a model sum to 1. */
  shares: z.record(z.string(), z.record(z.string(), share)),
  /** model -> device -> queue length that triggers an inference. */
  minQueueLength: z.record(z.string(), z.record(z.string(), z.int().positive())),
  /** A queue also triggers when its oldest request has waited this long. Bounded by the longest deadline and by what timers can hold. */
  maxWaitMs: z.number().nonnegative().max(DEADLINE_MAX_MS),
  /** Per stage: fraction of all requests that reach it, according to the validation records; 1 for the first. */
  reach: z.array(share).optional(),
  /** Why no better cascade serves this range: the limiting factor, and a sentence for people. */
  why: z.strictObject({ binds: z.enum(BINDING), text: z.string() }).optional(),
  expected: z.strictObject({
    ...promisedAccuracy,
    latencyMs: percentiles,
    /**
     * Per device: load as a share of its capacity at the batch sizes the SLO allows, at the top of the range. A device may be busy for a
     * larger share of the time, because batches are smaller than they could be while there is time.
     */
    utilisation: z.record(z.string(), z.number().nonnegative()),
    /** First model on the fullest device. */
    bottleneck: z.string(),
  }),
});

const contingency = z.strictObject({
  /** The lost device. */
  lost: z.string(),
  /** Devices that are identical and hold the same models. If one of them is lost, it and `lost` swap places in the gears. */
  alike: z.array(z.string()),
  /** Gears for the same placement without that device. Above the last range, the rest cannot meet the SLO. */
  gears: z.array(gear).min(1),
  /** Like the plan's `beyond`, for loads above these gears. */
  beyond: z.array(gear).min(1).optional(),
});

/** The files of a model and their measurements. Devices serve the weights that the plan names, whatever is on disk by now. */
const weights = z.strictObject({
  /** Of all files that make up the model (see `modelDigest`). */
  digest: z.string().min(1),
  /** Memory of one replica. */
  memoryBytes: z.number().positive(),
  /** Device class -> inference time by batch size, as profiled. */
  runtimes: z.record(z.string(), runtimeCurveSchema),
  /** Bins of its certainties; devices count in them for the drift monitor (see `certaintyEdges`). */
  certaintyEdges: z.array(z.number()),
  /** Accuracy of its own answers on the validation samples: audits ask the most accurate model. */
  accuracy: share,
  /** Output that holds the scores, if `profile` chose it. */
  output: z.string().optional(),
});

const latencySlo = z.strictObject({ p95: z.number().positive() });
const accuracySlo = z.strictObject({ accuracy: share });

export const gearPlanSchema = z.strictObject({
  schema: z.literal(PLAN_SCHEMA),
  deployment: z.string(),
  /** Digest of the profile and of the planning request. */
  digest: z.string(),
  synthetic: z.boolean(),
  /**
   * Present when a calibration of that date corrected the profile: device -> inference time as served, divided by the profile's.
   * Devices compare their batch times with it, so that plan and devices agree on what "as planned" means.
   */
  correction: z.strictObject({ date: z.string(), inference: z.record(z.string(), z.number().positive()) }).optional(),
  slo: z.union([latencySlo, accuracySlo]),
  /** Models of the family, cheapest first. */
  models: z.array(z.string()).min(1),
  /** Per model of the family. */
  weights: z.record(z.string(), weights),
  devices: z.array(z.string()).min(1),
  placement: z.array(z.strictObject({ model: z.string(), device: z.string() })).min(1),
  /** The promised gears: each meets the SLO in its range. */
  gears: z.array(gear).min(1),
  /**
   * Best effort, without an SLO: gears for loads above the last range, down to the cheapest cascade and up to what it can carry. Absent
   * when the last gear carries as much as the placement can. They may use replicas that no other gear uses. `expected.latencyMs` is
   * simulated at the top load.
   */
  beyond: z.array(gear).min(1).optional(),
  /** What to do while a device is lost; absent when that was not planned for. See `gearsWithout`. */
  contingencies: z.array(contingency).optional(),
  /** Expected over the QPS distribution. */
  expected: z.strictObject({ ...promisedAccuracy, latencyMsP95: milliseconds }),
  /** Probability of each gear's range under the planned distribution. */
  qpsWeights: z.array(z.number().nonnegative()),
  /** Mean load of that distribution, which wide ranges do not show; absent in plans of older versions. */
  meanQps: z.number().nonnegative().optional(),
  /** Pareto frontier of the cascades that were considered, cheapest first. */
  frontier: z.array(z.strictObject({ cascade: z.array(stage), ...promisedAccuracy, computeMs: milliseconds })),
  /** How the plan was found: iterations, simulations, seed. */
  search: z.record(z.string(), z.union([z.number(), z.string()])),
});

export type GearPlan = z.infer<typeof gearPlanSchema>;
export type ModelWeights = GearPlan['weights'][string];
export type Gear = GearPlan['gears'][number];
/** Gears in order of load: the promised ones, and those beyond. */
export type GearTable = Pick<GearPlan, 'gears' | 'beyond'>;
export type Stage = z.infer<typeof stage>;
/** As written in a plan. */
export interface ExpectedAccuracy {
  readonly accuracy: number;
  readonly accuracyInterval: readonly [low: number, high: number];
}
export type GearReason = NonNullable<Gear['why']>;

/** Promised gears, then those beyond. Gear numbers in messages and reports are indexes into this list. */
export function allGears({ gears, beyond = [] }: GearTable): readonly Gear[] {
  return [...gears, ...beyond];
}

/** The part of a digest that people compare; a made-up family has a word in its place. */
export function shortDigest(digest: string): string {
  return /^[0-9a-f]+$/.test(digest) ? digest.slice(0, 8) : digest;
}

/** Model -> digest of its files. */
export function digestsOf(weights: GearPlan['weights']): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(weights).map(([model, { digest }]) => [model, digest]));
}

/** `cnn 1a2b3c4d, resnet 9f8e7d6c`: models with the digests of their files. */
export function describeWeights(digests: Readonly<Record<string, string>>): string {
  return Object.entries(digests)
    .map(([model, digest]) => `${model} ${shortDigest(digest)}`)
    .join(', ');
}

/** `linear <0.62 → cnn <0.3 → resnet`: a cascade in one line; samples below the threshold move on. Not for comparisons: see `sameCascade`. */
export function describeCascade(cascade: readonly Stage[]): string {
  return cascade.map((s) => (s.threshold === undefined ? s.model : `${s.model} <${shownThreshold(s.threshold)}`)).join(' → ');
}

/** Certainties crowd near 0 and 1, so there thresholds are shown with more than three decimals: 0.99962 is not 1. */
function shownThreshold(threshold: number): number {
  const toEdge = Math.min(Math.abs(threshold), Math.abs(1 - threshold));
  const decimals = toEdge === 0 ? 3 : Math.min(9, Math.max(3, Math.ceil(-Math.log10(toEdge))));
  return Number(threshold.toFixed(decimals));
}

/** Whether two cascades have the same models and exactly the same thresholds. */
export function sameCascade(a: readonly Stage[], b: readonly Stage[]): boolean {
  return a.length === b.length && a.every(({ model, threshold }, i) => model === b[i].model && threshold === b[i].threshold);
}
