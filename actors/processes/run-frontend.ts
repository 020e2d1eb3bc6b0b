import { randomBytes } from 'node:crypto';
import { Subject } from 'rxjs';
import { startActor } from '../../engine/actor/actor.ts';
import { realClock } from '../../engine/clock.ts';
import { frontendActor } from '../frontend.ts';
import { loadEstimatorActor } from '../load-estimator.ts';
import { liveUntilStopped, tellReady } from './life.ts';
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
  const frontend = startActor(
    frontendActor({
      name,
      subjects,
      plan: revised(setting, await startOf(setting, bus)),
      specs: profile.inputs,
      deadlineMs: deployment.deadlineMs,
      arrivals$,
      onReady: tellReady,
    }),
    system,
  );
  const estimator = startActor(
    loadEstimatorActor({ frontend: name, subjects, arrivals$, dropped: () => frontend.dropped }),
    system,
  );
  await liveUntilStopped([frontend, estimator], bus, log);
}
