import { createHash } from 'node:crypto';
import { mapTimes, type Profile } from '../domain/profile/profile.ts';
import type { CalibrationFactors, Layout } from './calibration.ts';

/** What corrects a profile: a calibration, or one in the making. */
export interface ProfileCorrection {
  readonly date: string;
  readonly frontends: Layout;
  readonly factors: CalibrationFactors;
}

/**
 * A profile as it is when the deployment serves.
 * @param profile as it was measured; factors do not add up.
 * @param devices of the deployment: with as many frontends in them, a request finds its device in the same process so often.
 */
export function calibratedProfile(profile: Profile, { date, frontends, factors }: ProfileCorrection, devices: number): Profile {
  if (profile.correction !== undefined) throw new Error('a profile is corrected once');
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
