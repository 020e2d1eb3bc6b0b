import { expect, test } from 'vitest';
import { decodeAnswers } from '../../actors/client/answers.ts';
import { encode } from '../../plans/protocol/codec.ts';
import { type Answer, type Failure, isFailure } from '../../plans/protocol/messages.ts';
import { planOf } from '../support/plans.ts';
import { startVirtualPlane } from '../support/virtual-plane.ts';

const GOOD = { id: 'good', inputs: { x: Uint8Array.of(1, 90) } };
const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));
const frameOf = (request: unknown, count = 4_000) => [GOOD, ...new Array(count).fill(request)];
const MANY_INPUTS = Array.from({ length: 100 }, (_, i) => ({ name: `feature_${i}`, dtype: 'float32', shape: [1] }) as const);

/** A frontend's answers to a message, and their size in bytes. */
async function answersTo(body: Uint8Array, options: Parameters<typeof startVirtualPlane>[1] = {}) {
  const plane = await startVirtualPlane(planOf({ models: ['small'] }), options);
  let bytes = 0;
  let messages = 0;
  plane.bus.messages$('answers').subscribe(({ data }) => {
    bytes += data.length;
    messages++;
  });
  plane.bus.publish('cascade.test.infer', body, { reply: 'answers' });
  await plane.runUntil(plane.clock.now() + 1_000);
  const answers = plane.answers.map(({ answer }) => answer);
  return { answers, bytes, messages, failures: answers.filter(isFailure) as Failure[] };
}

test.each(
  Object.entries({
    numbers: 0,
    'empty maps': {},
    'ids alone': { id: 'a' },
    'unknown fields': { z: 0 },
    'unknown inputs': { inputs: { y: 0 } },
    'missing inputs': { id: 'a', inputs: {} },
    'unknown outputs': { inputs: { x: [1, 90] }, outputs: ['y'] },
  }).flatMap(([what, request]) => [
    { what: `${what}, MessagePack`, body: encode(frameOf(request)) },
    { what: `${what}, JSON`, body: json([{ id: 'good', inputs: { x: [1, 90] } }, ...new Array(4_000).fill(request)]) },
  ]),
)('a frame of 4,000 $what is answered in proportion to its size, and the good request in it is served', async ({ body }) => {
  const { answers, bytes, messages } = await answersTo(body);
  expect(bytes).toBeLessThan(20_000 + 6 * body.length);
  expect(messages).toBe(2);
  expect(answers.find(({ id }) => id === 'good')).toMatchObject({ label: 1, exit: 'last' });
});

test('a list without a single map is refused as a whole', async () => {
  for (const body of [encode(new Array(784).fill(7)), json(new Array(784).fill(7))]) {
    const { failures, messages } = await answersTo(body);
    expect(messages).toBe(1);
    expect(failures).toMatchObject([{ id: '', error: { code: 'INVALID_ARGUMENT' } }]);
    expect(failures[0].error.message).toContain('a request is a map like {"inputs"');
  }
});

test('each of thousands of bad requests is refused by its id, if it has one', async () => {
  const ids = Array.from({ length: 2_000 }, (_, i) => `r${i}`);
  for (const fields of [{}, { inputs: {} }]) {
    const { failures } = await answersTo(encode(ids.map((id) => ({ id, ...fields }))));
    expect(failures.map(({ id }) => id)).toEqual(ids);
    expect(new Set(failures.map(({ error }) => error.code))).toEqual(new Set(['INVALID_ARGUMENT']));
  }
});

test('the error message is short, whatever the number of inputs', async () => {
  for (const request of [{}, { inputs: {} }, { inputs: { y: 0 } }]) {
    const { failures } = await answersTo(encode(request), { specs: MANY_INPUTS });
    expect(failures).toHaveLength(1);
    expect(failures[0].error.message.length).toBeLessThan(600);
  }
});

test('thousands of requests that an overloaded frontend refuses are listed by id, with a hint', async () => {
  const ids = Array.from({ length: 4_000 }, (_, i) => `r${i}`);
  const body = encode(ids.map((id) => ({ id, inputs: { x: [1, 90] } })));
  const { failures, bytes } = await answersTo(body, { frontend: { maxInFlight: 10 } });
  expect(failures.map(({ id }) => id).sort()).toEqual(ids.slice(10).sort());
  for (const { error } of failures) expect(error).toMatchObject({ code: 'RESOURCE_EXHAUSTED', retryAfterMs: 10 });
  expect(bytes).toBeLessThan(20_000 + 4 * body.length);
});

test('a client that keeps sending bad frames is not read for a while, and others are served', async () => {
  const plane = await startVirtualPlane(planOf({ models: ['small'] }));
  const told: Failure[] = [];
  const answers: Answer[] = [];
  plane.bus
    .messages$('inbox.hostile.1')
    .subscribe(({ data }) => told.push(...(decodeAnswers(data).filter(isFailure) as Failure[])));
  const send = (body: Uint8Array): void => {
    plane.bus.publish('cascade.test.infer', body, { reply: 'inbox.hostile.1' });
  };
  const wrong = encode(frameOf({}));
  for (let i = 0; i < 100; i++) send(wrong);
  plane.infer('of another client', [1, 90]);
  await plane.runUntil(plane.clock.now() + 100);
  expect(plane.answers).toMatchObject([{ answer: { id: 'of another client', label: 1 } }]);
  // Each gets one cheap refusal with a retry hint.
  const unread = told.filter(({ error }) => error.code === 'RESOURCE_EXHAUSTED');
  expect(unread).toHaveLength(97);
  expect(unread[0].error.message).toMatch(/^too many invalid requests from this client; its messages are read again in \d+ ms$/);
  await plane.runUntil(plane.clock.now() + Math.max(...unread.map(({ error }) => error.retryAfterMs ?? 0)));
  plane.bus.messages$('inbox.hostile.2').subscribe(({ data }) => answers.push(...decodeAnswers(data)));
  plane.bus.publish('cascade.test.infer', encode(GOOD), { reply: 'inbox.hostile.2' });
  await plane.runUntil(plane.clock.now() + 1_000);
  expect(answers).toMatchObject([{ id: 'good', label: 1 }]);
});
