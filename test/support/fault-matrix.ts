import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defer, firstValueFrom, retry, tap } from 'rxjs';
import { requestStatus } from '../../actors/ask-status.ts';
import type { Status } from '../../actors/status.ts';
import type { Bus } from '../../engine/bus/bus.ts';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { type CascadeClient, connectCascade } from '../../engine/client/client.ts';
import { every, realClock } from '../../engine/clock.ts';
import { CascadeError } from '../../engine/errors.ts';
import { type NatsServer, startNatsServer } from '../../engine/nats-server.ts';
import type { Result } from '../../engine/wire/messages.ts';
import { subjectsOf } from '../../engine/wire/subjects.ts';
import type { Profile } from '../../plans/profile.ts';
import { readProfile } from '../../plans/profile-file.ts';
import { type Cascade, profileAndPlan, startCascade } from './cascade.ts';

const TARGETS = ['device', 'frontend', 'controller'] as const;
const SIGNALS = ['SIGTERM', 'SIGKILL', 'SIGSTOP'] as const;
export type Fault = { readonly target: (typeof TARGETS)[number]; readonly signal: (typeof SIGNALS)[number] } | 'NATS restart';

/** The matrix: each kind of process ended, killed and stopped; and NATS. */
export const FAULTS: readonly Fault[] = [
  ...TARGETS.flatMap((target) => SIGNALS.map((signal) => ({ target, signal }))),
  'NATS restart',
];
/** Load of the matrix, requests per second. */
export const FAULT_QPS = 1_500;

export function nameOf(fault: Fault): string {
  return fault === 'NATS restart' ? fault : `${fault.signal} to a ${fault.target} process`;
}

/** Every process of a deployment of emulated devices on two hosts, a second controller in waiting, and a client. */
export interface FaultWorld {
  server: NatsServer;
  readonly bus: Bus;
  readonly client: CascadeClient;
  readonly profile: Profile;
  readonly serving: readonly Cascade[];
  close(): Promise<void>;
}

export interface FaultOutcome {
  readonly offered: number;
  readonly results: number;
  /** By code. */
  readonly errors: Readonly<Record<string, number>>;
  /** Requests that ended more than once at the client library, or never. */
  readonly notOnce: number;
  /** Results that are not of the sample that was sent. */
  readonly wrong: number;
  readonly duplicates: number;
  readonly retries: number;
  /** Since the fault, until half a second brings 95 % of what is offered; null when none does before the load ends. */
  readonly recoveredMs: number | null;
  /** Share of the offered load that is answered from 3 s after the fault to the end of the load. */
  readonly goodputAfter3s: number;
}

const DEPLOYMENT = 'faults';
const SAMPLES = 400;
const DEADLINE_MS = 10_000;
const TICK_MS = 10;
const FAULT_AT_MS = 2_000;
const LOAD_MS = 11_000;
const STOPPED_MS = 5_000;
const WINDOW_MS = 500;
const READY_WITHIN_MS = 60_000;
const ASK_EVERY_MS = 50;

export async function startFaultWorld(): Promise<FaultWorld> {
  const folder = mkdtempSync(join(tmpdir(), 'cascade-faults-'));
  const server = await startNatsServer({ jetstream: true });
  writeFileSync(
    join(folder, 'deployment.yaml'),
    `name: ${DEPLOYMENT}
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
load: { qpsMax: 3000, ranges: 4 }
frontends: 2
nats: { servers: ["${server.url}"] }
`,
  );
  await profileAndPlan(folder);
  const quiet = ['--log-level', 'error'];
  const other = startCascade(['serve', folder, '--role', 'host', '--host', 'other', ...quiet]);
  const main = startCascade(['serve', folder, ...quiet]);
  const waiting = startCascade(['serve', folder, '--role', 'controller', ...quiet]);
  const serving = [main, other, waiting];
  await Promise.all(serving.map(({ firstLine }) => firstLine));
  const servers = server.url;
  const bus = await connectNats({ servers });
  const client = await connectCascade({ servers, deployment: DEPLOYMENT, deadlineMs: DEADLINE_MS, name: 'tester' });
  const world: FaultWorld = {
    server,
    bus,
    client,
    profile: readProfile(join(folder, 'profile.json')),
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

/** The status by the controller that leads, when all parts are there. */
function wholeStatus({ bus }: FaultWorld): Promise<Status> {
  const whole$ = defer(() => requestStatus(bus, subjectsOf(DEPLOYMENT))).pipe(
    tap((status) => {
      const ready = status.devices.filter(({ phase, silentMs }) => phase === 'ready' && silentMs < 500);
      if (!status.controller.leading || ready.length < 2 || status.frontends.length !== 2)
        throw new Error(`not all are there: ${JSON.stringify(status)}`);
    }),
    retry({ count: READY_WITHIN_MS / ASK_EVERY_MS, delay: ASK_EVERY_MS }),
  );
  return firstValueFrom(whole$);
}

/** Steady load, a fault in the middle of it, and what became of each request. */
export async function runFault(world: FaultWorld, fault: Fault, qps: number): Promise<FaultOutcome> {
  const status = await wholeStatus(world);
  const before = { ...world.client.counts };
  const startedAt = performance.now();
  const endings: { count: number; endedAt: number; ok: boolean }[] = [];
  const errors: Record<string, number> = {};
  let wrong = 0;
  const pending: Promise<void>[] = [];

  const send = (): void => {
    const sample = endings.length % SAMPLES;
    const ending = { count: 0, endedAt: 0, ok: false };
    endings.push(ending);
    const end = (ok: boolean): void => {
      ending.count++;
      ending.endedAt = performance.now() - startedAt;
      ending.ok = ok;
    };
    pending.push(
      world.client.infer({ sample: [sample] }).then(
        (result) => {
          if (!isOf(result, sample, world.profile)) wrong++;
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
      if (passedMs >= FAULT_AT_MS) strike ??= strikeWith(world, fault, status);
      if (passedMs >= LOAD_MS) {
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
    recoveredMs: recovery(good, qps),
    goodputAfter3s: share(good, FAULT_AT_MS + 3_000, LOAD_MS, qps),
  };
}

/** Its label is what one of the models says of this sample; of a hundred classes, that is no accident. */
function isOf(result: Result, sample: number, profile: Profile): boolean {
  const model = profile.models.find(({ name }) => name === result.model);
  return model !== undefined && model.predictions[sample] === result.label;
}

function share(endedAt: readonly number[], fromMs: number, toMs: number, qps: number): number {
  const ended = endedAt.filter((at) => at >= fromMs && at < toMs).length;
  return ended / ((qps * (toMs - fromMs)) / 1_000);
}

function recovery(endedAt: readonly number[], qps: number): number | null {
  for (let from = FAULT_AT_MS; from + WINDOW_MS <= LOAD_MS; from += WINDOW_MS / 5) {
    // Not before the fault can show.
    if (share(endedAt, from, from + WINDOW_MS, qps) >= 0.95 && share(endedAt, from, LOAD_MS, qps) >= 0.95)
      return from - FAULT_AT_MS;
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
    // Its supervisor has ended it meanwhile.
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
