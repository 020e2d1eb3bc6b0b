import { randomBytes } from 'node:crypto';
import { AsyncSubject, Subject } from 'rxjs';
import { startActor } from '../../engine/actor/actor.ts';
import type { Bus } from '../../engine/bus/bus.ts';
import { realClock } from '../../engine/clock.ts';
import { durableIngressActor } from '../durable-ingress.ts';
import { type DurableSetting, declareStreams, durableSetting } from '../durable-streams.ts';
import { frontendActor } from '../frontend.ts';
import { loadEstimatorActor } from '../load-estimator.ts';
import { leave, liveUntilStopped, tellReady } from './life.ts';
import { connectSetting, revised, type Setting, startOf } from './setting.ts';

/** A frontend's name is a token of its subjects. */
const HOST_MAX_LENGTH = 48;

/** One frontend process. Its name is new at each start, as what an earlier one had in flight is not its own. */
export async function runFrontend(setting: Setting): Promise<void> {
  const { deployment, profile, subjects, log } = setting;
  const bus = await connectSetting(setting, 'frontend');
  const host = setting.host.replace(/[^A-Za-z0-9_-]+/g, '-').slice(0, HOST_MAX_LENGTH);
  const name = `${host}-${randomBytes(4).toString('hex')}`;
  const arrivals$ = new Subject<number>();
  const system = { bus, clock: realClock, log };
  const durable = deployment.durable && durableSetting(deployment, subjects, deployment.durable);
  const serving$ = new AsyncSubject<void>();
  // Before we are ready: a server that cannot store is a wrong configuration, for the person who starts us.
  if (durable !== undefined) await declareOrLeave(durable, bus);
  const frontend = startActor(
    frontendActor({
      name,
      subjects,
      plan: revised(setting, await startOf(setting, bus)),
      specs: profile.inputs,
      deadlineMs: deployment.deadlineMs,
      arrivals$,
      onReady: () => {
        tellReady();
        serving$.next();
        serving$.complete();
      },
    }),
    system,
  );
  const estimator = startActor(
    loadEstimatorActor({ frontend: name, subjects, arrivals$, dropped: () => frontend.dropped }),
    system,
  );
  const ingress =
    durable === undefined
      ? []
      : [startActor(durableIngressActor({ name, durable, deadlineMs: deployment.deadlineMs, serving$ }), system)];
  await liveUntilStopped([frontend, estimator, ...ingress], bus, log);
}

async function declareOrLeave(durable: DurableSetting, bus: Bus): Promise<void> {
  try {
    await declareStreams(bus.workQueues(), durable);
  } catch (error) {
    await leave(bus);
    throw error;
  }
}
