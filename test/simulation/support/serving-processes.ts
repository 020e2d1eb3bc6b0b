import { Subject, shareReplay } from 'rxjs';
import { gearControllerActor } from '../../../actors/controller/gear-controller.ts';
import { lease$ } from '../../../actors/controller/lease.ts';
import { PlanHistory } from '../../../actors/controller/plan-history.ts';
import { planKeeperActor } from '../../../actors/controller/plan-keeper.ts';
import { statusActor } from '../../../actors/controller/status.ts';
import { startingPlan } from '../../../actors/controller/stored-plan.ts';
import { beginTerm } from '../../../actors/controller/term.ts';
import { deviceActor } from '../../../actors/device/device.ts';
import { frontendActor } from '../../../actors/frontend/frontend.ts';
import { loadEstimatorActor } from '../../../actors/frontend/load-estimator.ts';
import type { RevisedPlan } from '../../../actors/frontend/router.ts';
import { exitHungProcess } from '../../../actors/processes/exit-hung-process.ts';
import { type SupervisedActor, startActor } from '../../../engine/actor/actor.ts';
import type { Backend } from '../../../engine/backend/backend.ts';
import type { Clock } from '../../../engine/clock.ts';
import type { TensorSpec } from '../../../engine/tensor/tensor.ts';
import type { GearPlan } from '../../../plans/domain/gear-plan/gear-plan.ts';
import { compilePlan } from '../../../plans/policy/compiled-plan.ts';
import { DEFAULT_GEAR_RULE } from '../../../plans/policy/gear-choice.ts';
import { subjectsOf } from '../../../plans/protocol/subjects.ts';
import { judgedBy } from '../../support/judges.ts';
import { testWeights } from '../../support/test-weights.ts';
import type { Shape } from './fault-plan.ts';
import type { ProcessContext, ProcessSpec } from './supervised-process.ts';

export const DEPLOYMENT = 'test';
export const SUBJECTS = subjectsOf(DEPLOYMENT);

const SPECS: readonly TensorSpec[] = [{ name: 'x', dtype: 'uint8', shape: [4], pad: 0 }];
const BUCKET = 'cascade_test';
const DEADLINE_MS = 2_000;
/** Short, because a run is short. */
const PREPARE_TIMEOUT_MS = 1_000;
const LEASE_TTL_MS = 1_000;
const DEVICE = 'device-';

type Start = ProcessSpec['start'];

/** What each kind of process runs, like its main in actors/processes. */
export function servingProcesses(shape: Shape, backend: (device: string, clock: Clock) => Backend): ReadonlyMap<string, Start> {
  const processes = new Map<string, Start>();
  for (const device of shape.plan.devices) processes.set(`${DEVICE}${device}`, deviceProcess(shape, device, backend));
  const frontends = shape.frontends === 'in-devices' ? 0 : shape.frontends;
  for (let i = 0; i < frontends; i++) processes.set(`frontend-${i}`, frontendProcess(shape, i));
  for (let i = 0; i < shape.controllers; i++) processes.set(`controller-${i}`, controllerProcess(shape, i));
  return processes;
}

/** The parts of a process that are watched under their own names: a device process with a frontend has two. */
export function partsOf({ frontends }: Shape, process: string): readonly string[] {
  if (frontends !== 'in-devices' || !process.startsWith(DEVICE)) return [process];
  return [process, frontendIn(process)];
}

function frontendIn(deviceProcess: string): string {
  return `frontend-${deviceProcess.slice(DEVICE.length)}`;
}

/** Problems of a plan: enough checks to refuse one. */
function check(plan: GearPlan): string[] {
  return plan.deployment === DEPLOYMENT ? [] : [`deployment: ${plan.deployment}, not ${DEPLOYMENT}`];
}

async function startOf({ plan }: Shape, { bus, clock, log }: ProcessContext): Promise<RevisedPlan & { raw: GearPlan }> {
  const history = await PlanHistory.open(bus, clock, BUCKET);
  const start = await startingPlan(history, plan, check, (reason) => log.warn({ reason }, 'the stored plan cannot be served'));
  return { revision: start.revision, plan: compilePlan(start.plan, plan.devices), raw: start.plan };
}

function deviceProcess(shape: Shape, device: string, backend: (device: string, clock: Clock) => Backend): Start {
  const { models } = shape.plan;
  const batchMs = (model: number, size: number): number => shape.firstMs[model] + (size - 1) * shape.moreMs[model];
  return async (context) => {
    const plan = await startOf(shape, context);
    const withFrontend = shape.frontends === 'in-devices';
    const ingress = withFrontend
      ? startFrontend(shape, device, plan, context, context.part(frontendIn(`${DEVICE}${device}`)))
      : [];
    const actor = startActor(
      deviceActor({
        device,
        host: 'simulated',
        subjects: SUBJECTS,
        plan,
        specs: SPECS,
        warmUp: [],
        weightsOf: testWeights(batchMs),
        models,
        memoryBytes: models.length,
        classes: undefined,
        judge: judgedBy({ output: 'recorded certainty' }, 'probabilities'),
        createBackend: () => backend(device, context.clock),
        loopDelayMsP99: () => 0,
        bounds: { requests: shape.maxQueue, bytes: Number.POSITIVE_INFINITY },
        onHung: () => exitHungProcess(ingress, context.bus, context.clock, context.exit),
        pid: context.pid,
      }),
      context,
    );
    // Requests that the frontend has accepted are computed before the device leaves.
    return [ingress, [actor]];
  };
}

function frontendProcess(shape: Shape, number: number): Start {
  return async (context) => [startFrontend(shape, number, await startOf(shape, context), context, context)];
}

/** A frontend and its sibling actor. Its name is new at each start. */
function startFrontend(
  shape: Shape,
  where: number | string,
  plan: RevisedPlan,
  { incarnation, pid }: ProcessContext,
  system: Parameters<typeof startActor>[1],
): SupervisedActor[] {
  const name = `f${where}-${incarnation}`;
  const arrivals$ = new Subject<number>();
  return [
    frontendActor({
      name,
      subjects: SUBJECTS,
      plan,
      specs: SPECS,
      largestBatch: 8,
      deadlineMs: DEADLINE_MS,
      arrivals$,
      maxInFlight: shape.maxInFlight,
    }),
    loadEstimatorActor({ frontend: name, subjects: SUBJECTS, arrivals$, pid }),
  ].map((actor) => startActor(actor, system));
}

function controllerProcess(shape: Shape, number: number): Start {
  return async (context) => {
    const { raw, ...start } = await startOf(shape, context);
    const leading$ = lease$({
      ...context,
      bucket: `${BUCKET}_lease`,
      owner: `${number} ${context.pid}`,
      ttlMs: LEASE_TTL_MS,
    }).pipe(shareReplay({ bufferSize: 1, refCount: true }));
    const revision = { revision: start.revision, plan: raw };
    const actors: SupervisedActor[] = [
      gearControllerActor({
        subjects: SUBJECTS,
        plan: start,
        rule: DEFAULT_GEAR_RULE,
        leading$,
        beginTerm: () => beginTerm(context.bus, BUCKET),
      }),
      planKeeperActor({
        subjects: SUBJECTS,
        bucket: BUCKET,
        start: revision,
        wanted: shape.plan,
        check,
        leading$,
        prepareTimeoutMs: PREPARE_TIMEOUT_MS,
      }),
    ].map((actor) => startActor(actor, context));
    const status = { deployment: DEPLOYMENT, subjects: SUBJECTS, start: revision, leading$, actors: () => actors };
    actors.push(startActor(statusActor(status), context));
    return [actors];
  };
}
