import { z } from 'zod';

/** A RuntimeCurve as profiles and plans hold it. */
export const runtimeCurveSchema = z
  .strictObject({ batch: z.array(z.int().positive()).min(1), ms: z.array(z.number().positive()).min(1) })
  .refine((c) => c.batch.length === c.ms.length, { error: 'batch and ms differ in length' })
  .refine((c) => c.batch.every((size, i) => i === 0 || size > c.batch[i - 1]), { error: 'batch sizes do not ascend' });
