import { execFileSync } from 'node:child_process';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { failureOf } from '../../actors/client/answers.ts';
import { createClient, type SharedClient } from '../../actors/client/client.ts';
import { encodeBodies } from '../../actors/load/bodies.ts';
import { LoadSender } from '../../actors/load/load-sender.ts';
import { type LoadOutcome, type LoadRun, runOpenLoop } from '../../actors/load/open-loop.ts';
import type { SenderConnection } from '../../actors/load/sender-protocol.ts';
import type { Bus } from '../../engine/bus/bus.ts';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { startNatsServer } from '../../engine/bus/nats-server.ts';
import { realClock } from '../../engine/clock.ts';
import { subjectsOf } from '../../plans/protocol/subjects.ts';
import { eventually } from '../support/eventually.ts';
import { resultFor, type StubRequest, stubFrontend } from '../support/stub-frontend.ts';

const cleanups: (() => Promise<unknown>)[] = [];
let bus: Bus;
let client: SharedClient;
let connection: SenderConnection;
let url: string;

beforeEach(async () => {
  const server = await startNatsServer();
  url = server.url;
  bus = await connectNats({ servers: url });
  client = createClient(await connectNats({ servers: url }), realClock, { deployment: 'test' });
  cleanups.push(
    () => server.stop(),
    () => bus.close(),
    () => client.close(),
  );
  const unset = { user: undefined, password: undefined, token: undefined, credsFile: undefined, nkeyFile: undefined };
  connection = { servers: [url], nats: { servers: [url], ...unset, inboxPrefix: undefined, replicas: 1, tls: undefined } };
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const inputsOf = (sample: number) => ({ x: sample });

function load(arrivalsMs: readonly number[], options: Partial<LoadRun> = {}) {
  const outcomes: LoadOutcome[] = [];
  const end = runOpenLoop({
    bus,
    client,
    connection,
    subject: subjectsOf('test').infer,
    deadlineMs: 60_000,
    arrivalsMs: Float64Array.from(arrivalsMs),
    samples: arrivalsMs.map((_, i) => i),
    inputsOf,
    onOutcome: (outcome) => outcomes.push(outcome),
    ...options,
  });
  return { outcomes, end };
}

/** The behaviour for a request's only number. */
const sampleOf = (request: StubRequest): number => request.inputs.x as number;

test('reports how each request ended, and retries what the client library would retry', async () => {
  const asked: number[] = [];
  await stubFrontend(bus, (request) => {
    const sample = sampleOf(request);
    const again = asked.includes(sample);
    asked.push(sample);
    // Requests from the sending thread have no id of their own.
    const id = request.id ?? 'made up';
    if (sample === 1) request.answer(failureOf(id, 'RESOURCE_EXHAUSTED', 'overloaded'));
    else if (sample === 2 && !again) request.answer(failureOf(id, 'UNAVAILABLE', 'no replica'));
    else if (sample === 3) request.answer(failureOf(id, 'INVALID_ARGUMENT', 'what is x?'));
    else if (sample === 4) request.answer(failureOf(id, 'DEADLINE_EXCEEDED', 'too late'));
    else {
      request.answer(resultFor(id, sample));
      if (sample === 0) request.answer(resultFor(id, sample));
    }
  });
  const { outcomes, end } = load([0, 10, 20, 30, 40, 50]);
  expect(await end).toMatchObject({ sent: 6, duplicates: 1, generatorLagMs: { p50: expect.any(Number) } });
  const byRequest = outcomes.toSorted((a, b) => a.request - b.request);
  expect(byRequest.map(({ outcome }) => outcome)).toEqual(['completed', 'rejected', 'completed', 'error', 'lost', 'completed']);
  expect(byRequest.map(({ result }) => result?.label)).toEqual([0, undefined, 2, undefined, undefined, 5]);
  expect(byRequest[3].error?.message).toBe('what is x?');
  expect(asked.toSorted()).toEqual([0, 1, 2, 2, 3, 4, 5]);
});

test('requests without a listener are answered once there is one', async () => {
  const infer = vi.spyOn(client, 'infer');
  const { outcomes, end } = load([0, 1, 2, 3, 4]);
  await eventually(() => expect(infer).toHaveBeenCalledTimes(5));
  await stubFrontend(bus, (request) => request.answer(resultFor(request.id)));
  expect((await end).sent).toBe(5);
  expect(outcomes.map(({ outcome }) => outcome)).toEqual(Array(5).fill('completed'));
});

test('requests to a deployment that is gone for a while are sent again', async () => {
  const infer = vi.spyOn(client, 'infer');
  const answer = (request: StubRequest): void => request.answer(resultFor(request.id ?? 'made up'));
  const first = await stubFrontend(bus, answer);
  const stop = new AbortController();
  const { outcomes, end } = load(
    Array.from({ length: 100_000 }, (_, i) => 10 * i),
    { signal: stop.signal },
  );
  await eventually(() => expect(outcomes.length).toBeGreaterThan(3));
  first.stop();
  await eventually(() => expect(infer.mock.calls.length).toBeGreaterThan(3));
  await stubFrontend(bus, answer);
  const before = outcomes.length;
  await eventually(() => expect(outcomes.length).toBeGreaterThan(before + 10));
  stop.abort();
  const { sent } = await end;
  expect(outcomes.map(({ outcome }) => outcome)).toEqual(Array(sent).fill('completed'));
});

test('a request that is silent for long is sent again', async () => {
  const silent = new Set<number>();
  await stubFrontend(bus, (request) => {
    const sample = sampleOf(request);
    if (silent.has(sample)) request.answer(resultFor(request.id));
    silent.add(sample);
  });
  const { outcomes, end } = load([0, 1], { deadlineMs: 6_000 });
  await end;
  expect(outcomes.map(({ outcome }) => outcome)).toEqual(['completed', 'completed']);
});

test('a silent request is not sent again while others are refused', async () => {
  const asked: number[] = [];
  await stubFrontend(bus, (request) => {
    asked.push(sampleOf(request));
    if (sampleOf(request) === 0)
      request.answer({ id: 'made up', error: { code: 'RESOURCE_EXHAUSTED', message: 'overloaded', retryAfterMs: 60_000 } });
  });
  const { outcomes, end } = load([0, 1], { deadlineMs: 4_000 });
  await end;
  expect(outcomes.map(({ outcome }) => outcome)).toEqual(['rejected', 'lost']);
  expect(asked.toSorted()).toEqual([0, 1]);
  // Retries of requests without a listener follow what is known.
  expect(client.patience.refusedUntil).toBeGreaterThan(realClock.now());
});

test('ends early when told to: sent requests are answered, the rest are not offered', async () => {
  await stubFrontend(bus, (request) => request.answer(resultFor('made up')));
  const stop = new AbortController();
  const arrivals = Array.from({ length: 100_000 }, (_, i) => 10 * i);
  const { outcomes, end } = load(arrivals, { signal: stop.signal });
  await eventually(() => expect(outcomes.length).toBeGreaterThan(3));
  stop.abort();
  const { sent } = await end;
  expect(sent).toBeLessThan(arrivals.length);
  expect(outcomes.map(({ request }) => request).toSorted((a, b) => a - b)).toEqual(Array.from({ length: sent }, (_, i) => i));
});

test('requests go out even if the main thread is blocked', async () => {
  const arrivalsMs = Float64Array.from({ length: 100_000 }, (_, i) => 10 * i);
  const shared = new Float64Array(new SharedArrayBuffer(8 * arrivalsMs.length));
  shared.set(arrivalsMs);
  const subject = subjectsOf('test').infer;
  const sender = new LoadSender(
    {
      ...connection,
      subject,
      inbox: '_INBOX.standstill',
      arrivalsMs: shared,
      lagMs: new Float64Array(new SharedArrayBuffer(8 * arrivalsMs.length)),
      bodies: encodeBodies([1, 2, 3], inputsOf, 500, 1e6),
    },
    { unsent: () => undefined, nobody: () => undefined, reconnected: () => undefined },
  );
  await sender.begin();
  // Another process sees them arrive, while this thread waits for it to end and does nothing else.
  const subscriber = `
    import { connect } from 'nats';
    const connection = await connect({ servers: ${JSON.stringify(url)} });
    const replies = [];
    for await (const { reply } of connection.subscribe(${JSON.stringify(subject)}, { max: 20 })) replies.push(reply);
    console.log(JSON.stringify(replies));
    await connection.close();`;
  const sentBefore = sender.sent;
  const out = execFileSync(process.execPath, ['--input-type=module', '-e', subscriber], { encoding: 'utf8', timeout: 30_000 });
  const requests = (JSON.parse(out) as string[]).map((reply) => Number.parseInt(reply.replace('_INBOX.standstill.', ''), 36));
  expect(requests).toEqual(Array.from({ length: 20 }, (_, i) => requests[0] + i));
  expect(requests[0]).toBeGreaterThanOrEqual(sentBefore);
  await sender.close();
});
