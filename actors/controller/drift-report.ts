import { z } from 'zod';
import { MalformedMessage } from '../../engine/errors.ts';
import { decode } from '../../plans/protocol/codec.ts';

const measure = {
  observations: z.number().nonnegative(),
  distance: z.number().nullable(),
  bound: z.number(),
  drifted: z.boolean(),
};

/** Not zod's `readonly()`: that freezes what came, and throws where bytes came. */
const weights = z.array(z.number().nonnegative()).transform((values): readonly number[] => values);

const interval = z.object({ estimate: z.number(), low: z.number(), high: z.number() });

const audit = z.object({
  reference: z.string(),
  sinceMs: z.number().nonnegative(),
  answered: z.number().nonnegative(),
  drawn: z.number().nonnegative(),
  compared: z.number().nonnegative(),
  disagreement: interval.nullable(),
  expected: z.number(),
  accuracy: interval.nullable(),
  expectedAccuracy: interval,
  lost: z.boolean(),
});

/** What the drift-monitor tells, and the status shows; see the classes of plans/drift for the meaning of the fields. */
const driftReport = z.object({
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
  audit: audit.nullable().default(null),
});

export type DriftReport = z.infer<typeof driftReport>;

/** @throws MalformedMessage */
export function decodeDrift(data: Uint8Array): DriftReport {
  let value: unknown;
  try {
    value = decode(data);
  } catch {
    throw new MalformedMessage('drift', 'not MessagePack');
  }
  const parsed = driftReport.safeParse(value);
  if (!parsed.success) throw new MalformedMessage('drift', String(parsed.error.issues[0]?.path[0] ?? 'not a map'));
  return parsed.data;
}
