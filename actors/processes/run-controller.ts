import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { shareReplay } from 'rxjs';
import { supervise } from '../../engine/actor/supervisor.ts';
import type { Bus } from '../../engine/bus/bus.ts';
import { realClock } from '../../engine/clock.ts';
import { checkPlanFor } from '../../plans/domain/gear-plan/plan-check.ts';
import { taskOf } from '../../plans/domain/task/task-of.ts';
import { bucketsOf } from '../../plans/protocol/subjects.ts';
import { driftMonitorActor } from '../controller/drift-monitor.ts';
import { gearControllerActor } from '../controller/gear-controller.ts';
import { lease$ } from '../controller/lease.ts';
import { planKeeperActor } from '../controller/plan-keeper.ts';
import { statusActor } from '../controller/status.ts';
import { beginTerm } from '../controller/term.ts';
import { durableConfig } from '../durable/durable-streams.ts';
import { reportReady, runConnected, runUntilShutdown } from './life.ts';
import { natsEnvironment } from './nats-url.ts';
import { profilesOf } from './profiles-of.ts';
import { replanChild } from './replan-child.ts';
import { compileRevision, connectServing, initialPlan, type ServingContext } from './serving-context.ts';

/** One of the deployment's controllers: the one that holds the lease acts, and the others listen and wait. */
export function runController(serving: ServingContext): Promise<void> {
  return runConnected(connectServing(serving, 'controller'), (bus) => control(serving, bus));
}

async function control(serving: ServingContext, bus: Bus): Promise<void> {
  const { deployment, plan, subjects, log } = serving;
  const start = await initialPlan(serving, bus);
  const system = { bus, clock: realClock, log };
  const buckets = bucketsOf(deployment.name, deployment.prefix);
  const leading$ = lease$({
    ...system,
    bucket: buckets.lease,
    owner: `${hostname()} ${process.pid} ${randomBytes(4).toString('hex')}`,
  }).pipe(shareReplay({ bufferSize: 1, refCount: true }));
  const durable = deployment.durable && durableConfig(deployment, subjects, deployment.durable);
  const actors = [
    gearControllerActor({
      subjects,
      plan: compileRevision(serving, start),
      rule: deployment.gearRule,
      leading$,
      beginTerm: () => beginTerm(bus, buckets.plans),
    }),
    planKeeperActor({
      subjects,
      bucket: buckets.plans,
      start,
      wanted: plan,
      check: (given) => checkPlanFor(deployment, given),
      leading$,
      prepareTimeoutMs: deployment.prepareTimeoutMs,
    }),
    driftMonitorActor({
      subjects,
      start,
      profileOf: profilesOf(serving),
      settings: deployment.drift,
      audit: deployment.audit && { ...deployment.audit, task: taskOf(deployment) },
      leading$,
      replan: () =>
        replanChild([deployment.file, '--profile', serving.profileFile, '--push'], natsEnvironment(serving.servers.join(','))),
    }),
    statusActor({ deployment: deployment.name, subjects, start, leading$, durable, actors: () => role.actors }),
  ];
  // Each restarts alone: it learns the lease again, and the plan that it had in force stays.
  const role = supervise(actors, system);
  reportReady();
  if (process.send === undefined) process.stdout.write(`cascade ${deployment.name}: a controller is up\n`);
  await runUntilShutdown([role], log);
}
