import type { Backend } from '../../engine/backend/backend.ts';
import { createRemoteBackend } from '../../engine/backend/remote-backend.ts';
import { realClock } from '../../engine/clock.ts';
import type { RemoteDevice } from '../../plans/domain/deployment/deployment.ts';
import { openRemote } from '../../plans/domain/deployment/open-remote.ts';
import { auxiliaryOf } from '../../plans/domain/task/task-of.ts';
import type { ServingContext } from './serving-context.ts';

const WAITING_TOLD_MS = 30_000;

/** Waits for its server for as long as it takes, and says so when it begins to, and again from time to time. */
export function remoteBackend({ deployment, profile, log }: ServingContext, device: RemoteDevice): Backend {
  const { id, url, inFlight, timeoutMs } = device;
  let toldAt = Number.NEGATIVE_INFINITY;
  let told: string | undefined;
  return createRemoteBackend({
    client: openRemote(device),
    clock: realClock,
    url,
    inFlight,
    timeoutMs,
    inputs: deployment.inputs,
    specs: profile.inputs,
    auxiliary: auxiliaryOf(deployment),
    onWaiting: (model, reason) => {
      const now = realClock.now();
      if (reason === told && now - toldAt < WAITING_TOLD_MS) return;
      told = reason;
      toldAt = now;
      log.warn({ device: id, model, server: url, reason }, 'waits for its server');
    },
  });
}
