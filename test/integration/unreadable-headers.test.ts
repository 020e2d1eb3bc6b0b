import { of } from 'rxjs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { decodeAnswers } from '../../actors/client/answers.ts';
import { type CascadeClient, createClient } from '../../actors/client/client.ts';
import { durableIngressActor } from '../../actors/durable/durable-ingress.ts';
import { declareStreams, durableConfig } from '../../actors/durable/durable-streams.ts';
import { type RunningActor, startActor } from '../../engine/actor/actor.ts';
import type { Bus } from '../../engine/bus/bus.ts';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { type NatsServer, startNatsServer } from '../../engine/bus/nats-server.ts';
import { realClock } from '../../engine/clock.ts';
import { silentLogger } from '../../engine/log.ts';
import { encode } from '../../plans/protocol/codec.ts';
import type { Answer } from '../../plans/protocol/messages.ts';
import { durableStreamsOf, subjectsOf } from '../../plans/protocol/subjects.ts';
import { eventually } from '../support/eventually.ts';
import { startPlane } from '../support/plane.ts';
import { planOf } from '../support/plans.ts';
import { publishRaw } from '../support/publish-raw.ts';

/** The NATS server passes on headers that the client library throws at when they are read. */
const UNREADABLE: readonly Readonly<Record<string, string>>[] = [
  { 'My Key': '1' },
  { Schlüssel: '1', 'Cascade-Deadline-Ms': '100' },
  { 'Cascade-Id': 'two\nlines' },
  { 'Content-Type': 'application/json', 'Cascade Reply': 'elsewhere' },
];
const REQUEST = encode({ id: 'a', inputs: { x: [1, 90] } });
const REFUSED = {
  id: expect.any(String),
  error: { code: 'INVALID_ARGUMENT', message: expect.stringMatching(/^headers: .*; use names of printable ASCII/) },
};

const subjects = subjectsOf('test');
let server: NatsServer;
let bus: Bus;
let client: CascadeClient;
let actors: RunningActor[];

beforeEach(async () => {
  server = await startNatsServer({ jetstream: true });
  bus = await connectNats({ servers: server.url });
  const durable = durableConfig({ name: 'test', prefix: 'cascade' }, subjects, {
    maxRequests: 100,
    maxBytes: 1_000_000,
    maxAgeMs: Number.POSITIVE_INFINITY,
    maxDeliver: 3,
    ackWaitMs: 30_000,
    inFlight: 16,
    keepAnswersMs: 60_000,
    storage: 'memory',
    replicas: 1,
  });
  await declareStreams(bus.workQueues(), durable);
  const plane = startPlane(bus, realClock, planOf({ models: ['small'] }), { batchMs: () => 1 });
  const ingress = durableIngressActor({ name: 'f', durable, deadlineMs: 10_000, serving$: of(true) });
  const started = startActor(ingress, { bus, clock: realClock, log: silentLogger });
  actors = [started, ...plane.frontends, ...plane.devices.values(), plane.controller, plane.keeper];
  client = createClient(bus, realClock, { deployment: 'test', name: 'victim' });
  expect(await client.infer({ x: [1, 90] })).toMatchObject({ label: 1 });
});

afterEach(async () => {
  await client.close();
  await Promise.all(actors.map((actor) => actor.stop(5_000)));
  await bus.close();
  await server.stop();
});

/** Everybody is alive, and still serves. */
async function expectServing(): Promise<void> {
  expect(await client.infer({ x: [1, 90] })).toMatchObject({ label: 1 });
  for (const { name, restarts } of actors) expect({ name, restarts }).toEqual({ name, restarts: 0 });
}

test('a request with unreadable headers is refused on its reply subject', async () => {
  const answers: Answer[] = [];
  bus.messages$('own').subscribe(({ data }) => answers.push(...decodeAnswers(data)));
  await bus.flush();
  await publishRaw(
    server.url,
    UNREADABLE.map((headers) => ({ subject: subjects.infer, reply: 'own', data: REQUEST, headers })),
  );
  await eventually(() => expect(answers).toEqual(UNREADABLE.map(() => REFUSED)));
  await expectServing();
});

test('a stored request with unreadable headers is refused on the results subject, and leaves the store', async () => {
  const answers: Answer[] = [];
  bus.messages$(subjects.results).subscribe(({ data }) => answers.push(...decodeAnswers(data)));
  await bus.flush();
  await publishRaw(
    server.url,
    UNREADABLE.map((headers) => ({ subject: subjects.durable, data: REQUEST, headers })),
  );
  await client.enqueue({ x: [1, 90] }, { id: 'good' });
  await eventually(() => expect(answers).toHaveLength(UNREADABLE.length + 1));
  expect(answers.filter(({ id }) => id === 'good')).toMatchObject([{ label: 1 }]);
  expect(answers.filter(({ id }) => id !== 'good')).toEqual(UNREADABLE.map(() => ({ ...REFUSED, id: 'a' })));
  await eventually(async () => expect(await bus.workQueues().count(durableStreamsOf('test').requests)).toBe(0));
  await expectServing();
});

test('an empty message with unreadable headers does not disturb the client on whose inbox it arrives', async () => {
  await publishRaw(
    server.url,
    UNREADABLE.map((headers) => ({ subject: '_INBOX.victim.guess', data: new Uint8Array(0), headers })),
  );
  await expectServing();
});
