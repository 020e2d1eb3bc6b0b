import { randomBytes } from 'node:crypto';
import { AsyncSubject, Subject } from 'rxjs';
import { type Supervisor, supervise, together } from '../../engine/actor/supervisor.ts';
import type { Bus } from '../../engine/bus/bus.ts';
import { realClock } from '../../engine/clock.ts';
import type { Tracing } from '../../engine/tracing/tracing.ts';
import { largestBatch } from '../../plans/domain/profile/profile.ts';
import { Unserved } from '../../plans/protocol/unserved.ts';
import { durableIngressActor } from '../durable/durable-ingress.ts';
import { declareStreams, durableConfig } from '../durable/durable-streams.ts';
import { frontendActor } from '../frontend/frontend.ts';
import { loadEstimatorActor } from '../frontend/load-estimator.ts';
import type { RevisedPlan } from '../frontend/router.ts';
import { askableOutputs } from './askable-outputs.ts';
import { leastMsOf } from './least-ms.ts';
import type { ServingContext } from './serving-context.ts';

/** A frontend's name is a token of its subjects. */
const HOST_MAX_LENGTH = 48;

/**
 * Starts a frontend and the actors that belong to it. It gets a new name each time, because requests in flight at an earlier one are not
 * its own.
 * @throws ConfigError when requests should be stored, but the server cannot store them.
 */
export async function startFrontend(
  serving: ServingContext,
  bus: Bus,
  plan: RevisedPlan,
  onReady: () => void,
  tracing: Tracing | undefined,
): Promise<Supervisor> {
  const { deployment, profile, subjects, log } = serving;
  const host = serving.host.replace(/[^A-Za-z0-9_-]+/g, '-').slice(0, HOST_MAX_LENGTH);
  const name = `${host}-${randomBytes(4).toString('hex')}`;
  const arrivals$ = new Subject<number>();
  const unserved = new Unserved();
  const durable = deployment.durable && durableConfig(deployment, subjects, deployment.durable);
  const serving$ = new AsyncSubject<void>();
  // Before reporting ready: a server that cannot store is a configuration error, for the person who starts us.
  if (durable !== undefined) await declareStreams(bus.workQueues(), durable);
  const frontend = frontendActor({
    name,
    subjects,
    plan,
    specs: profile.inputs,
    outputs: askableOutputs(serving),
    largestBatch: Math.max(...profile.models.flatMap(({ runtimes }) => Object.values(runtimes).map(largestBatch))),
    deadlineMs: deployment.deadlineMs,
    maxDeadlineMs: deployment.maxDeadlineMs,
    arrivals$,
    unserved,
    tracing,
    leastMs: leastMsOf(profile, plan.plan.models),
    onReady: () => {
      onReady();
      serving$.next();
      serving$.complete();
    },
  });
  const estimator = loadEstimatorActor({
    frontend: name,
    subjects,
    arrivals$,
    unserved,
    dropped: () => supervisor.actors[0].dropped,
  });
  const ingress = durable && durableIngressActor({ name, durable, deadlineMs: deployment.deadlineMs, serving$ });
  // Restarted together, because the reports of a load estimator make a frontend that is down look alive.
  const supervisor = supervise([together(frontend, estimator), ...(ingress === undefined ? [] : [ingress])], {
    bus,
    clock: realClock,
    log,
  });
  return supervisor;
}
