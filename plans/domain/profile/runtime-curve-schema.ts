import { z } from 'zod';
import type { RuntimeCurve } from './profile.ts';

const times = z.array(z.number().positive()).min(1);

/** A RuntimeCurve as stored in profiles and plans. */
export const runtimeCurveSchema = z
  .strictObject({
    batch: z.array(z.int().positive()).min(1),
    ms: times,
    bySize: z
      .array(z.strictObject({ size: z.int().nonnegative(), ms: times }))
      .min(1)
      .optional(),
  })
  .refine((c) => [c, ...(c.bySize ?? [])].every(({ ms }) => ms.length === c.batch.length), {
    error: 'batch and ms have different lengths',
  })
  .refine((c) => c.batch.every((size, i) => i === 0 || size > c.batch[i - 1]), { error: 'batch sizes do not ascend' })
  .refine((c) => (c.bySize ?? []).every(({ size }, i, all) => i === 0 || size > all[i - 1].size), {
    error: 'sizes of samples do not ascend',
  });

/** For writing. */
export function plainCurve({ batch, ms, bySize }: RuntimeCurve): z.input<typeof runtimeCurveSchema> {
  const sizes = bySize?.map((each) => ({ size: each.size, ms: [...each.ms] }));
  return { batch: [...batch], ms: [...ms], ...(sizes === undefined ? {} : { bySize: sizes }) };
}
