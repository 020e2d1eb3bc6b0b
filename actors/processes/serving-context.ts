import { setTimeout } from 'node:timers/promises';
import { concatMap, filter, map, take } from 'rxjs';
import type { Bus } from '../../engine/bus/bus.ts';
import { describeLoss } from '../../engine/bus/declarations.ts';
import { realClock } from '../../engine/clock.ts';
import { CascadeError } from '../../engine/errors.ts';
import { createLogger, type Logger } from '../../engine/log.ts';
import type { Deployment } from '../../plans/domain/deployment/deployment.ts';
import { loadDeployment } from '../../plans/domain/deployment/read-deployment.ts';
import type { GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import { checkPlanFor, refusePlan } from '../../plans/domain/gear-plan/plan-check.ts';
import { readPlan } from '../../plans/domain/gear-plan/plan-file.ts';
import type { Profile } from '../../plans/domain/profile/profile.ts';
import { readProfile, requireSameSettings } from '../../plans/domain/profile/profile-file.ts';
import { compilePlan } from '../../plans/policy/compiled-plan.ts';
import { bucketsOf, type Subjects, subjectsOf } from '../../plans/protocol/subjects.ts';
import { publishEvent } from '../controller/events.ts';
import { PlanHistory, type Revision } from '../controller/plan-history.ts';
import { startingPlan } from '../controller/stored-plan.ts';
import type { RevisedPlan } from '../frontend/router.ts';
import { connectTo, ROLE_CONNECTS_WITHIN_MS } from './connect.ts';
import { serversOf } from './nats-url.ts';

/** Command-line options that every serving process shares. */
export interface ServeOptions {
  readonly profile?: string;
  readonly plan?: string;
  readonly nats?: string;
  readonly host?: string;
  readonly logLevel?: string;
}

/** What a serving process knows from the start. */
export interface ServingContext {
  readonly deployment: Deployment;
  readonly profile: Profile;
  readonly profileFile: string;
  /** The plan in the file; a different one may be in force, see `initialPlan`. */
  readonly plan: GearPlan;
  readonly subjects: Subjects;
  readonly host: string;
  readonly log: Logger;
  readonly servers: readonly string[];
}

/** Host of devices that name none. */
export const DEFAULT_HOST = 'local';
/** A store that does not answer within this time is unavailable. */
const STORE_WITHIN_MS = 60_000;
const STORE_RETRY_MS = 500;

/** @throws ConfigError for a deployment, profile or plan that cannot be served, or that do not belong together. */
export function readServingContext(deploymentPath: string, options: ServeOptions, role: string): ServingContext {
  const deployment = loadDeployment(deploymentPath, 'anywhere');
  const profileFile = options.profile ?? `${deployment.dir}/profile.json`;
  const profile = readProfile(profileFile);
  requireSameSettings(deployment, profile, profileFile);
  const planFile = options.plan ?? `${deployment.dir}/plan.json`;
  const plan = readPlan(planFile);
  refusePlan(planFile, checkPlanFor(deployment, plan));
  return {
    deployment,
    profile,
    profileFile,
    plan,
    subjects: subjectsOf(deployment.name, deployment.prefix),
    host: options.host ?? DEFAULT_HOST,
    log: createLogger(`cascade-${role}`, options.logLevel ?? 'info'),
    servers: serversOf(deployment, options.nats),
  };
}

/** @param loopback whether actors in this process exchange messages without the server. */
export async function connectServing(serving: ServingContext, role: string, loopback = false): Promise<Bus> {
  const { servers, deployment, log, subjects } = serving;
  const bus = await connectTo(servers, deployment.nats, `cascade-${deployment.name}-${role}`, {
    log,
    loopback,
    connectTimeoutMs: ROLE_CONNECTS_WITHIN_MS,
  });
  reportLosses(bus, subjects);
  return bus;
}

/** Publishes losses as events once we are connected again, because logs alone do not reach operators. */
export function reportLosses(bus: Bus, subjects: Subjects): void {
  const up$ = bus.status$.pipe(
    filter((status) => status === 'up'),
    take(1),
  );
  bus.losses$
    .pipe(
      filter(({ byUs }) => byUs),
      concatMap((loss) => up$.pipe(map(() => loss))),
    )
    .subscribe((loss) => {
      const { kind, name } = loss;
      publishEvent(bus, subjects, { type: 'store-lost', kind, name, text: describeLoss(loss) });
    });
}

/** The plan to start with: the one in force according to the deployment's history, else the file's. */
export async function initialPlan(serving: ServingContext, bus: Bus): Promise<Revision> {
  const givenUpAt = realClock.now() + STORE_WITHIN_MS;
  for (;;) {
    try {
      return await readInitialPlan(serving, bus);
    } catch (error) {
      // A NATS cluster that has just started, or lost a server, has no leader for its store for some seconds.
      if (!(error instanceof CascadeError) || realClock.now() > givenUpAt) throw error;
      serving.log.warn({ reason: error.message }, 'the plan history cannot be reached; trying again');
      await setTimeout(STORE_RETRY_MS);
    }
  }
}

async function readInitialPlan(serving: ServingContext, bus: Bus): Promise<Revision> {
  const { deployment, plan, log } = serving;
  const history = await PlanHistory.open(bus, realClock, bucketsOf(deployment.name, deployment.prefix).plans);
  return startingPlan(
    history,
    plan,
    (stored) => checkPlanFor(deployment, stored),
    (reason) => log.warn({ reason }, 'the stored plan cannot be served; using the plan file'),
  );
}

/** A plan with models and devices numbered as in the deployment, like all plans of a serving process. */
export function compileRevision({ deployment }: ServingContext, { revision, plan }: Revision): RevisedPlan {
  return {
    revision,
    plan: compilePlan(
      plan,
      deployment.devices.map(({ id }) => id),
      deployment.models.map(({ name }) => name),
    ),
  };
}
