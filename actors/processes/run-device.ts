import { randomUUID } from 'node:crypto';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { catchError } from 'rxjs';
import type { Actor } from '../../engine/actor/actor.ts';
import { supervise } from '../../engine/actor/supervisor.ts';
import type { Backend } from '../../engine/backend/backend.ts';
import { createOnnxBackend } from '../../engine/backend/onnx-backend.ts';
import type { Bus } from '../../engine/bus/bus.ts';
import { realClock } from '../../engine/clock.ts';
import { ConfigError, messageOf } from '../../engine/errors.ts';
import { stayAwake } from '../../engine/process/stay-awake.ts';
import { createRandom } from '../../engine/random.ts';
import type { Tracing } from '../../engine/tracing/tracing.ts';
import type { Deployment, Device } from '../../plans/domain/deployment/deployment.ts';
import { auxiliaryOf, judgeOfModel, taskOf } from '../../plans/domain/task/task-of.ts';
import { backlogFromMs } from '../../plans/policy/gear-choice.ts';
import { type DeviceOptions, deviceActor } from '../device/device.ts';
import { plannedWeights } from '../device/weights/planned-weights.ts';
import { claimOfProcess } from './claim.ts';
import { exitHungProcess } from './exit-hung-process.ts';
import { MAX_FAILED_STARTS, reportReady, runConnected, runUntilShutdown } from './life.ts';
import { compileRevision, connectServing, initialPlan, type ServingContext } from './serving-context.ts';
import { startFrontend } from './start-frontend.ts';
import { traced } from './traced.ts';

const LOOP_DELAY_RESOLUTION_MS = 1;
const FRONTEND = Symbol('frontend');
/** Longer than most idle gaps of a core under some load, and short enough to cost almost nothing without load. */
const STAY_AWAKE_MS = 0.2;
/** Less than the heartbeat interval, but more than the time between the heartbeats of one process. */
const SHARED_FOR_MS = 50;

/** The process of one device. Emulated devices of a host share a process, because they only wait; each still has its own actor. */
export function runDevices(serving: ServingContext, ids: readonly string[]): Promise<void> {
  const devices = devicesNamed(serving, ids);
  // Emulated devices stand for separate processes, so messages between them must pass through the server.
  const loopback = !isEmulated(devices);
  const role = ids.length === 1 ? `device-${ids[0]}` : 'devices';
  return traced(role, serving.log, (tracing) =>
    runConnected(connectServing(serving, role, loopback), (bus) => serveDevices(serving, devices, bus, tracing)),
  );
}

function devicesNamed({ deployment }: ServingContext, ids: readonly string[]): Device[] {
  const devices = ids.map((id) => {
    const device = deployment.devices.find((known) => known.id === id);
    if (device !== undefined) return device;
    throw new ConfigError(`--device ${id}: the deployment has ${deployment.devices.map((known) => known.id).join(', ')}`);
  });
  if (devices.length > 1 && devices.some(({ kind }) => kind !== 'emulated'))
    throw new ConfigError(`--device ${ids.join(',')}: only emulated devices share a process; name one`);
  return devices;
}

/** All devices in a process are of the same kind. */
function isEmulated([{ kind }]: readonly Device[]): boolean {
  return kind === 'emulated';
}

async function serveDevices(
  serving: ServingContext,
  devices: readonly Device[],
  bus: Bus,
  tracing: Tracing | undefined,
): Promise<void> {
  const { deployment, log } = serving;
  const options = await Promise.all(devices.map((device) => optionsOf(serving, device)));
  const loopDelayMsP99 = watchLoopDelay();
  const plan = compileRevision(serving, await initialPlan(serving, bus));
  const withFrontend = deployment.frontends === 'in-devices';
  const ids = devices.map(({ id }) => id);
  const loading = new Set<string | typeof FRONTEND>(withFrontend ? [...ids, FRONTEND] : ids);
  // Restarted actors report ready more than once.
  const onReady = (part: string | typeof FRONTEND): void => {
    if (loading.delete(part) && loading.size === 0) reportReady();
  };
  // Before the devices' actors, which would have to be stopped if this fails.
  const ingress = withFrontend ? [await startFrontend(serving, bus, plan, () => onReady(FRONTEND), tracing)] : [];
  // Emulated devices wait for timers.
  const awake = isEmulated(devices) ? {} : { onIdle: stayAwake(STAY_AWAKE_MS) };
  const actors = options.map((each) => {
    let hasBeenReady = false;
    const actor = deviceActor({
      ...each,
      ...awake,
      plan,
      tracing,
      loopDelayMsP99,
      onReady: () => {
        hasBeenReady = true;
        onReady(each.device);
      },
      onHung: () => exitHungProcess(ingress, bus, realClock, killThis),
    });
    return givenUpInTime(actor, () => hasBeenReady);
  });
  // Drain the frontend first, so that the devices compute what it has accepted.
  await runUntilShutdown([...ingress, supervise(actors, { bus, clock: realClock, log })], log);
}

/** The actor, but without endless restarts: if it never becomes ready, it is given up after some attempts. */
function givenUpInTime(actor: Actor, hasBeenReady: () => boolean): Actor {
  let failedStarts = 0;
  return {
    ...actor,
    behaviour: (context) =>
      actor.behaviour(context).pipe(
        catchError((error) => {
          if (hasBeenReady() || error instanceof ConfigError || ++failedStarts < MAX_FAILED_STARTS) throw error;
          throw new ConfigError(`${actor.name} cannot start: ${messageOf(error)} (${failedStarts} times)`);
        }),
      ),
  };
}

/** `process.exit` would wait for the inference thread, which is what hangs. */
function killThis(): void {
  process.kill(process.pid, 'SIGKILL');
}

async function optionsOf(
  serving: ServingContext,
  device: Device,
): Promise<Omit<DeviceOptions, 'plan' | 'loopDelayMsP99' | 'onReady' | 'onHung'>> {
  const { deployment, profile, subjects, log } = serving;
  const recorded = device.kind === 'emulated' ? { ...deployment, certainty: RECORDED } : deployment;
  const judges = deployment.models.map((model) => judgeOfModel(recorded, model));
  const task = taskOf(deployment);
  return {
    device: device.id,
    host: device.host,
    claim: claimOfProcess(),
    subjects,
    specs: profile.inputs,
    warmUp: profile.warmUp,
    weightsOf: plannedWeights(deployment, profile, device, log),
    models: deployment.models.map(({ name }) => name),
    memoryBytes: device.memoryBytes,
    classes: profile.classNames ?? deployment.classes,
    judge: (output, row, model) => judges[model](output, row),
    audit: deployment.audit && {
      settings: deployment.audit,
      // Unpredictable, so that nobody can foresee which requests are drawn.
      random: createRandom(randomUUID()),
      agree: (a, b) => task.agreement(a, b) === 1,
    },
    urgentBacklogMs: backlogFromMs(deployment.gearRule),
    createBackend: await backendFactory(serving, device),
  };
}

/** Emulated devices return recorded certainties, whatever the estimator. */
const RECORDED = { output: 'recorded certainty' };

/** A process loads only what its kind of device needs. */
async function backendFactory(serving: ServingContext, device: Device): Promise<() => Backend> {
  switch (device.kind) {
    case 'remote': {
      const { remoteBackend } = await import('./remote-device.ts');
      return () => remoteBackend(serving, device);
    }
    case 'emulated': {
      const { emulatedBackend } = await import('./emulated-device.ts');
      return () => emulatedBackend(serving, device);
    }
    case 'cuda':
    case 'cpu':
      return () => onnxBackend(serving, device);
  }
}

function onnxBackend({ deployment, profile }: ServingContext, device: Extract<Device, { kind: 'cpu' | 'cuda' }>): Backend {
  return createOnnxBackend({
    ...(device.kind === 'cuda'
      ? { kind: 'cuda', deviceId: device.deviceId }
      : { kind: 'cpu', threads: threadsOf(device), threadsOfMachine: threadsOn(deployment, device.host), cores: device.cores }),
    inputs: deployment.inputs,
    specs: profile.inputs,
    auxiliary: auxiliaryOf(deployment),
  });
}

/** Inference threads of a device. */
function threadsOf(device: Device): number {
  return device.kind === 'cpu' ? (device.cores?.length ?? 1) : 0;
}

function threadsOn({ devices }: Deployment, host: string): number {
  return devices.filter((device) => device.host === host).reduce((sum, device) => sum + threadsOf(device), 0);
}

/** 99th percentile of the event loop delay since the last heartbeat; devices in a process share the loop. */
function watchLoopDelay(): () => number {
  const histogram = monitorEventLoopDelay({ resolution: LOOP_DELAY_RESOLUTION_MS });
  histogram.enable();
  let readAt = Number.NEGATIVE_INFINITY;
  let p99 = 0;
  return () => {
    // The first device that asks in an interval reads it for all.
    if (performance.now() - readAt < SHARED_FOR_MS) return p99;
    readAt = performance.now();
    // The histogram starts at one resolution step; the delay is what exceeds it.
    const delay = Math.max(0, histogram.percentile(99) / 1e6 - LOOP_DELAY_RESOLUTION_MS);
    histogram.reset();
    p99 = Number.isFinite(delay) ? delay : 0;
    return p99;
  };
}
