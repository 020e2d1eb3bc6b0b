import type { Backend } from '../../engine/backend/backend.ts';
import { realClock } from '../../engine/clock.ts';
import type { RemoteDevice } from '../../plans/domain/deployment/deployment.ts';
import { targetBackend } from '../../plans/profiling/target-backend.ts';
import type { ServingContext } from './serving-context.ts';

const REMIND_INTERVAL_MS = 30_000;

/** Waits for its server without limit, and logs a warning when the wait begins, when the reason changes, and every so often. */
export function remoteBackend({ deployment, profile, log }: ServingContext, device: RemoteDevice): Backend {
  let loggedAt = Number.NEGATIVE_INFINITY;
  let logged: string | undefined;
  return targetBackend(deployment, device, profile.inputs, (model, reason) => {
    const now = realClock.now();
    if (reason === logged && now - loggedAt < REMIND_INTERVAL_MS) return;
    logged = reason;
    loggedAt = now;
    log.warn({ device: device.id, model, server: device.url, reason }, 'waits for its server');
  });
}
