import { decode, encode } from '@msgpack/msgpack';
import { connect, headers, type Msg, type NatsConnection, RequestStrategy, type Subscription } from 'nats';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Bus } from '../../engine/bus/bus.ts';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { type NatsServer, startNatsServer } from '../../engine/bus/nats-server.ts';
import { realClock } from '../../engine/clock.ts';
import type { Failure, Result } from '../../plans/protocol/messages.ts';
import { type Plane, POISON, startPlane } from '../support/plane.ts';
import { planOf } from '../support/plans.ts';

/** A foreign client: plain nats.js and another MessagePack library. */
let server: NatsServer;
let bus: Bus;
let plane: Plane;
let client: NatsConnection;

beforeAll(async () => {
  server = await startNatsServer();
  bus = await connectNats({ servers: server.url });
  client = await connect({ servers: server.url });
  const ready = new Promise<void>((resolve) => {
    plane = startPlane(bus, realClock, planOf({ models: ['small', 'large'] }), {
      batchMs: () => 1,
      frontend: { onReady: resolve, maxInFlight: 100 },
    });
  });
  await ready;
});

afterAll(async () => {
  for (const actor of [...plane.frontends, ...plane.devices.values(), plane.controller]) await actor.stop(5_000);
  await client.close();
  await bus.close();
  await server.stop();
});

const INFER = 'cascade.test.infer';
const EASY = Uint8Array.of(1, 90, 0);

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const json = (message: Msg): unknown => JSON.parse(new TextDecoder().decode(message.data));

function ask(body: Uint8Array, head: Record<string, string> = {}): Promise<Msg> {
  const h = headers();
  for (const [name, value] of Object.entries(head)) h.set(name, value);
  return client.request(INFER, body, { timeout: 20_000, headers: h });
}

/** The next message on a subject. */
function next(subscription: Subscription): Promise<Msg> {
  return new Promise((resolve) => {
    void (async () => {
      for await (const message of subscription) return resolve(message);
    })();
  });
}

async function expectServing(): Promise<void> {
  const result = decode((await ask(encode({ id: 'still here', inputs: { x: EASY } }))).data) as Result;
  expect(result).toMatchObject({ id: 'still here', label: 1, model: 'small' });
}

describe('a foreign client', () => {
  test('asks in JSON and is answered in JSON', async () => {
    const answer = await ask(text('{"id":"a","inputs":{"x":[1,90,0]},"scores":true}'));
    expect(answer.headers?.get('Content-Type')).toBe('application/json');
    expect(json(answer)).toMatchObject({ id: 'a', label: 1, model: 'small', stage: 0, exit: 'certain', gear: 0, revision: 1 });
    expect((json(answer) as Result).scores?.[1]).toBeCloseTo(0.95);
  });

  test('asks in MessagePack and is answered in MessagePack', async () => {
    const answer = decode((await ask(encode({ inputs: { x: Uint8Array.of(0, 10, 0) } }))).data) as Result;
    expect(answer).toMatchObject({ label: 0, model: 'large', stage: 1, exit: 'last' });
    expect(answer.id).not.toBe('');
  });

  test('sends the raw bytes of a single input, with id and deadline in headers', async () => {
    const answer = await ask(EASY, {
      'Content-Type': 'application/octet-stream',
      'Cascade-Id': 'raw',
      'Cascade-Deadline-Ms': '20000',
    });
    expect(decode(answer.data)).toMatchObject({ id: 'raw', label: 1 });
  });

  test('chooses the encoding of every answer with the Accept header', async () => {
    const opaque = await ask(EASY, { 'Content-Type': 'application/octet-stream', Accept: 'application/json' });
    expect(opaque.headers?.get('Content-Type')).toBe('application/json');
    expect(json(opaque)).toMatchObject({ label: 1 });
    const packed = await ask(text('{"id":"a","inputs":{"x":[1,90,0]}}'), { Accept: 'application/msgpack' });
    expect(packed.headers?.get('Content-Type') ?? '').toBe('');
    expect(decode(packed.data)).toMatchObject({ id: 'a', label: 1 });
    const refused = await ask(encode({ id: 'b', inputs: {} }), { Accept: 'application/json' });
    expect(json(refused)).toMatchObject({ id: 'b', error: { code: 'INVALID_ARGUMENT' } });
    const frame = encode([
      { id: 'c', inputs: { x: EASY } },
      { id: 'd', inputs: { x: EASY } },
    ]);
    const h = headers();
    h.set('Accept', 'application/json');
    h.set('Cascade-Results', 'readable');
    const named = client.subscribe('cascade.test.results.readable', { max: 2 });
    client.publish(INFER, frame, { headers: h });
    const ids: string[] = [];
    for await (const message of named) ids.push((json(message) as Result).id);
    expect(ids.sort()).toEqual(['c', 'd']);
  });

  test('without a reply subject finds the answer on the results subject, or on a named one', async () => {
    const results = client.subscribe('cascade.test.results', { max: 1 });
    const named = client.subscribe('cascade.test.results.mine', { max: 1 });
    client.publish(INFER, encode({ id: 'to results', inputs: { x: EASY } }));
    const h = headers();
    h.set('Cascade-Results', 'mine');
    client.publish(INFER, encode({ id: 'to mine', inputs: { x: EASY } }), { headers: h });
    expect(decode((await next(results)).data)).toMatchObject({ id: 'to results' });
    expect(decode((await next(named)).data)).toMatchObject({ id: 'to mine' });
  });
});

describe('a malformed request', () => {
  const good = encode({ id: 'x', inputs: { x: EASY } });
  const cases: [name: string, body: Uint8Array, head: Record<string, string>, words: RegExp][] = [
    ['empty', new Uint8Array(), {}, /empty body/],
    ['truncated MessagePack', good.subarray(0, good.length - 2), {}, /truncated/],
    ['bytes after the end', Uint8Array.of(...good, 0), {}, /after its end/],
    ['a MessagePack extension', Uint8Array.of(0xd4, 1, 0), {}, /extensions are not accepted/],
    ['a list of four thousand million', Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff), {}, /more than 1000000 elements/],
    ['MessagePack nested 10,000 deep', new Uint8Array(10_000).fill(0x91), {}, /nested deeper than 16/],
    ['JSON nested 100,000 deep', text('['.repeat(100_000)), {}, /nested deeper than 16/],
    ['broken JSON', text('{"inputs":{"x":[1,90,'), {}, /not valid JSON/],
    ['JSON that is not UTF-8', Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d), {}, /not valid JSON/],
    ['a number', text('7'), {}, /a request is a map/],
    ['an empty frame', text('[]'), {}, /at least one request/],
    ['no inputs', encode({ id: 'x' }), {}, /inputs: missing/],
    ['a misspelt field', encode({ input: { x: EASY } }), {}, /unknown field "input"/],
    ['a wrong input name', encode({ inputs: { y: EASY } }), {}, /unknown input "y"; this family takes x uint8\[3\]/],
    ['too few bytes', encode({ inputs: { x: EASY.subarray(1) } }), {}, /2 bytes; expected 3/],
    ['too many numbers', text('{"inputs":{"x":[1,2,3,4]}}'), {}, /4 numbers; expected 3/],
    ['a number outside the dtype', text('{"inputs":{"x":[1,2,256]}}'), {}, /x\[2\].*256/],
    ['a fraction for an integer', text('{"inputs":{"x":[1,2,0.5]}}'), {}, /x\[2\]/],
    ['NaN', encode({ inputs: { x: [1, Number.NaN, 0] } }), {}, /x\[1\]/],
    ['text for numbers', text('{"inputs":{"x":["1","2","3"]}}'), {}, /x\[0\]/],
    ['a string for a tensor', text('{"inputs":{"x":"AQID"}}'), {}, /expected uint8\[3\]/],
    ['null for a tensor', text('{"inputs":{"x":null}}'), {}, /expected uint8\[3\]/],
    ['a prototype for inputs', text('{"inputs":{"__proto__":{"x":[1,2,3]}}}'), {}, /unknown input "__proto__"/],
    ['an id that is not a string', encode({ id: 7, inputs: { x: EASY } }), {}, /id: the number 7/],
    ['a deadline in the past', encode({ deadlineMs: -5, inputs: { x: EASY } }), {}, /deadlineMs: -5/],
    [
      'a deadline header that is not a number',
      good,
      { 'Cascade-Deadline-Ms': 'soon' },
      /deadlineMs: the string "soon"; use milliseconds/,
    ],
    ['an id header that is too long', good, { 'Cascade-Id': 'x'.repeat(200) }, /id: 200 characters/],
    ['an unknown content type', good, { 'Content-Type': 'text/xml' }, /"text\/xml" is not supported/],
    ['an unknown encoding for the answer', good, { Accept: 'text/xml' }, /Accept "text\/xml": answers are application\/json/],
    ['raw bytes of the wrong length', EASY.subarray(2), { 'Content-Type': 'application/octet-stream' }, /1 bytes; expected 3/],
    ['a body above the limit', new Uint8Array(1024 * 1024 - 1_000), {}, /at most \d+ are accepted/],
  ];

  test.each(cases)('(%s) is refused with a message, and the next one is served', async (_name, body, head, words) => {
    const answer = await ask(body, head);
    const isJson = answer.headers?.get('Content-Type') === 'application/json';
    const failure = (isJson ? json(answer) : decode(answer.data)) as Failure;
    expect(failure.error.code).toBe('INVALID_ARGUMENT');
    expect(failure.error.message).toMatch(words);
    expect(answer.headers?.get('Nats-Service-Error-Code')).toBe('400');
    expect(answer.headers?.get('Nats-Service-Error')).toMatch(words);
    await expectServing();
  });

  test.each([
    'cascade.test.control.gear',
    'cascade.test.work.d0.small',
    'cascade.test',
    '$JS.API.STREAM.LIST',
    '$KV.cascade_test.plan',
  ])('with the reply subject %s is refused on the results subject, and nothing is published on its own', async (reply) => {
    const results = client.subscribe('cascade.test.results', { max: 1 });
    client.publish(INFER, encode({ id: 'sly', inputs: { x: EASY } }), { reply });
    const failure = decode((await next(results)).data) as Failure;
    expect(failure).toMatchObject({
      id: '',
      error: { code: 'INVALID_ARGUMENT', message: expect.stringContaining('is reserved') },
    });
    await expectServing();
  });

  test('that makes the model fail is INTERNAL, and the next one is served', async () => {
    const failure = decode((await ask(encode({ id: 'bad', inputs: { x: Uint8Array.of(1, POISON, 0) } }))).data) as Failure;
    expect(failure).toMatchObject({ id: 'bad', error: { code: 'INTERNAL' } });
    await expectServing();
  });
});

/** The reply messages to a frame, until they hold `count` answers. */
function askFrame(inbox: string, body: Uint8Array, count: number): Promise<Msg[]> {
  const messages: Msg[] = [];
  let answers = 0;
  return new Promise((resolve) => {
    const subscription = client.subscribe(inbox, {
      callback: (_error, message) => {
        messages.push(message);
        answers += answersIn(message).length;
        if (answers < count) return;
        subscription.unsubscribe();
        resolve(messages);
      },
    });
    client.publish(INFER, body, { reply: inbox });
  });
}

/** One per request: most of many refusals are listed by id. */
function answersIn(message: Msg): (Result | Failure)[] {
  const isJson = message.headers?.get('Content-Type') === 'application/json';
  const value = (isJson ? json(message) : decode(message.data)) as Result | Failure | (Result | Failure)[];
  return (Array.isArray(value) ? value : [value]).flatMap((answer): (Result | Failure)[] =>
    'ids' in answer && answer.ids !== undefined ? answer.ids.map((id) => ({ id, error: answer.error })) : [answer],
  );
}

test('requests beyond the limit in flight are refused at once with a hint, in the body and in a header; the rest are answered', async () => {
  const frame = Array.from({ length: 150 }, (_, i) => ({ id: `r${i}`, inputs: { x: EASY } }));
  const messages = await askFrame('edge.overload', encode(frame), frame.length);
  const refusals = messages.filter(({ headers: head }) => head?.get('Nats-Service-Error-Code') === '429');
  expect(refusals).toHaveLength(1);
  const refused = answersIn(refusals[0]) as Failure[];
  // A lone client may use 95 of a limit of 100. If earlier requests of others still count, it gets half of the rest.
  expect(refused.length).toBeGreaterThanOrEqual(55);
  expect(refused.length).toBeLessThanOrEqual(110);
  for (const { error } of refused) {
    expect(error.code).toBe('RESOURCE_EXHAUSTED');
    expect(error.retryAfterMs).toBeGreaterThan(0);
  }
  const hints = refused.map(({ error }) => error.retryAfterMs ?? 0);
  expect(refusals[0].headers?.get('Retry-After-Ms')).toBe(String(Math.max(...hints)));
  expect(messages.flatMap((message) => answersIn(message).map(({ id }) => id)).sort()).toEqual(frame.map(({ id }) => id).sort());
  await expectServing();
});

test.each([
  ['MessagePack', false],
  ['JSON', true],
])('a frame of 4,096 bad requests in %s is refused in one message of the same encoding', async (_name, asJson) => {
  const frame = Array.from({ length: 4_096 }, (_, i) => ({ id: `r${i}`, inputs: {} }));
  const body = asJson ? text(JSON.stringify(frame)) : encode(frame);
  const messages = await askFrame(`edge.bad.${asJson}`, body, frame.length);
  expect(messages).toHaveLength(1);
  expect(messages[0].headers?.get('Content-Type')).toBe(asJson ? 'application/json' : '');
  expect(messages[0].headers?.get('Nats-Service-Error-Code')).toBe('400');
  expect(messages[0].headers?.get('Nats-Service-Error')).toMatch(
    /^INVALID_ARGUMENT: 4096 requests, the first: inputs\.x: missing/,
  );
  const refused = answersIn(messages[0]) as Failure[];
  expect(refused.map(({ id }) => id)).toEqual(frame.map(({ id }) => id));
  for (const { error } of refused)
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(/missing/) });
  await expectServing();
});

test('a bad request in a frame fails alone, in a message of its own; the others are answered', async () => {
  const frame = [
    { id: 'good', inputs: { x: EASY } },
    { id: 'bad', inputs: {} },
    { id: 'fine', inputs: { x: EASY } },
  ];
  const messages = await askFrame('edge.mixed', encode(frame), frame.length);
  const failed = messages.filter(({ headers: head }) => head?.has('Nats-Service-Error-Code'));
  expect(failed).toHaveLength(1);
  expect(decode(failed[0].data)).toMatchObject({ id: 'bad', error: { code: 'INVALID_ARGUMENT' } });
  expect(
    messages
      .flatMap(answersIn)
      .map(({ id }) => id)
      .sort(),
  ).toEqual(['bad', 'fine', 'good']);
});

test('every actor is registered with the NATS services API', async () => {
  const known = ['device-d0', 'frontend-f0', 'gear-controller', 'load-estimator-f0', 'plan-keeper'];
  const found: string[] = [];
  const asMany = { strategy: RequestStrategy.Count, maxMessages: known.length, maxWait: 20_000 };
  for await (const message of await client.requestMany('$SRV.PING', new Uint8Array(), asMany)) {
    found.push((json(message) as { name: string }).name);
  }
  expect(found.sort()).toEqual(known);
});
