import { connect, headers, type JetStreamManager, type NatsConnection } from 'nats';
import { of, Subject } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { decodeAnswers } from '../../actors/client/answers.ts';
import { type CascadeClient, connectCascade } from '../../actors/client/client.ts';
import { statusActor } from '../../actors/controller/status.ts';
import type { Status } from '../../actors/controller/status-report.ts';
import { durableIngressActor } from '../../actors/durable/durable-ingress.ts';
import { type DurableConfig, declareStreams, durableConfig } from '../../actors/durable/durable-streams.ts';
import { sendFailure } from '../../actors/frontend/answers.ts';
import { requestStatus } from '../../actors/operator/ask-status.ts';
import { type RunningActor, startActor } from '../../engine/actor/actor.ts';
import type { Bus, BusMessage } from '../../engine/bus/bus.ts';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { type NatsServer, startNatsServer } from '../../engine/bus/nats-server.ts';
import { realClock } from '../../engine/clock.ts';
import type { ErrorCode } from '../../engine/errors.ts';
import { silentLogger } from '../../engine/log.ts';
import type { DurableSettings } from '../../plans/domain/deployment/deployment.ts';
import { decode, encode } from '../../plans/protocol/codec.ts';
import type { Answer } from '../../plans/protocol/messages.ts';
import { subjectsOf } from '../../plans/protocol/subjects.ts';
import { planOf } from '../support/plans.ts';
import { resultFor } from '../support/stub-frontend.ts';

const HERE = { name: 'test', prefix: 'cascade' };
const subjects = subjectsOf('test');
const SETTINGS: DurableSettings = {
  maxRequests: 20,
  maxBytes: 10_000_000,
  maxAgeMs: Number.POSITIVE_INFINITY,
  maxDeliver: 3,
  // On a busy machine a consumer may be late with its keep-alive: messages counted below must not be redelivered.
  ackWaitMs: 30_000,
  inFlight: 16,
  keepAnswersMs: 60_000,
  storage: 'file',
  replicas: 1,
};
const PATIENT = { timeout: 120_000 };
/** For tests about consumers that have died. */
const ACK_WAIT_MS = 1_000;

let server: NatsServer;
let bus: Bus;
let client: CascadeClient;
/** A client that only knows NATS. */
let nats: NatsConnection;
let jsm: JetStreamManager;
let answers: Answer[];
let tries: { readonly id: string | undefined; readonly message: BusMessage }[];
/** The frontend's reply to a try. */
let frontend: (message: BusMessage, id: string) => void;
const running: RunningActor[] = [];
const cleanups: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  server = await startNatsServer({ jetstream: true });
  bus = await connectNats({ servers: server.url });
  client = await connectCascade({ servers: server.url, deployment: 'test' });
  nats = await connect({ servers: server.url });
  jsm = await nats.jetstreamManager();
  answers = [];
  tries = [];
  frontend = answerIt;
  bus.messages$(subjects.infer).subscribe((message) => {
    const id = message.header('Cascade-Id');
    tries.push({ id, message });
    frontend(message, id ?? '');
  });
  bus.messages$(`${subjects.results}.>`).subscribe(({ data }) => answers.push(...decodeAnswers(data)));
  bus.messages$(subjects.results).subscribe(({ data }) => answers.push(...decodeAnswers(data)));
  await bus.flush();
});

afterEach(async () => {
  await Promise.all(running.splice(0).map((actor) => actor.stop(0)));
  for (const cleanup of cleanups.splice(0)) await cleanup();
  await Promise.all([bus.close(), client.close(), nats.close()]);
  await server.stop();
});

function answerIt(message: BusMessage, id: string): void {
  bus.publish(message.reply, encode(resultFor(id, 1)));
}

function failWith(code: ErrorCode): (message: BusMessage, id: string) => void {
  return (message, id) => sendFailure(bus, message.reply, id, code, `because of ${code}`, false);
}

const settingOf = (changes: Partial<DurableSettings>): DurableConfig =>
  durableConfig(HERE, subjects, { ...SETTINGS, ...changes });

async function startIngress(
  changes: Partial<DurableSettings> = {},
  on = bus,
  deadlineMs = 5_000,
  clock = realClock,
): Promise<RunningActor> {
  const durable = settingOf(changes);
  await declareStreams(on.workQueues(), durable);
  const actor = startActor(durableIngressActor({ name: 'f', durable, deadlineMs, serving$: of(true) }), {
    bus: on,
    clock,
    log: silentLogger,
  });
  running.push(actor);
  return actor;
}

/** Messages in a stream. */
const count = async (stream: 'durable' | 'dead' | 'answers'): Promise<number> =>
  (await jsm.streams.info(`cascade_test_${stream}`)).state.messages;

const store = (id: string, more: Readonly<Record<string, string>>, body: object = { inputs: { x: 1 } }) => {
  const options = { headers: headers() };
  for (const [name, value] of Object.entries({ 'Cascade-Id': id, ...more })) options.headers.set(name, value);
  return nats.jetstream().publish(subjects.durable, encode(body), options);
};

const answered = (n: number) => vi.waitFor(() => expect(answers).toHaveLength(n), PATIENT);
const emptied = () => vi.waitFor(async () => expect(await count('durable')).toBe(0), PATIENT);

describe('durable ingress', () => {
  it('keeps a request until its answer is published, and no longer', async () => {
    const held: (() => void)[] = [];
    frontend = (message, id) => {
      if (id === 'one') held.push(() => answerIt(message, id));
      else failWith('UNAVAILABLE')(message, id);
    };
    await startIngress({ ackWaitMs: ACK_WAIT_MS, maxDeliver: 5 });
    const { stream, sequence } = await client.enqueue({ x: 1 }, { id: 'one' });
    expect([stream, sequence]).toEqual(['cascade_test_durable', 1]);
    // In progress for longer than a silent consumer may keep a message: until this one has been tried five times.
    await client.enqueue({ x: 1 }, { id: 'beside' });
    await answered(1);
    expect(answers[0]).toMatchObject({ id: 'beside' });
    await vi.waitFor(async () => expect(await count('durable')).toBe(1), PATIENT);
    expect(held).toHaveLength(1);
    held[0]();
    await answered(2);
    expect(answers[1]).toMatchObject({ id: 'one', label: 1 });
    await emptied();
    expect(held).toHaveLength(1);
  });

  it('accepts what any NATS client publishes, unchanged', async () => {
    await startIngress();
    const options = { headers: headers() };
    options.headers.set('Content-Type', 'application/json');
    options.headers.set('Accept', 'application/msgpack');
    options.headers.set('Cascade-Results', 'mine');
    const body = '{"inputs": {"x": [1]}}';
    const acknowledged = await nats.jetstream().publish(subjects.durable, new TextEncoder().encode(body), options);
    nats.publish(subjects.durable, new TextEncoder().encode(body));
    await answered(2);
    const [first] = tries;
    expect(Buffer.from(first.message.data).toString()).toBe(body);
    expect(first.message.header('Content-Type')).toBe('application/json');
    expect(first.message.header('Accept')).toBe('application/msgpack');
    expect(answers.map(({ id }) => id).sort()).toEqual([
      `cascade_test_durable-${acknowledged.seq}`,
      `cascade_test_durable-${acknowledged.seq + 1}`,
    ]);
    await emptied();
    expect(
      (await jsm.streams.getMessage('cascade_test_answers', { last_by_subj: 'cascade.test.results.mine' })).seq,
    ).toBeDefined();
  });

  it('refuses requests that do not fit at once, and accepts more when others are done', async () => {
    frontend = () => undefined;
    await startIngress({ maxRequests: 3 });
    for (let i = 0; i < 3; i++) await client.enqueue({ x: i });
    await expect(client.enqueue({ x: 3 })).rejects.toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      message: expect.stringContaining('cascade.test.durable was not stored: maximum messages exceeded'),
    });
    await vi.waitFor(() => expect(tries).toHaveLength(3), PATIENT);
    answerIt(tries[0].message, 'r0');
    await vi.waitFor(() => client.enqueue({ x: 3 }), PATIENT);
  });

  it('stores a request with the same id once', async () => {
    await startIngress();
    const first = await client.enqueue({ x: 1 }, { id: 'same' });
    const again = await client.enqueue({ x: 1 }, { id: 'same' });
    expect([first.duplicate, again.duplicate, again.sequence]).toEqual([false, true, first.sequence]);
    await client.enqueue({ x: 1 }, { id: 'other' });
    await answered(2);
    await emptied();
    expect(tries.map(({ id }) => id).sort()).toEqual(['other', 'same']);
  });

  it('stores a request even if another client has stored something else under the same id', async () => {
    await startIngress();
    const other = nats.jetstream();
    await other.publish(subjects.durable, encode({ inputs: { x: 2 } }), { msgID: 'order-17' });
    expect(await client.enqueue({ x: 1 }, { id: 'order-17' })).toMatchObject({ duplicate: false });
    await answered(2);
    expect(answers.map(({ id }) => id)).toContain('order-17');
  });

  it.each(['UNAVAILABLE', 'RESOURCE_EXHAUSTED', 'DEADLINE_EXCEEDED', 'INTERNAL'] as const)(
    'tries again after %s, with the same id, and gives one answer',
    async (code) => {
      frontend = (message, id) => (tries.length < 3 ? failWith(code) : answerIt)(message, id);
      await startIngress();
      await client.enqueue({ x: 1 }, { id: 'again' });
      await answered(1);
      await emptied();
      expect(tries.map(({ id }) => id)).toEqual(['again', 'again', 'again']);
      expect(answers).toMatchObject([{ id: 'again', label: 1 }]);
      expect(await count('dead')).toBe(0);
    },
  );

  it.each(['INVALID_ARGUMENT', 'NOT_FOUND'] as const)('accepts %s as the answer', async (code) => {
    frontend = failWith(code);
    await startIngress();
    await client.enqueue({ x: 1 }, { id: 'wrong' });
    await answered(1);
    await emptied();
    expect(answers).toEqual([{ id: 'wrong', error: { code, message: `because of ${code}` } }]);
    expect(tries).toHaveLength(1);
    expect(await count('dead')).toBe(0);
  });

  it('makes a dead letter of a request that fails every time, with the reason, and tells its client', async () => {
    frontend = failWith('INTERNAL');
    await startIngress();
    await client.enqueue({ x: 1 }, { id: 'poison', results: 'mine' });
    await answered(1);
    await emptied();
    expect(tries).toHaveLength(3);
    expect(answers).toMatchObject([
      {
        id: 'poison',
        error: {
          code: 'INTERNAL',
          message: 'because of INTERNAL (given up after 3 tries; kept as message 1 of stream cascade_test_dead)',
        },
      },
    ]);
    const letter = await jsm.streams.getMessage('cascade_test_dead', { seq: 1 });
    expect(decode(letter.data)).toEqual({ id: 'poison', inputs: { x: 1 } });
    const about = ['Cascade-Id', 'Cascade-Results', 'Cascade-Dead-Code', 'Cascade-Dead-Reason', 'Cascade-Dead-Deliveries'];
    expect(about.map((name) => letter.header.get(name))).toEqual(['poison', 'mine', 'INTERNAL', 'because of INTERNAL', '3']);
  });

  it('is in the status of the deployment: waiting requests, those in flight with their tries, and dead letters', async () => {
    const durable = settingOf({ maxDeliver: 2, inFlight: 2 });
    const start = { revision: 1, plan: planOf({ models: ['small'] }) };
    const status = statusActor({ deployment: 'test', subjects, start, leading$: of(true), durable });
    running.push(startActor(status, { bus, clock: realClock, log: silentLogger }));
    const told = (expected: Status['durable']) =>
      vi.waitFor(async () => expect((await requestStatus(bus, subjects)).durable).toEqual(expected), PATIENT);
    await told({ unknown: expect.stringContaining('stream cascade_test_durable: stream not found') });
    frontend = (message, id) => {
      if (id === 'poison') failWith('INTERNAL')(message, id);
    };
    await startIngress({ maxDeliver: 2, inFlight: 2 });
    await client.enqueue({ x: 1 }, { id: 'poison' });
    await answered(1);
    await told({ stored: 0, waiting: 0, inFlight: 0, redelivered: 0, deadLetters: 1 });
    for (const id of ['a', 'b', 'c']) await client.enqueue({ x: 1 }, { id });
    await told({ stored: 3, waiting: 1, inFlight: 2, redelivered: 0, deadLetters: 1 });
    const [a] = tries.filter(({ id }) => id === 'a');
    failWith('UNAVAILABLE')(a.message, 'a');
    await vi.waitFor(() => expect(tries.filter(({ id }) => id === 'a')).toHaveLength(2), PATIENT);
    await told({ stored: 3, waiting: 1, inFlight: 2, redelivered: 1, deadLetters: 1 });
  });

  it('tries again if nobody listens, if nobody answers, and when the frontend is back', async () => {
    const lonely = await connectNats({ servers: server.url });
    cleanups.push(() => lonely.close());
    frontend = () => undefined;
    await startIngress({ maxDeliver: 10 }, lonely, 100);
    await client.enqueue({ x: 1 }, { id: 'patient' });
    await vi.waitFor(() => expect(tries.length).toBeGreaterThanOrEqual(2), PATIENT);
    frontend = answerIt;
    await answered(1);
    await emptied();
    expect(answers).toMatchObject([{ id: 'patient', label: 1 }]);
  });

  it('hands the requests of a dead process to another', async () => {
    const doomed = await connectNats({ servers: server.url });
    frontend = () => undefined;
    await startIngress({ ackWaitMs: ACK_WAIT_MS }, doomed);
    for (let i = 0; i < 10; i++) await client.enqueue({ x: i }, { id: `r${i}` });
    await vi.waitFor(() => expect(tries).toHaveLength(10), PATIENT);
    await doomed.close();
    frontend = answerIt;
    await startIngress({ ackWaitMs: ACK_WAIT_MS });
    await answered(10);
    await emptied();
    expect(new Set(answers.map(({ id }) => id)).size).toBe(10);
  });

  it('makes a dead letter of a request that no process survived, without another try', async () => {
    frontend = () => undefined;
    for (let death = 1; death <= 2; death++) {
      const doomed = await connectNats({ servers: server.url });
      await startIngress({ maxDeliver: 2, ackWaitMs: ACK_WAIT_MS }, doomed);
      if (death === 1) await client.enqueue({ x: 1 }, { id: 'killer' });
      await vi.waitFor(() => expect(tries).toHaveLength(death), PATIENT);
      await doomed.close();
    }
    await startIngress({ maxDeliver: 2, ackWaitMs: ACK_WAIT_MS });
    await answered(1);
    await emptied();
    expect(answers[0]).toMatchObject({ id: 'killer', error: { code: 'UNAVAILABLE', message: /delivered 3 times/ } });
    expect(tries).toHaveLength(2);
    expect(await count('dead')).toBe(1);
  });

  it('counts a deadline from when the request was stored', async () => {
    const durable = durableConfig({ name: 'test', prefix: 'cascade' }, subjects, SETTINGS);
    await declareStreams(bus.workQueues(), durable);
    // Not with `enqueue`, whose deadline includes the time that storing takes.
    await store('late', { 'Cascade-Deadline-Ms': '1' });
    await store('late by its body', {}, { inputs: { x: 1 }, deadlineMs: 1 });
    await client.enqueue({ x: 1 }, { id: 'early', deadlineMs: 600_000 });
    await startIngress();
    await answered(3);
    for (const late of ['late', 'late by its body'])
      expect(answers.find(({ id }) => id === late)).toMatchObject({ error: { code: 'DEADLINE_EXCEEDED' } });
    expect(answers.find(({ id }) => id === 'early')).toMatchObject({ label: 1 });
    expect(tries.map(({ id }) => id)).toEqual(['early']);
    // One try lasts as long as any request of the deployment may, not as long as the stored one may.
    expect(Number(tries[0].message.header('Cascade-Deadline-Ms'))).toBe(5_000);
    await emptied();
  });

  it('has no more requests in flight than its limit', async () => {
    frontend = () => undefined;
    await startIngress({ inFlight: 4 });
    for (let i = 0; i < 12; i++) await client.enqueue({ x: i }, { id: `r${i}` });
    for (let done = 0; done < 12; done++) {
      await vi.waitFor(() => expect(tries.length).toBeGreaterThan(done), PATIENT);
      expect(tries.length - done).toBeLessThanOrEqual(4);
      answerIt(tries[done].message, tries[done].id ?? '');
    }
    await answered(12);
    await emptied();
    expect(new Set(answers.map(({ id }) => id)).size).toBe(12);
  });

  it('keeps answers for clients that were away, once each', async () => {
    await startIngress();
    await client.enqueue({ x: 1 }, { id: 'a' });
    await client.enqueue({ x: 1 }, { id: 'b', results: 'mine' });
    await answered(2);
    await emptied();
    expect(await count('answers')).toBe(2);
  });

  it('answers where a header says, but only on subjects of the client', async () => {
    await startIngress({ keepAnswersMs: 0 });
    const inbox: string[] = [];
    nats.subscribe('my.answers', { callback: (_, { data }) => inbox.push((decode(data) as Answer).id) });
    await nats.flush();
    await store('good', { 'Cascade-Reply': 'my.answers' });
    await store('bad', { 'Cascade-Reply': 'cascade.test.control.gear' });
    await vi.waitFor(() => expect(inbox).toEqual(['good']), PATIENT);
    await answered(1);
    expect(answers[0]).toMatchObject({ id: 'bad', error: { code: 'INVALID_ARGUMENT', message: /is reserved/ } });
    await emptied();
  });

  it('finishes the requests in flight when it drains, and leaves the rest to others', async () => {
    frontend = () => undefined;
    const leaving = await startIngress({ inFlight: 2 });
    for (let i = 0; i < 4; i++) await client.enqueue({ x: i }, { id: `r${i}` });
    await vi.waitFor(() => expect(tries).toHaveLength(2), PATIENT);
    const left = leaving.stop(10_000);
    for (const { message, id } of tries) answerIt(message, id ?? '');
    expect(await left).toBe(true);
    await answered(2);
    await vi.waitFor(async () => expect(await count('durable')).toBe(2), PATIENT);
    expect(tries).toHaveLength(2);
  });

  it('waits until its frontend serves', async () => {
    const serving$ = new Subject<void>();
    const durable = durableConfig({ name: 'test', prefix: 'cascade' }, subjects, SETTINGS);
    await declareStreams(bus.workQueues(), durable);
    const system = { bus, clock: realClock, log: silentLogger };
    running.push(startActor(durableIngressActor({ name: 'f', durable, deadlineMs: 5_000, serving$ }), system));
    await client.enqueue({ x: 1 });
    await expect(jsm.consumers.info('cascade_test_durable', 'ingress')).rejects.toThrow(/not found/);
    serving$.next();
    await answered(1);
  });
});

describe('without a store', () => {
  it('tells the client that enqueues what to do', async () => {
    await expect(client.enqueue({ x: 1 })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/cascade\.test\.durable: nothing was stored; .*nats-server with -js.*durable: \{\}/),
    });
  });

  it('refuses a request that could never be stored', async () => {
    await expect(client.enqueue({ x: 1 }, { id: '' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(client.enqueue({ x: 1 }, { results: 'a.b' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(client.enqueue({ x: 1 }, { deadlineMs: -1 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('names the option to the operator if the server has no JetStream', async () => {
    const plain = await startNatsServer();
    cleanups.push(() => plain.stop());
    const there = await connectNats({ servers: plain.url });
    cleanups.unshift(() => there.close());
    const durable = durableConfig({ name: 'test', prefix: 'cascade' }, subjects, SETTINGS);
    await expect(declareStreams(there.workQueues(), durable)).rejects.toMatchObject({
      name: 'ConfigError',
      message: expect.stringMatching(
        /^durable: the NATS server has no JetStream .* start it with -js.*remove the option `durable`/,
      ),
    });
  });

  it('names the figures if the server cannot store that much', async () => {
    const durable = durableConfig({ name: 'test', prefix: 'cascade' }, subjects, { ...SETTINGS, replicas: 3 });
    await expect(declareStreams(bus.workQueues(), durable)).rejects.toMatchObject({
      name: 'ConfigError',
      message: expect.stringMatching(/^durable: .*cascade_test_durable \(file storage, 10000000 bytes, 3 replicas\): /),
    });
  });

  it.each([3_600_000, -3_600_000])(
    'with a deadline is answered even if the clock of the frontend is %d ms off',
    async (offMs) => {
      await startIngress({}, bus, 5_000, { ...realClock, now: () => realClock.now() + offMs });
      await client.enqueue({ x: 1 }, { id: 'a', deadlineMs: 20_000 });
      await answered(1);
      expect(answers).toEqual([resultFor('a', 1)]);
      await emptied();
    },
  );
});
