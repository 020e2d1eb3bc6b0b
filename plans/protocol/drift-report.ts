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
  /** The most accurate model placed, which audits ask. */
  reference: z.string(),
  /** How far back the measurements go. */
  sinceMs: z.number().nonnegative(),
  /** Answers given in that time; how many of other models' answers were drawn; and how many of those were compared. */
  answered: z.number().nonnegative(),
  drawn: z.number().nonnegative(),
  compared: z.number().nonnegative(),
  /**
   * Share of all answers that the most accurate model would not give: an upper bound on what the cascade loses compared with asking only
   * that model. Null while too few have been compared.
   */
  disagreement: interval.nullable(),
  /** The same according to the validation records, in the gears that were used. */
  expected: z.number(),
  /**
   * Estimate of live accuracy. It assumes that answers are as often right as on validation samples with the same certainty of the most
   * accurate model and the same agreement or disagreement. A fall shows that accuracy is lost, but not how much: on inputs far from the
   * validation samples, models can be wrong together and with certainty, which only labels can reveal.
   */
  accuracy: interval.nullable(),
  /** The same according to the validation records, in the gears that were used. */
  expectedAccuracy: interval,
  /** True when disagreement has risen, or accuracy has fallen, by significantly more than the configured bound. */
  lost: z.boolean(),
});
/** What the audit says about recent answers. */
export type AuditMeasure = Message<typeof auditMeasure>;

export const driftReport = z.object({
  /** Revision of the plan that everything is compared with. */
  revision: z.int().nonnegative(),
  qps: z.object({
    ...measure,
    meanQps: z.number(),
    plannedMeanQps: z.number(),
    qpsMax: z.number().positive(),
    weights,
    plannedWeights: weights,
    histogram: weights,
    /** Older versions do not send it. */
    histogramAbove: weights.optional(),
    above: z.number(),
  }),
  certainty: z.array(z.object({ model: z.string(), ...measure })),
  /** Null when nothing is audited. */
  audit: auditMeasure.nullable().default(null),
});
/** Reported by the drift-monitor and shown by the status; the classes in plans/drift explain the fields. */
export type DriftReport = Message<typeof driftReport>;
