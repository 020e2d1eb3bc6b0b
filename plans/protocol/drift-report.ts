import { z } from 'zod';
import type { Message } from './schema-codec.ts';

const measure = {
  observations: z.number().nonnegative(),
  distance: z.number().nullable(),
  bound: z.number(),
  drifted: z.boolean(),
};

const weights = z.array(z.number().nonnegative());

const interval = z.object({ estimate: z.number(), low: z.number(), high: z.number() });
/** A share with its 95 % confidence interval. */
export type Interval = Message<typeof interval>;

export const auditMeasure = z.object({
  /** The most accurate model placed, which is asked again. */
  reference: z.string(),
  /** What is measured goes back so far. */
  sinceMs: z.number().nonnegative(),
  /** Answers given meanwhile; those of other models that were drawn; those of them about which there was time to ask. */
  answered: z.number().nonnegative(),
  drawn: z.number().nonnegative(),
  compared: z.number().nonnegative(),
  /**
   * Share of all answers that the most accurate model would not give: what the cascade loses at most against asking only that one.
   * Null while too few have been compared.
   */
  disagreement: interval.nullable(),
  /** The same by the validation records, in the gears that were used. */
  expected: z.number(),
  /**
   * Live accuracy, if answers are as often right as validation samples where the most accurate model was as certain, and it or the
   * model before it was of the same or another opinion. A fall shows that accuracy is lost, but not all of it: on inputs far from
   * the validation samples models are wrong together, and with certainty, which only labels can tell.
   */
  accuracy: interval.nullable(),
  /** The same by the validation records, in the gears that were used. */
  expectedAccuracy: interval,
  /** True when the disagreement has risen, or the accuracy fallen, by more than the configured bound, beyond doubt. */
  lost: z.boolean(),
});
/** What the audit says of the latest answers. */
export type AuditMeasure = Message<typeof auditMeasure>;

export const driftReport = z.object({
  /** Of the plan that all is measured against. */
  revision: z.int().nonnegative(),
  qps: z.object({
    ...measure,
    meanQps: z.number(),
    plannedMeanQps: z.number(),
    qpsMax: z.number().positive(),
    weights,
    plannedWeights: weights,
    histogram: weights,
    above: z.number(),
  }),
  certainty: z.array(z.object({ model: z.string(), ...measure })),
  /** Null where nothing is audited. */
  audit: auditMeasure.nullable().default(null),
});
/** What the drift-monitor reports, and the status shows; see the classes of plans/drift for the meaning of the fields. */
export type DriftReport = Message<typeof driftReport>;
