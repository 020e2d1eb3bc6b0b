import { expect, test } from 'vitest';
import { DurableIngressCore } from '../../../../actors/durable/durable-ingress-core.ts';
import type { DurableTask } from '../../../../actors/durable/durable-tasks.ts';
import type { Effect } from '../../../../engine/actor/effect.ts';
import type { BusMessage } from '../../../../engine/bus/bus.ts';
import type { QueuedMessage } from '../../../../engine/bus/work-queue.ts';
import { CascadeError } from '../../../../engine/errors.ts';
import { subjectsOf } from '../../../../plans/protocol/subjects.ts';
import { performed } from '../../../support/effects.ts';

const subjects = subjectsOf('test');
const settings = { maxDeliver: 3, inFlight: 10, keepAnswersMs: 1_000 } as never;

const created = (): DurableIngressCore => new DurableIngressCore({ durable: { subjects, settings }, deadlineMs: 10_000 });

const refuse = (): never => {
  throw new Error('a core settles nothing itself');
};

function stored(headers: Record<string, string> = {}, fields: Partial<QueuedMessage> = {}): QueuedMessage {
  return {
    stream: 's',
    sequence: 7,
    storedAt: 0,
    deliveries: 1,
    data: Buffer.from('{"inputs":{"x":1}}'),
    header: (name) => headers[name],
    ageMs: refuse,
    done: refuse,
    retry: refuse,
    abandon: refuse,
    ...fields,
  };
}

function answerWith(headers: Record<string, string> = {}): BusMessage {
  return { subject: '', reply: '', data: Buffer.from('answer'), header: (name) => headers[name] };
}

const failure = (code: string) => answerWith({ 'Nats-Service-Error-Code': code, 'Nats-Service-Error': 'why' });
const tasks = (effects: readonly Effect<DurableTask>[]) => performed(effects).map(({ message: _, ...task }) => task);

/** The only task among these effects. */
function task(effects: readonly Effect<DurableTask>[]): DurableTask {
  const [first, ...others] = performed(effects);
  expect(others).toEqual([]);
  return first;
}

test('a stored request is sent to the frontends under the same id at each try, and leaves when its answer is published', () => {
  const core = created();
  const message = stored();
  expect(task(core.onTaken(message, 0))).toMatchObject({
    type: 'ask',
    headers: { 'Cascade-Stored': 'true', 'Cascade-Id': 's-7', 'Cascade-Deadline-Ms': '10000' },
    timeoutMs: 11_000,
  });
  const publish = task(core.onOutcome({ type: 'answered', message, answer: answerWith() }, 100));
  expect(publish).toMatchObject({ type: 'publish', subject: subjects.results, data: Buffer.from('answer') });
  expect(tasks(core.onOutcome({ type: 'published', message }, 110))).toEqual([{ type: 'settle', how: 'done' }]);
});

test('a deadline counts from when the request was stored; one that seems late is checked again', () => {
  const core = created();
  const message = stored({ 'Cascade-Deadline-Ms': '500' });
  expect(tasks(core.onTaken(message, 0))).toEqual([{ type: 'read-age', readingMs: 1_000 }]);
  const late = core.onOutcome({ type: 'age', message, ageMs: 600, readingMs: 1_000 }, 0);
  expect(tasks(late)).toEqual([{ type: 'read-age', readingMs: 0 }]);
  const asked = core.onOutcome({ type: 'age', message, ageMs: 400, readingMs: 0 }, 0);
  expect(task(asked)).toMatchObject({ type: 'ask', headers: { 'Cascade-Deadline-Ms': '100' } });
});

test('a request past its deadline is answered as such, without a try', () => {
  const core = created();
  const message = stored({ 'Cascade-Deadline-Ms': '500' });
  core.onTaken(message, 0);
  const answer = task(core.onOutcome({ type: 'age', message, ageMs: 600, readingMs: 0 }, 0));
  expect(answer).toMatchObject({ type: 'publish', headers: { 'Nats-Service-Error-Code': '408' } });
});

test('a bad request is answered as such, where it wants its answer', () => {
  const answer = task(created().onTaken(stored({ 'Cascade-Deadline-Ms': 'soon', 'Cascade-Results': 'mine' }), 0));
  expect(answer).toMatchObject({
    type: 'publish',
    subject: `${subjects.results}.mine`,
    headers: { 'Nats-Service-Error-Code': '400' },
  });
});

test('a request whose headers cannot be read is answered as such, at the first delivery, and leaves', () => {
  const core = created();
  const message = stored({}, { headersProblem: '"My Key" is not a name' });
  const answer = task(core.onTaken(message, 0));
  expect(answer).toMatchObject({ type: 'publish', subject: subjects.results, headers: { 'Nats-Service-Error-Code': '400' } });
  expect(tasks(core.onOutcome({ type: 'published', message }, 10))).toEqual([{ type: 'settle', how: 'done' }]);
});

test('a request is tried again after a temporary failure', () => {
  const core = created();
  const message = stored();
  core.onTaken(message, 0);
  const effects = core.onOutcome({ type: 'answered', message, answer: failure('503') }, 0);
  expect(tasks(effects)).toEqual([{ type: 'retry', delayMs: 100 }]);
});

test('after the last try a request becomes a dead letter, its client is told where, and only then it leaves', () => {
  const core = created();
  const message = stored({}, { deliveries: 3 });
  core.onTaken(message, 0);
  const bury = task(core.onOutcome({ type: 'answered', message, answer: failure('503') }, 0));
  expect(bury).toMatchObject({ type: 'bury', headers: { 'Cascade-Dead-Code': 'UNAVAILABLE', 'Cascade-Dead-Deliveries': '3' } });
  const told = task(core.onOutcome({ type: 'buried', message, letter: { stream: 'dead', sequence: 9 } }, 0));
  expect(told).toMatchObject({
    type: 'publish',
    headers: { 'Nats-Service-Error': expect.stringContaining('why (given up after 3 tries; kept as message 9 of stream dead)') },
  });
  expect(tasks(core.onOutcome({ type: 'published', message }, 0))).toEqual([{ type: 'settle', how: 'abandon' }]);
});

test('a request delivered too often without an answer is not tried again', () => {
  const bury = task(created().onTaken(stored({}, { deliveries: 4 }), 0));
  expect(bury).toMatchObject({ type: 'bury', headers: { 'Cascade-Dead-Reason': expect.stringContaining('delivered 4 times') } });
});

test('a request stays in the store if its answer or dead letter cannot be published', () => {
  for (const deliveries of [1, 3]) {
    const core = created();
    const message = stored({}, { deliveries });
    core.onTaken(message, 0);
    const answer = deliveries === 1 ? answerWith() : failure('503');
    const failed = task(core.onOutcome({ type: 'answered', message, answer }, 0));
    const error = new CascadeError('UNAVAILABLE', 'no connection');
    const effects = core.onOutcome({ type: 'failed', task: failed, error }, 0);
    expect(tasks(effects)).toMatchObject([{ type: 'retry' }]);
    expect(effects).toContainEqual(expect.objectContaining({ type: 'log', text: 'a stored request stays in the store' }));
  }
});

test('a cancelled request leaves without an answer, before a try or during one', () => {
  const headers = { 'Cascade-Token': 'a-token-that-is-long-enough' };
  const cancellation = [{ token: headers['Cascade-Token'], ids: null }];
  const settled = [{ type: 'settle', how: 'done' }];
  const before = created();
  before.onCancelled(cancellation, 0);
  expect(tasks(before.onTaken(stored(headers), 0))).toEqual(settled);
  const during = created();
  const message = stored(headers);
  during.onTaken(message, 0);
  during.onTaken(stored(), 0);
  expect(tasks(during.onCancelled(cancellation, 0))).toEqual(settled);
  expect(during.onOutcome({ type: 'answered', message, answer: answerWith() }, 0)).toEqual([]);
});

test('if their stream is lost, requests to be tried again are stored again, whether in hand or given back recently', () => {
  const core = created();
  const [givenBack, inHand, longAgo] = [stored(), stored({}, { sequence: 8 }), stored({}, { sequence: 6 })];
  const fail = (message: QueuedMessage, now: number) => {
    core.onTaken(message, now);
    return core.onOutcome({ type: 'answered', message, answer: failure('503') }, now);
  };
  fail(longAgo, 0);
  core.forget(20_000);
  fail(givenBack, 20_000);
  core.onTaken(inHand, 20_000);
  expect(performed(core.onStreamLost())).toMatchObject([
    { type: 'store-again', message: givenBack, headers: { 'Cascade-Id': 's-7' } },
  ]);
  const again = core.onOutcome({ type: 'answered', message: inHand, answer: failure('503') }, 20_100);
  expect(performed(again)).toMatchObject([{ type: 'store-again', message: inHand }]);
});

test('a request stored again keeps the id in its body, even one that no header can hold', () => {
  const core = created();
  const message = stored({}, { data: Buffer.from('{"id":"two\\nlines","inputs":{"x":1}}') });
  core.onTaken(message, 0);
  core.onOutcome({ type: 'answered', message, answer: failure('503') }, 0);
  expect(task(core.onStreamLost())).toMatchObject({ type: 'store-again', message, headers: { 'Cascade-Id': 's-7' } });
});

test('it has drained when no more requests come and it holds none', () => {
  const core = created();
  const message = stored();
  core.onTaken(message, 0);
  core.onEnded();
  expect(core.isDrained).toBe(false);
  core.onOutcome({ type: 'answered', message, answer: answerWith() }, 0);
  core.onOutcome({ type: 'published', message }, 0);
  expect(core.isDrained).toBe(true);
});

test('an answer or dead letter that is too large to be kept is told to the client, and the request leaves', () => {
  for (const deliveries of [1, 3]) {
    const core = created();
    const message = stored({}, { deliveries });
    core.onTaken(message, 0);
    const answer = deliveries === 1 ? answerWith() : failure('503');
    const failed = task(core.onOutcome({ type: 'answered', message, answer }, 0));
    const error = new CascadeError('INVALID_ARGUMENT', 'exceeds max_payload');
    const told = task(core.onOutcome({ type: 'failed', task: failed, error }, 0));
    expect(told).toMatchObject({
      type: 'publish',
      headers: { 'Nats-Service-Error': expect.stringContaining('(not kept: exceeds max_payload)') },
    });
    expect(tasks(core.onOutcome({ type: 'failed', task: told, error }, 0)), 'not even the failure fits').toMatchObject([
      { type: 'retry' },
    ]);
  }
});

test('a request of a lost stream is stored again until that succeeds, and this process waits for it', () => {
  const core = created();
  const message = stored();
  core.onTaken(message, 0);
  core.onStreamLost();
  const again = task(core.onOutcome({ type: 'answered', message, answer: failure('503') }, 0));
  core.onEnded();
  const error = new CascadeError('UNAVAILABLE', 'no leader');
  for (const [at, next] of [
    [0, 1_000],
    [1_000, 3_000],
    [3_000, 7_000],
  ]) {
    expect(core.onOutcome({ type: 'failed', task: again, error }, at)).toEqual([]);
    expect(core.forget(next - 1)).toEqual([]);
    expect(performed(core.forget(next))).toEqual([again]);
    expect(core.forget(next + 60_000), 'one attempt at a time').toEqual([]);
    expect(core.isDrained).toBe(false);
  }
  core.onOutcome({ type: 'stored-again', message }, 7_000);
  expect(core.isDrained).toBe(true);
});

test('a request that cannot be stored again, ever, is reported as lost', () => {
  const core = created();
  const message = stored();
  core.onTaken(message, 0);
  core.onStreamLost();
  const again = task(core.onOutcome({ type: 'answered', message, answer: failure('503') }, 0));
  const error = new CascadeError('INVALID_ARGUMENT', 'too large');
  expect(core.onOutcome({ type: 'failed', task: again, error }, 0)).toMatchObject([
    { type: 'log', text: 'a request is lost with the stream that held it' },
  ]);
  expect(core.forget(60_000)).toEqual([]);
});
