import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, headers as natsHeaders } from 'nats';
import { NEVER, startWith } from 'rxjs';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type CascadeClient, createClient } from '../../actors/client/client.ts';
import { lease$ } from '../../actors/controller/lease.ts';
import { beginTerm } from '../../actors/controller/term.ts';
import { durableIngressActor } from '../../actors/durable/durable-ingress.ts';
import { declareStreams, durableConfig } from '../../actors/durable/durable-streams.ts';
import { startActor } from '../../engine/actor/actor.ts';
import type { Bus } from '../../engine/bus/bus.ts';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { startNatsServer } from '../../engine/bus/nats-server.ts';
import { realClock } from '../../engine/clock.ts';
import { silentLogger } from '../../engine/log.ts';
import { encode } from '../../plans/protocol/codec.ts';
import { isFailure } from '../../plans/protocol/messages.ts';
import { bucketsOf, durableStreamsOf, subjectsOf } from '../../plans/protocol/subjects.ts';
import { eventually } from '../support/eventually.ts';
import { startPlane } from '../support/plane.ts';
import { planOf } from '../support/plans.ts';
import { credentialsOf, PASSWORDS } from '../support/roles.ts';

/** A client with client credentials that chooses internal subjects for its answers. */
const subjects = subjectsOf('test');
const streams = durableStreamsOf('test');
const buckets = bucketsOf('test');

const stores = [...Object.values(streams), `KV_${buckets.plans}`, `KV_${buckets.lease}`];
const HOSTILE = [
  ...Object.values(subjects).map((subject) => (typeof subject === 'string' ? subject : subject('d0', 'small'))),
  ...stores.flatMap((store) => [
    `$JS.API.STREAM.PURGE.${store}`,
    `$JS.API.STREAM.DELETE.${store}`,
    `$JS.API.STREAM.MSG.DELETE.${store}`,
    `$JS.API.STREAM.UPDATE.${store}`,
    `$JS.API.STREAM.LEADER.STEPDOWN.${store}`,
    `$JS.API.CONSUMER.DELETE.${store}.ingress`,
    `$JS.API.CONSUMER.PAUSE.${store}.ingress`,
    `$JS.API.CONSUMER.MSG.NEXT.${store}.ingress`,
    `$JS.ACK.${store}.ingress.1.1.1.1.1`,
    `$JS.ACK._.hash.${store}.ingress.1.1.1.1.1`,
  ]),
  '$JS.API.STREAM.CREATE.guess',
  '$JS.API.ACCOUNT.PURGE.CASCADE',
  '$JS.API.META.LEADER.STEPDOWN',
  ...['current', 'last', 'term', 'plan.1'].map((key) => `$KV.${buckets.plans}.${key}`),
  `$KV.${buckets.lease}.controller`,
  '$SRV.PING',
  '$SRV.STATS',
  '$SYS.REQ.SERVER.PING',
  '$SYS.ACCOUNT.CASCADE.CONNECT',
  '_INBOX.internal.guess',
  '_INBOX.operator.guess',
  '_R_.guess.guess',
].map((subject) => subject.replaceAll('*', 'd0').replaceAll('>', 'x'));

const HEADERS: readonly Readonly<Record<string, string>>[] = [
  {},
  { 'Nats-Rollup': 'all' },
  { 'Nats-Rollup': 'sub' },
  { 'Nats-Expected-Last-Sequence': '0' },
  { 'Nats-TTL': '1s' },
  { 'Nats-Schedule': '@every 1s', 'Nats-Schedule-Target': subjects.plan },
];

/** Results subjects that lead elsewhere. */
const RESULTS = ['>', '*', 'a.b', '..control.plan', ' '];

interface Attack {
  readonly subject: string;
  readonly reply: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Each subject as the reply subject of a plain and a stored request, with different headers each time. */
function attackOf(number: number): Attack {
  const stored = Math.floor(number / HOSTILE.length) % 2 === 1;
  const round = Math.floor(number / (2 * HOSTILE.length));
  return {
    subject: stored ? subjects.durable : subjects.infer,
    reply: HOSTILE[number % HOSTILE.length],
    headers: {
      ...HEADERS[(number + round) % HEADERS.length],
      'Cascade-Reply': HOSTILE[(number * 7 + round) % HOSTILE.length],
      'Cascade-Results': RESULTS[number % RESULTS.length],
    },
  };
}

const PATIENT = { timeout: 120_000 };

const closing: (() => Promise<unknown>)[] = [];
let internal: Bus;
let client: CascadeClient;
let url: string;

beforeAll(async () => {
  for (const [name, value] of Object.entries(PASSWORDS)) vi.stubEnv(name, value);
  const store = mkdtempSync(join(tmpdir(), 'cascade-store-'));
  vi.stubEnv('CASCADE_STORE_DIR', store);
  const server = await startNatsServer({ configFile: 'conf/nats/server.conf' });
  url = server.url;
  internal = await connectNats({ servers: url, ...credentialsOf('internal') });
  const asClient = await connectNats({ servers: url, ...credentialsOf('client') });
  closing.push(
    () => asClient.close(),
    () => internal.close(),
    () => server.stop(),
    async () => rmSync(store, { recursive: true }),
  );
  const durable = durableConfig({ name: 'test', prefix: 'cascade' }, subjects, {
    maxRequests: 10_000,
    maxBytes: 100_000_000,
    maxAgeMs: Number.POSITIVE_INFINITY,
    maxDeliver: 20,
    ackWaitMs: 10_000,
    inFlight: 512,
    keepAnswersMs: 60_000,
    storage: 'memory',
    replicas: 1,
  });
  await declareStreams(internal.workQueues(), durable);
  const plan = planOf({ models: ['small', 'large'], devices: ['d0', 'd1'] });
  const plane = startPlane(internal, realClock, plan, { batchMs: () => 1, keeper: { bucket: buckets.plans } });
  const ingress = startActor(
    durableIngressActor({ name: 'f', durable, deadlineMs: 10_000, serving$: NEVER.pipe(startWith(true)) }),
    {
      bus: internal,
      clock: realClock,
      log: silentLogger,
    },
  );
  const actors = [ingress, ...plane.frontends, ...plane.devices.values(), plane.controller, plane.keeper];
  closing.unshift(() => Promise.all(actors.map((actor) => actor.stop(5_000))));
  client = createClient(asClient, realClock, { deployment: 'test', inboxPrefix: credentialsOf('client').inboxPrefix });
});

afterAll(async () => {
  for (const close of closing) await close();
  vi.unstubAllEnvs();
});

test('2,000 stored and 2,000 plain requests are answered while a client asks 1,000 times for answers on internal subjects', async () => {
  const term = await beginTerm(internal, buckets.plans);
  const held: boolean[] = [];
  const lease = lease$({ bus: internal, clock: realClock, log: silentLogger, bucket: buckets.lease, owner: 'test' }).subscribe(
    (holds) => held.push(holds),
  );
  await eventually(() => expect(held).toEqual([true]));
  const results = new Map<string, number>();
  const reading = client.results$('mine').subscribe(({ id }) => results.set(id, (results.get(id) ?? 0) + 1));
  const attacker = await connect({ servers: url, user: 'client', pass: credentialsOf('client').password });
  expect(2 * HOSTILE.length).toBeLessThanOrEqual(1_000);
  let attacks = 0;
  const attack = (count: number): void => {
    for (let i = 0; i < count; i++, attacks++) {
      const { subject, reply, headers } = attackOf(attacks);
      const wire = natsHeaders();
      for (const [name, value] of Object.entries(headers)) wire.set(name, value);
      const data = encode({ id: `attack-${attacks}`, inputs: { x: [attacks % 2, 90, 90] } });
      attacker.publish(subject, data, { reply, headers: wire });
    }
  };
  const plain: Promise<unknown>[] = [];
  const stored: Promise<unknown>[] = [];
  for (let i = 0; i < 2_000; i++) {
    if (i % 2 === 0) attack(1);
    plain.push(client.infer({ x: Uint8Array.of(i % 2, 90, 90) }, { deadlineMs: 60_000 }));
    stored.push(client.enqueue({ x: Uint8Array.of(i % 2, 90, 90) }, { id: `s${i}`, results: 'mine', timeoutMs: 60_000 }));
    if (i % 100 === 99) await attacker.flush();
  }
  expect(attacks).toBe(1_000);
  const labels = (await Promise.all(plain)).map((result) => (result as { label: number }).label);
  expect(labels).toEqual(Array.from({ length: 2_000 }, (_, i) => i % 2));
  await Promise.all(stored);
  await eventually(() => expect(results.size).toBe(2_000), PATIENT);
  // Internals are intact: the streams and buckets exist, the lease is held, the counter continues.
  const store = await internal.keyValue(buckets.lease, { ttlMs: 2_000 });
  const last = await store?.get('controller');
  await eventually(async () => expect((await store?.get('controller'))?.revision).toBeGreaterThan(last?.revision ?? 0), PATIENT);
  // A busy machine may lose it for a moment, but not for good.
  await eventually(() => expect(held.at(-1)).toBe(true), PATIENT);
  expect(await beginTerm(internal, buckets.plans)).toBe(term! + 1);
  await client.enqueue({ x: Uint8Array.of(1, 90, 90) }, { id: 'after', results: 'mine' });
  await eventually(() => expect(results.get('after')).toBe(1), PATIENT);
  lease.unsubscribe();
  reading.unsubscribe();
  await attacker.close();
});

test('the server keeps no reply route to a client whose requests are all answered', async () => {
  const seen: string[] = [];
  const raw = await connect({ servers: url, user: 'client', pass: credentialsOf('client').password });
  raw.subscribe('_INBOX.client.raw', { callback: (_, { data }) => seen.push(Buffer.from(data).toString()) });
  raw.publish(subjects.infer, JSON.stringify({ id: 'one', inputs: { x: [1, 90, 90] } }), { reply: '_INBOX.client.raw' });
  await eventually(() => expect(seen.at(-1)).toBe(''));
  expect(seen).toHaveLength(2);
  expect(isFailure(JSON.parse(seen[0]))).toBe(false);
  await raw.close();
});
