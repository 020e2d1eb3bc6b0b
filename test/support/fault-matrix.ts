import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defer, firstValueFrom, retry, tap } from 'rxjs';
import { type CascadeClient, connectCascade } from '../../actors/client/client.ts';
import type { Inputs } from '../../actors/client/request-body.ts';
import type { Status } from '../../actors/controller/status-report.ts';
import { requestStatus } from '../../actors/operator/ask-status.ts';
import type { Bus } from '../../engine/bus/bus.ts';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { type NatsServer, startNatsServer } from '../../engine/bus/nats-server.ts';
import { every, realClock } from '../../engine/clock.ts';
import { CascadeError } from '../../engine/errors.ts';
import { loadLabelledData } from '../../plans/data/load-labelled-data.ts';
import type { Deployment } from '../../plans/domain/deployment/deployment.ts';
import { loadDeployment } from '../../plans/domain/deployment/read-deployment.ts';
import type { Profile } from '../../plans/domain/profile/profile.ts';
import { readProfile } from '../../plans/domain/profile/profile-file.ts';
import { subjectsOf } from '../../plans/protocol/subjects.ts';
import { type Cascade, profileAndPlan, startCascade } from './cascade.ts';
import { fashionOnTwoDevices } from './fashion.ts';

const TARGETS = ['device', 'frontend', 'controller'] as const;
const SIGNALS = ['SIGTERM', 'SIGKILL', 'SIGSTOP'] as const;
export type Fault = { readonly target: (typeof TARGETS)[number]; readonly signal: (typeof SIGNALS)[number] } | 'NATS restart';

/** Each kind of process is terminated, killed and stopped; NATS is restarted. */
export const FAULTS: readonly Fault[] = [
  ...TARGETS.flatMap((target) => SIGNALS.map((signal) => ({ target, signal }))),
  'NATS restart',
];
/** For a deployment with `frontends: in-devices`: a signal hits a device and its frontend at once. */
export const FAULTS_IN_DEVICES: readonly Fault[] = SIGNALS.map((signal) => ({ target: 'device', signal }));
/** Load during the faults, in requests per second. */
export const FAULT_QPS = 1_500;

export function nameOf(fault: Fault): string {
  return fault === 'NATS restart' ? fault : `${fault.signal} to a ${fault.target} process`;
}

/** A sample and each model's answer to it according to the profile. */
interface Question {
  readonly inputs: Inputs;
  readonly labels: ReadonlyMap<string, number>;
}

/** A deployment in separate processes, with two devices and two frontends, and a client. */
export interface FaultWorld {
  server: NatsServer;
  readonly deployment: string;
  readonly bus: Bus;
  readonly client: CascadeClient;
  readonly questions: readonly Question[];
  readonly serving: readonly Cascade[];
  close(): Promise<void>;
}

export interface FaultOutcome {
  readonly offered: number;
  readonly results: number;
  /** Number of errors by code. */
  readonly errors: Readonly<Record<string, number>>;
  /** Requests that the client library ended more than once or never. */
  readonly notOnce: number;
  /** Results that do not belong to the sample that was sent. */
  readonly wrong: number;
  readonly duplicates: number;
  readonly retries: number;
  /** Time from the fault until half a second brings 95 % of the offered load; null if none does before the load ends. */
  readonly recoveredMs: number | null;
  /** Share of the offered load that is answered, from 3 s after the fault to the end of the load. */
  readonly goodputAfter3s: number;
}

const SAMPLES = 400;
/** Samples below this certainty are not asked: scores round differently in another batch, so their label might change. */
const CERTAIN = 0.01;
const DEADLINE_MS = 10_000;
const TICK_MS = 10;
const STOPPED_MS = 5_000;
const WINDOW_MS = 500;
const READY_WITHIN_MS = 60_000;
const ASK_EVERY_MS = 50;

/** Emulated devices on two hosts, two frontends, and a standby controller. */
export function startFaultWorld(): Promise<FaultWorld> {
  const deployment = (url: string): string => `name: faults
synthetic:
  models:
    - { name: small, accuracy: 0.7, fixed: 2ms, perSample: 0.1ms, memory: 1GB }
    - { name: large, accuracy: 0.9, fixed: 4ms, perSample: 0.2ms, memory: 1GB }
  samples: ${SAMPLES}
  classes: 100
  batches: [1, 2, 4, 8, 16, 32, 64]
devices:
  - { id: a, kind: emulated, like: gpu, memory: 16GB }
  - { id: b, kind: emulated, like: gpu, memory: 16GB, host: other }
slo: { p95: 200ms }
deadline: 30s
load: { qpsMax: 3000, ranges: 4 }
frontends: 2
nats: { servers: ["${url}"] }
`;
  return startWorld(deployment, [[], ['--role', 'host', '--host', 'other'], ['--role', 'controller']]);
}

/** Real models on two devices, with `frontends: in-devices`. */
export function startInDevicesWorld(): Promise<FaultWorld> {
  const deployment = (url: string): string =>
    `${fashionOnTwoDevices('faults-in-devices', url, { qpsMax: 3_000, ranges: 4 })}frontends: in-devices\n`;
  return startWorld(deployment, [[]]);
}

/** @param roles arguments of each serving process. */
async function startWorld(deploymentAt: (natsUrl: string) => string, roles: readonly (readonly string[])[]): Promise<FaultWorld> {
  const folder = mkdtempSync(join(tmpdir(), 'cascade-faults-'));
  const server = await startNatsServer({ jetstream: true });
  writeFileSync(join(folder, 'deployment.yaml'), deploymentAt(server.url));
  await profileAndPlan(folder);
  const deployment = loadDeployment(folder);
  const serving = roles.map((role) => startCascade(['serve', folder, ...role, '--log-level', 'error']));
  await Promise.all(serving.map(({ firstLine }) => firstLine));
  const servers = server.url;
  const bus = await connectNats({ servers });
  const client = await connectCascade({ servers, deployment: deployment.name, deadlineMs: DEADLINE_MS, name: 'tester' });
  const world: FaultWorld = {
    server,
    deployment: deployment.name,
    bus,
    client,
    questions: questionsOf(deployment, readProfile(join(folder, 'profile.json'))),
    serving,
    async close() {
      await client.close();
      await bus.close();
      await Promise.all(serving.map((each) => each.stop()));
      await world.server.stop();
      rmSync(folder, { recursive: true });
    },
  };
  return world;
}

/** Questions from the validation samples, whose answers are in the profile. */
function questionsOf(deployment: Deployment, { models, inputs }: Profile): Question[] {
  const data = loadLabelledData(deployment, inputs);
  return Array.from({ length: Math.min(SAMPLES, data.validation.length) }, (_, i) => i)
    .filter((i) => models.every(({ certainties }) => certainties[i] >= CERTAIN))
    .map((i) => {
      const tensors = data.sample(data.validation[i]);
      return {
        inputs: Object.fromEntries(data.specs.map(({ name }, input) => [name, tensors[input].data])),
        labels: new Map(models.map(({ name, predictions }) => [name, predictions[i]])),
      };
    });
}

/** The status of the leading controller, once all parts are up. */
function wholeStatus({ bus, deployment }: FaultWorld): Promise<Status> {
  const whole$ = defer(() => requestStatus(bus, subjectsOf(deployment))).pipe(
    tap((status) => {
      const ready = status.devices.filter(({ phase, silentMs }) => phase === 'ready' && silentMs < 500);
      if (!status.controller.leading || ready.length < 2 || status.frontends.length !== 2)
        throw new Error(`not all are there: ${JSON.stringify(status)}`);
    }),
    retry({ count: READY_WITHIN_MS / ASK_EVERY_MS, delay: ASK_EVERY_MS }),
  );
  return firstValueFrom(whole$);
}

/** Waits until all parts are up again, then asks each question once. @returns how many were answered. */
export async function askAll(world: FaultWorld): Promise<number> {
  await wholeStatus(world);
  const answers = await Promise.allSettled(world.questions.map(({ inputs }) => world.client.infer(inputs)));
  return answers.filter(({ status }) => status === 'fulfilled').length;
}

/** When the fault happens and how long the load lasts, in milliseconds. */
export interface FaultTimes {
  readonly faultAtMs: number;
  readonly loadMs: number;
}

/** For measuring recovery: long enough that even a stopped process has been back for some seconds at the end. */
const MEASURED: FaultTimes = { faultAtMs: 2_000, loadMs: 11_000 };

/** For checking that each request ends: those in flight at the fault, during it and after it. */
export function shortTimes(fault: Fault): FaultTimes {
  const lasts = fault !== 'NATS restart' && fault.signal === 'SIGSTOP' ? STOPPED_MS : 0;
  return { faultAtMs: 1_000, loadMs: 4_000 + lasts };
}

/** Runs a steady load with a fault in the middle, and reports how each request ended. */
export async function runFault(world: FaultWorld, fault: Fault, qps: number, times = MEASURED): Promise<FaultOutcome> {
  const { faultAtMs, loadMs } = times;
  const status = await wholeStatus(world);
  const before = { ...world.client.counts };
  const startedAt = performance.now();
  const endings: { count: number; endedAt: number; ok: boolean }[] = [];
  const errors: Record<string, number> = {};
  let wrong = 0;
  const pending: Promise<void>[] = [];

  const send = (): void => {
    const { inputs, labels } = world.questions[endings.length % world.questions.length];
    const ending = { count: 0, endedAt: 0, ok: false };
    endings.push(ending);
    const end = (ok: boolean): void => {
      ending.count++;
      ending.endedAt = performance.now() - startedAt;
      ending.ok = ok;
    };
    pending.push(
      world.client.infer(inputs).then(
        ({ model, label }) => {
          // With thousands of requests, mixed-up answers could not all have the right label by chance.
          if (labels.get(model) !== label) wrong++;
          end(true);
        },
        (error) => {
          const code = error instanceof CascadeError ? error.code : String(error);
          errors[code] = (errors[code] ?? 0) + 1;
          end(false);
        },
      ),
    );
  };

  let strike: Promise<void> | undefined;
  await new Promise<void>((resolve) => {
    const load = every(realClock, TICK_MS).subscribe(() => {
      const passedMs = performance.now() - startedAt;
      if (passedMs >= faultAtMs) strike ??= strikeWith(world, fault, status);
      if (passedMs >= loadMs) {
        load.unsubscribe();
        resolve();
        return;
      }
      while (endings.length < (passedMs * qps) / 1_000) send();
    });
  });
  await Promise.all([strike, ...pending]);
  const good = endings.filter(({ ok }) => ok).map(({ endedAt }) => endedAt);
  return {
    offered: endings.length,
    results: good.length,
    errors,
    notOnce: endings.filter(({ count }) => count !== 1).length,
    wrong,
    duplicates: world.client.counts.duplicates - before.duplicates,
    retries: world.client.counts.retries - before.retries,
    recoveredMs: recovery(good, qps, times),
    goodputAfter3s: share(good, faultAtMs + 3_000, loadMs, qps),
  };
}

function share(endedAt: readonly number[], fromMs: number, toMs: number, qps: number): number {
  const ended = endedAt.filter((at) => at >= fromMs && at < toMs).length;
  return ended / ((qps * (toMs - fromMs)) / 1_000);
}

function recovery(endedAt: readonly number[], qps: number, { faultAtMs, loadMs }: FaultTimes): number | null {
  for (let from = faultAtMs; from + WINDOW_MS <= loadMs; from += WINDOW_MS / 5) {
    // Skips windows in which the fault cannot show yet.
    if (share(endedAt, from, from + WINDOW_MS, qps) >= 0.95 && share(endedAt, from, loadMs, qps) >= 0.95) return from - faultAtMs;
  }
  return null;
}

async function strikeWith(world: FaultWorld, fault: Fault, status: Status): Promise<void> {
  if (fault === 'NATS restart') {
    const port = Number(new URL(world.server.url).port);
    world.server.kill('SIGKILL');
    await world.server.exited;
    await world.server.stop();
    world.server = await startNatsServer({ port, jetstream: true });
    return;
  }
  const pid = pidOf(fault.target, status);
  process.kill(pid, fault.signal);
  if (fault.signal !== 'SIGSTOP') return;
  await new Promise<void>((resolve) => {
    realClock.after(STOPPED_MS, resolve);
  });
  try {
    process.kill(pid, 'SIGCONT');
  } catch {
    // The supervisor has ended it in the meantime.
  }
}

function pidOf(target: (typeof TARGETS)[number], status: Status): number {
  switch (target) {
    case 'device':
      return status.devices.find(({ device }) => device === 'a')!.pid;
    case 'frontend':
      return status.frontends[0].pid;
    case 'controller':
      return status.controller.pid;
  }
}
