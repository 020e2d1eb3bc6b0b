import type { Backend } from '../../engine/backend/backend.ts';
import { createEmulatedBackend } from '../../engine/backend/emulated-backend.ts';
import { realClock } from '../../engine/clock.ts';
import { type Device, deviceClass } from '../../plans/domain/deployment/deployment.ts';
import { emulatedModels, recordFinder } from '../../plans/synthetic/emulated-records.ts';
import type { ServingContext } from './serving-context.ts';

/** Answers with what the profile recorded, after the time that the profile says. */
export function emulatedBackend({ deployment, profile }: ServingContext, device: Extract<Device, { kind: 'emulated' }>): Backend {
  return createEmulatedBackend({
    clock: realClock,
    models: emulatedModels(profile, deviceClass(device)),
    inputs: profile.inputs,
    classes: profile.classes,
    recordOf: recordFinder(deployment, profile),
  });
}
