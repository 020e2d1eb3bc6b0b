import { createHash } from 'node:crypto';
import { mapTimes, type Profile } from '../domain/profile/profile.ts';
import type { CalibrationFactors, Layout } from './calibration.ts';

/** The values that correct a profile: from a calibration, or from one being fitted. */
export interface ProfileCorrection {
  readonly date: string;
  readonly frontends: Layout;
  readonly factors: CalibrationFactors;
}

/**
 * A profile corrected for serving.
 * @param profile as measured; factors must not be applied twice.
 * @param devices of the deployment: with frontends in the device processes, 1 in this many requests stays in its process.
 */
export function calibratedProfile(profile: Profile, { date, frontends, factors }: ProfileCorrection, devices: number): Profile {
  if (profile.correction !== undefined) throw new Error('the profile is already corrected');
  const { inference, perBatch, perRequest, hopMs, wakeMs, intakeMs, jitterMs, contentionMs } = factors;
  const { overhead, models } = profile;
  const digest = createHash('sha256')
    .update(JSON.stringify([frontends, factors]))
    .digest('hex');
  return {
    ...profile,
    models: models.map((model) => ({
      ...model,
      runtimes: Object.fromEntries(
        Object.entries(model.runtimes).map(([name, curve]) => [name, mapTimes(curve, (ms) => ms * (inference[name] ?? 1))]),
      ),
    })),
    overhead: {
      perBatchMs: overhead.perBatchMs * perBatch,
      perRequestMs: overhead.perRequestMs * perRequest,
      hopMs,
      handoffMs: frontends === 'in-devices' ? hopMs * (1 - 1 / devices) : hopMs,
      intakeMs,
      wakeMs,
      jitterMs,
      contentionMs,
    },
    correction: { date, digest, inference },
  };
}
