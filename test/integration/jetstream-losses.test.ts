import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type JetStreamManager, type NatsConnection } from 'nats';
import { filter, firstValueFrom, type Observable, of, race, share, shareReplay, timer } from 'rxjs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type CascadeClient, connectCascade } from '../../actors/client/client.ts';
import { lease$ } from '../../actors/controller/lease.ts';
import { statusActor } from '../../actors/controller/status.ts';
import { durableIngressActor } from '../../actors/durable/durable-ingress.ts';
import { declareStreams, durableConfig } from '../../actors/durable/durable-streams.ts';
import { requestStatus } from '../../actors/operator/ask-status.ts';
import { pushPlan } from '../../actors/operator/push-plan.ts';
import { reportLosses } from '../../actors/processes/serving-context.ts';
import { startActor } from '../../engine/actor/actor.ts';
import type { Bus } from '../../engine/bus/bus.ts';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { type NatsServer, startNatsServer } from '../../engine/bus/nats-server.ts';
import { realClock } from '../../engine/clock.ts';
import { CascadeError } from '../../engine/errors.ts';
import { silentLogger } from '../../engine/log.ts';
import type { GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import type { Answer } from '../../plans/protocol/messages.ts';
import { bucketsOf, durableStreamsOf, subjectsOf } from '../../plans/protocol/subjects.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { type Plane, startPlane } from '../support/plane.ts';
import { planOf } from '../support/plans.ts';

/** A deployment under load whose NATS server loses its stored data. */
const subjects = subjectsOf('test');
const streams = durableStreamsOf('test');
const buckets = bucketsOf('test');
const DEPLOYMENT = { name: 'test', prefix: 'cascade', prepareTimeoutMs: 5_000 };
const MODELS = { models: ['small', 'large'], devices: ['a', 'b'] };
const SAMPLE = { x: Uint8Array.of(1, 90, 90) };
const PATIENT = { timeout: 120_000 };
/** After this, the request was lost with its stream, or the answer takes longer than a test should wait. */
const ANSWERED_WITHIN_MS = 1_000;

let port: number;
let storageFolder: string;
let server: NatsServer;
let deployment: Deployment;

interface Deployment {
  readonly bus: Bus;
  readonly plane: Plane;
  stop(): Promise<void>;
}

const startServer = () => startNatsServer({ jetstream: true, port, storageFolder });

async function startDeployment(storage: 'file' | 'memory'): Promise<Deployment> {
  const bus = await connectNats({ servers: server.url });
  reportLosses(bus, subjects);
  const system = { bus, clock: realClock, log: silentLogger };
  const leading$ = lease$({ ...system, bucket: buckets.lease, owner: 'test' }).pipe(
    shareReplay({ bufferSize: 1, refCount: true }),
  );
  const plan = planOf(MODELS);
  const plane = await new Promise<Plane>((resolve) => {
    const started: Plane = startPlane(bus, realClock, plan, {
      keeper: { bucket: buckets.plans, leading$ },
      frontend: { onReady: () => resolve(started) },
    });
  });
  const durable = durableConfig(DEPLOYMENT, subjects, {
    maxRequests: 10_000,
    maxBytes: 10_000_000,
    maxAgeMs: Number.POSITIVE_INFINITY,
    maxDeliver: 20,
    ackWaitMs: 1_000,
    inFlight: 64,
    keepAnswersMs: 60_000,
    storage,
    replicas: 1,
  });
  await declareStreams(bus.workQueues(), durable);
  const start = { revision: 1, plan };
  const ingress = startActor(durableIngressActor({ name: 'f', durable, deadlineMs: 5_000, serving$: of(true) }), system);
  const status = startActor(statusActor({ deployment: 'test', subjects, start, leading$, durable }), system);
  const actors = [ingress, ...plane.frontends, ...plane.devices.values(), plane.controller, plane.keeper, status];
  return {
    bus,
    plane,
    stop: async () => {
      await Promise.all(actors.map((actor) => actor.stop(0)));
      await bus.close();
    },
  };
}

/** Clients that send and store requests without a pause, and the outcomes. */
class Load {
  readonly failures: string[] = [];
  answered = 0;
  /** By id: when the server acknowledged it. */
  readonly acknowledged = new Map<string, number>();
  readonly heard = new Set<string>();
  readonly #client: CascadeClient;
  readonly #results$: Observable<Answer>;
  readonly #parts: Promise<void>[];
  #stopping = false;

  constructor(client: CascadeClient) {
    this.#client = client;
    this.#results$ = client.results$().pipe(share());
    this.#results$.subscribe(({ id }) => this.heard.add(id));
    this.#parts = [this.#ask(), this.#ask(), this.#enqueue('a'), this.#enqueue('b')];
  }

  get unanswered(): string[] {
    return [...this.acknowledged.keys()].filter((id) => !this.heard.has(id));
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#parts);
  }

  async #ask(): Promise<void> {
    while (!this.#stopping) {
      try {
        await this.#client.infer(SAMPLE, { deadlineMs: 20_000 });
        this.answered++;
      } catch (error) {
        this.failures.push(String(error));
      }
    }
  }

  async #enqueue(name: string): Promise<void> {
    for (let i = 0; !this.#stopping; i++) {
      const id = `${name}${i}`;
      try {
        const answer = firstValueFrom(
          race(this.#results$.pipe(filter((result) => result.id === id)), timer(ANSWERED_WITHIN_MS)),
          {
            defaultValue: undefined,
          },
        );
        await this.#client.enqueue(SAMPLE, { id, timeoutMs: 2_000 });
        this.acknowledged.set(id, performance.now());
        // Only a few wait in the store, however fast this machine is, so that their times show what a deleted stream took with it.
        await answer;
      } catch (error) {
        // Refused with a message, because there is no stream at the moment.
        if (!(error instanceof CascadeError)) throw error;
      }
    }
  }
}

/** Enough more answers and acknowledgements to be sure that both continue. */
async function goesOn(load: Load): Promise<void> {
  const [answered, acknowledged] = [load.answered, load.acknowledged.size];
  await eventually(() => {
    expect(load.answered).toBeGreaterThan(answered + 20);
    expect(load.acknowledged.size).toBeGreaterThan(acknowledged + 20);
  }, PATIENT);
}

const anotherPlan = (threshold: number): GearPlan => planOf({ ...MODELS, threshold });

async function accepts(plan: GearPlan): Promise<void> {
  await eventually(
    async () => expect(await pushPlan(deployment.bus, DEPLOYMENT, plan)).toMatchObject({ accepted: true }),
    PATIENT,
  );
}

beforeEach(async () => {
  port = await freePort();
  storageFolder = mkdtempSync(join(tmpdir(), 'cascade-losses-'));
  server = await startServer();
});

afterEach(async () => {
  await deployment?.stop();
  await server?.stop();
  rmSync(storageFolder, { recursive: true, force: true });
});

describe('under load', () => {
  let client: CascadeClient;
  let nats: NatsConnection;
  let manager: JetStreamManager;
  let load: Load;

  const start = async (storage: 'file' | 'memory'): Promise<void> => {
    deployment = await startDeployment(storage);
    client = await connectCascade({ servers: server.url, deployment: 'test' });
    nats = await connect({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
    manager = await nats.jetstreamManager();
    load = new Load(client);
    await goesOn(load);
    await accepts(anotherPlan(0.6));
  };

  afterEach(async () => {
    await load?.stop();
    await client?.close();
    await nats?.close();
  });

  test('deleted streams are declared again, and acknowledged requests are answered', async () => {
    await start('file');
    const stream = (name: string) => ({
      what: `stream ${name}`,
      name,
      delete: () => manager.streams.delete(name),
      look: () => manager.streams.info(name),
    });
    const bucket = (name: string) => ({ ...stream(`KV_${name}`), what: `bucket ${name}`, name });
    const consumer = {
      what: 'its consumer',
      name: `${streams.requests}.ingress`,
      delete: () => manager.consumers.delete(streams.requests, 'ingress'),
      look: () => manager.consumers.info(streams.requests, 'ingress'),
    };
    const objects = [
      consumer,
      stream(streams.answers),
      stream(streams.dead),
      bucket(buckets.plans),
      bucket(buckets.lease),
      stream(streams.requests),
    ];
    for (const [i, object] of objects.entries()) {
      const before = (await object.look()).created;
      const deletedAt = performance.now();
      await object.delete();
      await eventually(async () => expect((await object.look()).created, object.what).not.toBe(before), PATIENT);
      const thereAgainAt = performance.now();
      await goesOn(load);
      const lost = ([, at]: [string, number]) =>
        object.name === streams.requests && at >= deletedAt - 5_000 && at <= thereAgainAt;
      const kept = [...load.acknowledged].filter((each) => !lost(each)).map(([id]) => id);
      await eventually(
        () =>
          expect(
            kept.filter((id) => !load.heard.has(id)),
            object.what,
          ).toEqual([]),
        PATIENT,
      );
      await accepts(anotherPlan(0.61 + i / 100));
      const { losses, revision } = await requestStatus(deployment.bus, subjects);
      expect(
        losses.map(({ name }) => name),
        object.what,
      ).toContain(object.name);
      expect(revision, object.what).toBe(3 + i);
    }
    await load.stop();
    expect(load.failures).toEqual([]);
  });

  test.each([
    ['keeps its streams in memory', 'memory', (): void => undefined],
    ['finds its folder empty', 'file', (): void => rmSync(storageFolder, { recursive: true })],
  ] as const)('a server that is started again and %s', async (_, storage, meanwhile) => {
    await start(storage);
    server.kill('SIGKILL');
    await server.exited;
    await server.stop();
    meanwhile();
    server = await startServer();
    const thereAgainAt = performance.now();
    await eventually(() => manager.consumers.info(streams.requests, 'ingress'), PATIENT);
    await goesOn(load);
    await accepts(anotherPlan(0.7));
    expect((await requestStatus(deployment.bus, subjects)).revision).toBe(3);
    const kept = [...load.acknowledged].filter(([, at]) => at > thereAgainAt).map(([id]) => id);
    await eventually(() => expect(kept.filter((id) => !load.heard.has(id))).toEqual([]), PATIENT);
    await load.stop();
    expect(load.failures).toEqual([]);
  });

  test('with a store that cannot be written, a plan is rejected with a message, and plain requests are answered', async () => {
    await start('memory');
    // The store's files cannot grow any more, as on a full disk.
    execFileSync('prlimit', ['--pid', String(server.pid), '--fsize=20000:']);
    const large = { ...anotherPlan(0.7), digest: 'x'.repeat(60_000) };
    for (let push = 0; push < 2; push++) {
      const verdict = await pushPlan(deployment.bus, DEPLOYMENT, large);
      expect(verdict).toMatchObject({ accepted: false, reason: expect.stringMatching(/^the plan cannot be stored: /) });
      await goesOn(load);
    }
    await load.stop();
    expect(load.failures).toEqual([]);
  });
});
