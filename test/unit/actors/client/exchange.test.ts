import { Subject } from 'rxjs';
import { beforeEach, describe, expect, it } from 'vitest';
import { Exchange } from '../../../../actors/client/exchange.ts';
import { Patience, RetryBudget } from '../../../../actors/client/retry.ts';
import { TRACE_HEADER } from '../../../../engine/tracing/tracing.ts';
import { CANCEL_HEADER, parseCancellation } from '../../../../plans/protocol/cancel.ts';
import { decode, encode } from '../../../../plans/protocol/codec.ts';
import type { Cancellation } from '../../../../plans/protocol/control-messages.ts';
import type { Answer } from '../../../../plans/protocol/messages.ts';
import { createLocalBus } from '../../../doubles/local-bus.ts';
import { VirtualClock } from '../../../doubles/virtual-clock.ts';
import { busWith } from '../../../support/bus-with.ts';
import { resultFor } from '../../../support/stub-frontend.ts';

interface Attempt {
  at: number;
  id: string;
  deadlineMs?: number;
  reply: string;
}

let clock: VirtualClock;
let bus: ReturnType<typeof createLocalBus>;
let exchange: Exchange;
let attempts: Attempt[];
let answers: Answer[];
let cancellations: Cancellation[];

beforeEach(() => {
  clock = new VirtualClock();
  bus = createLocalBus(clock);
  exchange = new Exchange(bus, clock, 'infer', { name: 'c', deadlineMs: 30_000 });
  attempts = [];
  answers = [];
  cancellations = [];
});

function listen(): void {
  bus.messages$('infer').subscribe(({ data, reply, header }) => {
    const cancelled = header(CANCEL_HEADER);
    if (cancelled !== undefined) {
      cancellations.push(parseCancellation(cancelled, data, undefined));
      return;
    }
    const body = decode<Attempt | Attempt[]>(data);
    for (const { id, deadlineMs } of [body].flat()) attempts.push({ at: clock.now(), id, deadlineMs, reply });
  });
}

function send(id: string, deadlineMs?: number): () => void {
  return exchange.send({ id, deadlineMs, inputs: {} }, (answer) => answers.push(answer));
}

function timesOf(id: string): number[] {
  return attempts.filter((attempt) => attempt.id === id).map(({ at }) => at);
}

/** Sends a request and answers it `tookMs` later. */
function answerAfter(tookMs: number, id: string): void {
  const sentAt = clock.now();
  send(id);
  clock.runUntil(sentAt + tookMs);
  bus.publish(attempts.findLast((attempt) => attempt.id === id)!.reply, encode(resultFor(id)));
  clock.runUntil(clock.now());
}

describe('a request that names no deadline', () => {
  beforeEach(() => {
    exchange = new Exchange(bus, clock, 'infer', { name: 'd' });
    listen();
  });

  it('leaves it to the deployment at every attempt, alone or next to one that does name it', () => {
    send('x');
    clock.runUntil(10);
    send('y');
    send('z', 5_000);
    clock.runUntil(15_000);
    const told = (id: string) => attempts.filter((attempt) => attempt.id === id).map(({ at, deadlineMs }) => [at, deadlineMs]);
    expect(told('x')).toEqual([
      [0, undefined],
      [15_000, undefined],
    ]);
    expect(told('y')).toEqual([[10, undefined]]);
    expect(told('z')[0]).toEqual([10, 5_000]);
  });

  it('ends when the deployment says so, or is given up after 30 seconds', () => {
    send('x');
    send('y');
    clock.runUntil(1_500);
    const error = { code: 'DEADLINE_EXCEEDED', message: 'no answer within the deadline of 1500 ms' } as const;
    bus.publish(attempts[0].reply, encode({ id: 'x', error }));
    clock.runUntil(1_501);
    expect(answers).toEqual([{ id: 'x', error }]);
    clock.runUntil(29_999);
    expect(answers).toHaveLength(1);
    clock.runUntil(30_000);
    expect(answers[1]).toEqual({
      id: 'y',
      error: { code: 'DEADLINE_EXCEEDED', message: 'no answer after 2 attempts in 30000 ms' },
    });
  });
});

describe('the requests of one turn', () => {
  const traceparent = (trace: number, flags: '00' | '01') => `00-${String(trace).padStart(32, '0')}-00f067aa0ba902b7-${flags}`;
  /** Number of requests in each message, with its header. */
  let messages: [number, string | undefined][];

  beforeEach(() => {
    messages = [];
    bus
      .messages$('infer')
      .subscribe(({ data, header }) => messages.push([[decode<Attempt | Attempt[]>(data)].flat().length, header(TRACE_HEADER)]));
  });

  function sendTraced(...traces: (string | undefined)[]): typeof messages {
    for (const [i, trace] of traces.entries())
      exchange.send({ id: String(i), inputs: {}, traceparent: trace }, (answer) => answers.push(answer));
    clock.runUntil(0);
    return messages;
  }

  it.each(['00', '01'] as const)('share a message if they have the same traceparent, with flags %s', (flags) => {
    const trace = traceparent(1, flags);
    expect(sendTraced(...Array<string>(64).fill(trace))).toEqual([[64, trace]]);
  });

  it('share a message if none is sampled', () => {
    expect(sendTraced(traceparent(1, '00'), traceparent(2, '00'))).toEqual([[2, traceparent(1, '00')]]);
  });

  it('do not share a message if another trace is sampled, or one has none', () => {
    const [first, second, unsampled] = [traceparent(1, '01'), traceparent(2, '01'), traceparent(3, '00')];
    expect(sendTraced(first, undefined, second, unsampled, first)).toEqual([
      [1, undefined],
      [2, first],
      [1, second],
      [1, unsampled],
    ]);
  });
});

describe('a request without an answer', () => {
  it('is sent again after half of its deadline with the rest of it, then given up', () => {
    listen();
    send('x');
    clock.runUntil(29_999);
    expect(attempts.map(({ at, deadlineMs }) => [at, deadlineMs])).toEqual([
      [0, 30_000],
      [15_000, 15_000],
    ]);
    expect(answers).toEqual([]);
    clock.runUntil(30_000);
    expect(answers).toEqual([
      { id: 'x', error: { code: 'DEADLINE_EXCEEDED', message: 'no answer after 2 attempts in 30000 ms' } },
    ]);
  });

  it('is not sent again if its answer has arrived but is not read yet', () => {
    const latencyMs = 20;
    const far = createLocalBus(clock, { latencyMs });
    exchange = new Exchange(far, clock, 'infer', { name: 'far', deadlineMs: 3_000 });
    let reply = '';
    far.messages$('infer').subscribe((message) => {
      attempts.push({ at: clock.now(), id: 'x', reply: '' });
      reply = message.reply;
    });
    send('x');
    // Due in the same instant as the end of the silence, and after it in the order of callbacks.
    clock.runUntil(1_500 - latencyMs);
    far.publish(reply, encode(resultFor('x')));
    clock.runUntil(3_000);
    expect(answers).toEqual([resultFor('x')]);
    expect(attempts).toHaveLength(1);
  });

  it('is sent again after 5 and 15 seconds if other answers come soon', () => {
    listen();
    answerAfter(50, 'before');
    send('x');
    clock.runUntil(30_050);
    expect(timesOf('x')).toEqual([50, 5_050, 15_050]);
    expect(answers.at(-1)).toMatchObject({ id: 'x', error: { message: 'no answer after 3 attempts in 30000 ms' } });
  });

  it('is waited for as long as other requests of its time take, even if they were quick when it was sent', () => {
    listen();
    answerAfter(50, 'before');
    send('slow');
    answerAfter(3_000, 'other');
    clock.runUntil(29_000);
    expect(timesOf('slow')).toEqual([50, 9_050, 27_050]);
  });

  it('is not waited for longer because refusals, or answers to retries, come late', () => {
    listen();
    answerAfter(50, 'before');
    send('refused');
    clock.runUntil(4_050);
    bus.publish(attempts[1].reply, encode({ id: 'refused', error: { code: 'RESOURCE_EXHAUSTED', message: 'full' } }));
    send('lost');
    clock.runUntil(9_050);
    expect(timesOf('lost')).toEqual([4_050, 9_050]);
    bus.publish(attempts[3].reply, encode(resultFor('lost')));
    clock.runUntil(9_051);
    send('x');
    clock.runUntil(14_051);
    expect(timesOf('x')).toEqual([9_051, 14_051]);
  });

  it('is not sent again if too many were, and still ends at its deadline', () => {
    listen();
    const n = RetryBudget.MAX + 500;
    for (let i = 0; i < n; i++) send(String(i), 3_000);
    clock.runUntil(2_999);
    expect(exchange.counts.retries).toBe(RetryBudget.MAX);
    clock.runUntil(3_000);
    expect(answers).toHaveLength(n);
  });

  it('is sent again as soon as further requests allow it, if too many were', () => {
    listen();
    for (let i = 0; i <= RetryBudget.MAX; i++) send(String(i), 30_000);
    clock.runUntil(17_000);
    expect(exchange.counts.retries).toBe(RetryBudget.MAX);
    for (let i = 0; i < 1 / RetryBudget.PER_REQUEST; i++) send(`further-${i}`, 30_000);
    clock.runUntil(18_000);
    expect(exchange.counts.retries).toBe(RetryBudget.MAX + 1);
    clock.runUntil(30_000);
    expect(answers).toHaveLength(RetryBudget.MAX + 1);
  });
});

describe('a deployment that is overloaded', () => {
  const refusal = (id: string, retryAfterMs: number): Answer => ({
    id,
    error: { code: 'RESOURCE_EXHAUSTED', message: 'overloaded', retryAfterMs },
  });

  it('refuses a request at once, and says when to ask again', () => {
    listen();
    send('x');
    clock.runUntil(0);
    bus.publish(attempts[0].reply, encode(refusal('x', 300)));
    clock.runUntil(1);
    expect(answers).toEqual([refusal('x', 300)]);
  });

  it('gets no retries of silent requests until then', () => {
    listen();
    for (const id of ['refused', 'waits']) send(id, 30_000);
    clock.runUntil(14_500);
    bus.publish(attempts[0].reply, encode(refusal('refused', 2_000)));
    clock.runUntil(16_499);
    expect(timesOf('waits')).toEqual([0]);
    clock.runUntil(16_500);
    expect(timesOf('waits')).toEqual([0, 16_500]);
  });

  it('that refuses a retry has not refused the request, which may still wait its turn', () => {
    listen();
    send('x');
    send('y');
    clock.runUntil(15_000);
    for (const id of ['x', 'y']) bus.publish(attempts.at(-1)!.reply, encode(refusal(id, 300)));
    clock.runUntil(15_001);
    expect(answers).toEqual([]);
    bus.publish(attempts[0].reply, encode(resultFor('x')));
    clock.runUntil(15_002);
    expect(answers).toEqual([resultFor('x')]);
    clock.runUntil(30_000);
    expect(answers.at(-1)).toMatchObject({ id: 'y', error: { code: 'RESOURCE_EXHAUSTED' } });
  });

  it('gets no retries from a client that learns of its refusals from another', () => {
    const patience = new Patience();
    exchange = new Exchange(bus, clock, 'infer', { name: 'e', deadlineMs: 30_000, patience });
    listen();
    send('waits');
    clock.runUntil(14_000);
    patience.onRefusal(4_000, 14_000);
    clock.runUntil(17_999);
    expect(timesOf('waits')).toEqual([0]);
    clock.runUntil(18_000);
    expect(timesOf('waits')).toEqual([0, 18_000]);
  });
});

describe('a request that another sender sent without an answer', () => {
  const sendAgain = (id: string, deadlineMs: number): void =>
    void exchange.send({ id, deadlineMs, inputs: {} }, (answer) => answers.push(answer), 1);

  it('counts as the second attempt: no third follows soon', () => {
    listen();
    sendAgain('x', 10_000);
    clock.runUntil(9_999);
    expect(timesOf('x')).toEqual([0]);
    expect(exchange.counts.retries).toBe(1);
  });

  it('is not refused if the retry is', () => {
    listen();
    sendAgain('x', 10_000);
    clock.runUntil(0);
    bus.publish(attempts[0].reply, encode({ id: 'x', error: { code: 'RESOURCE_EXHAUSTED', message: 'full' } }));
    clock.runUntil(9_999);
    expect(answers).toEqual([]);
    clock.runUntil(10_000);
    expect(answers).toMatchObject([{ id: 'x', error: { code: 'RESOURCE_EXHAUSTED' } }]);
  });
});

describe('a request that is sent again after a lost connection', () => {
  const refusal = { id: 'x', error: { code: 'RESOURCE_EXHAUSTED', message: 'full' } } as const;
  let status$: Subject<'up' | 'down'>;

  function loseConnection(): void {
    status$.next('down');
    status$.next('up');
    clock.runUntil(clock.now() + 1);
  }

  beforeEach(() => {
    status$ = new Subject();
    exchange = new Exchange(busWith(bus, { status$ }), clock, 'infer', { name: 'lossy', deadlineMs: 30_000 });
    listen();
    send('x');
    clock.runUntil(1);
    loseConnection();
    expect(attempts).toHaveLength(2);
  });

  it('is not refused if the copy is: the deployment may still compute it', () => {
    bus.publish(attempts[1].reply, encode(refusal));
    clock.runUntil(10);
    expect(answers).toEqual([]);
    bus.publish(attempts[0].reply, encode(resultFor('x')));
    clock.runUntil(20);
    expect(answers).toEqual([resultFor('x')]);
  });

  it('is cancelled where it was sent again once the first copy is answered', () => {
    bus.publish(attempts[0].reply, encode(resultFor('x')));
    clock.runUntil(10);
    expect(answers).toEqual([resultFor('x')]);
    expect(cancellations).toEqual([{ token: attempts[1].reply.split('.').at(-1), ids: null }]);
  });
});

it('refuses a request that was sent again, after a lost connection, only because nobody had listened', () => {
  const status$ = new Subject<'up' | 'down'>();
  exchange = new Exchange(busWith(bus, { status$ }), clock, 'infer', { name: 'lossy', deadlineMs: 30_000 });
  send('x');
  clock.runUntil(1);
  listen();
  status$.next('down');
  status$.next('up');
  clock.runUntil(2);
  const refusal: Answer = { id: 'x', error: { code: 'RESOURCE_EXHAUSTED', message: 'full' } };
  bus.publish(attempts[0].reply, encode(refusal));
  clock.runUntil(3);
  expect(answers).toEqual([refusal]);
});

describe('a request without a listener', () => {
  it('is retried less and less often', () => {
    send('x', 5_000);
    let sent = 0;
    const seen: number[] = [];
    while (clock.now() < 5_000 && clock.step()) {
      if (exchange.counts.retries === sent) continue;
      sent = exchange.counts.retries;
      seen.push(clock.now());
    }
    expect(seen.length).toBeGreaterThan(10);
    expect(seen.length).toBeLessThan(25);
    expect(answers).toMatchObject([{ id: 'x', error: { code: 'UNAVAILABLE' } }]);
  });

  it.each([100, 500, 1_000, 2_345])('is unavailable after %i ms, even if an attempt is under way just then', (deadlineMs) => {
    const slowBus = createLocalBus(clock, { latencyMs: 20 });
    const far = new Exchange(slowBus, clock, 'infer', { name: 'far', deadlineMs });
    far.send({ id: 'x', inputs: {} }, (answer) => answers.push(answer));
    clock.runUntil(deadlineMs);
    expect(answers).toMatchObject([{ id: 'x', error: { code: 'UNAVAILABLE' } }]);
  });

  it('counts as silent, not as unavailable, if somebody took it later', () => {
    send('x', 5_000);
    clock.runUntil(1_000);
    listen();
    clock.runUntil(5_000);
    expect(answers).toMatchObject([{ id: 'x', error: { code: 'DEADLINE_EXCEEDED' } }]);
  });
});

describe('answers that come twice or late', () => {
  it('accepts the answer to an earlier attempt while a later one is under way', () => {
    listen();
    send('x');
    clock.runUntil(15_000);
    bus.publish(attempts[0].reply, encode(resultFor('x', 1)));
    bus.publish(attempts[1].reply, encode(resultFor('x', 2)));
    clock.runUntil(15_001);
    expect(answers).toEqual([resultFor('x', 1)]);
    expect(exchange.counts).toMatchObject({ duplicates: 1, late: 0 });
  });

  it('does not mistake a late refusal of an earlier attempt for one of the later', () => {
    listen();
    send('x');
    clock.runUntil(15_000);
    bus.publish(attempts[0].reply, encode({ id: 'x', error: { code: 'UNAVAILABLE', message: 'gone' } }));
    clock.runUntil(29_999);
    expect(attempts).toHaveLength(2);
  });

  it('does not mistake a duplicate failure for the refusal of a whole message', () => {
    listen();
    send('x');
    send('y');
    clock.runUntil(0);
    const failure: Answer = { id: 'x', error: { code: 'INTERNAL', message: 'no' } };
    for (let i = 0; i < 2; i++) bus.publish(attempts[0].reply, encode(failure));
    clock.runUntil(1);
    expect(answers).toEqual([failure]);
    expect(exchange.counts.duplicates).toBe(1);
  });

  it('does not mistake the failure of a request it never sent for the refusal of a whole message', () => {
    listen();
    send('x');
    send('y');
    clock.runUntil(0);
    const error = { code: 'INVALID_ARGUMENT', message: 'no' } as const;
    bus.publish(attempts[0].reply, encode({ id: 'another', error }));
    clock.runUntil(1);
    expect(answers).toEqual([]);
    expect(exchange.counts.duplicates).toBe(1);
    bus.publish(attempts[0].reply, encode({ id: '', error }));
    clock.runUntil(2);
    expect(answers).toEqual(['x', 'y'].map((id) => ({ id, error })));
  });

  it('never calls back after a cancellation', () => {
    listen();
    const cancel = send('x');
    send('y')();
    clock.runUntil(0);
    cancel();
    bus.publish(attempts[0].reply, encode(resultFor('x')));
    clock.runUntil(60_000);
    expect(answers).toEqual([]);
    expect(attempts.map(({ id }) => id)).toEqual(['x']);
    expect(exchange.counts.late).toBe(1);
  });
});

it('allows an id to be used again once its request has ended', () => {
  listen();
  send('x');
  clock.runUntil(0);
  expect(() => send('x')).toThrow(/"x" is already in flight/);
  bus.publish(attempts[0].reply, encode(resultFor('x')));
  clock.runUntil(1);
  send('x');
  clock.runUntil(2);
  expect(attempts.map(({ id }) => id)).toEqual(['x', 'x']);
});

describe('an answer', () => {
  const forged = { ...resultFor('x'), label: 9 };

  it('counts only on the reply subject of its own request', () => {
    listen();
    send('x');
    clock.runUntil(1);
    send('y');
    clock.runUntil(2);
    const [x, y] = attempts;
    for (let guess = 0; guess < 100; guess++) bus.publish(`_INBOX.c.${guess.toString(36)}`, encode(forged));
    bus.publish(y.reply, encode(forged));
    clock.runUntil(3);
    expect(answers).toEqual([]);
    expect(exchange.counts.duplicates).toBe(101);
    bus.publish(x.reply, encode(resultFor('x')));
    clock.runUntil(4);
    expect(answers).toEqual([resultFor('x')]);
  });

  it('counts on the subject of an earlier attempt, too', () => {
    listen();
    send('x');
    clock.runUntil(15_001);
    expect(timesOf('x')).toHaveLength(2);
    bus.publish(attempts[0].reply, encode(resultFor('x')));
    clock.runUntil(15_002);
    expect(answers).toEqual([resultFor('x')]);
  });

  it('comes on a subject that nobody can guess from earlier ones', () => {
    listen();
    for (let i = 0; i < 500; i++) {
      send(`r${i}`);
      clock.runUntil(i);
    }
    clock.runUntil(500);
    const tokens = attempts.map(({ reply }) => reply.slice('_INBOX.c.'.length));
    expect(new Set(tokens).size).toBe(500);
    for (const token of tokens) expect(token).toMatch(/^[A-Za-z0-9_-]{16}$/);
  });
});

it('is not disturbed by an empty message, which ends the answers from another account', () => {
  listen();
  send('x');
  clock.runUntil(1);
  bus.publish(attempts[0].reply, new Uint8Array(0));
  bus.publish(attempts[0].reply, new Uint8Array(0), { headers: { 'My Key': 'unreadable' } });
  clock.runUntil(2);
  expect(exchange.counts.malformed).toBe(0);
  bus.publish(attempts[0].reply, encode(resultFor('x')));
  clock.runUntil(3);
  expect(answers).toEqual([resultFor('x')]);
});

describe('an abandoned request', () => {
  const tokenOf = (id: string, attempt = 0): string =>
    attempts
      .filter((each) => each.id === id)
      [attempt].reply.split('.')
      .at(-1)!;

  it('is cancelled with all its attempts: by id, or as whole messages', () => {
    listen();
    const [x, y] = [send('x'), send('y')];
    clock.runUntil(1);
    x();
    clock.runUntil(2);
    expect(cancellations).toEqual([{ token: tokenOf('x'), ids: ['x'] }]);
    y();
    y();
    clock.runUntil(3);
    expect(cancellations.slice(1)).toEqual([{ token: tokenOf('x'), ids: null }]);
  });

  it('is not cancelled if it was never sent', () => {
    listen();
    send('x')();
    clock.runUntil(10);
    expect([attempts, cancellations]).toEqual([[], []]);
  });

  it('is cancelled wherever it was sent again once one attempt is answered', () => {
    listen();
    send('x');
    clock.runUntil(20_000);
    expect(timesOf('x')).toHaveLength(2);
    bus.publish(attempts[1].reply, encode(resultFor('x')));
    clock.runUntil(20_001);
    expect(answers).toHaveLength(1);
    expect(cancellations).toEqual([{ token: tokenOf('x', 0), ids: null }]);
  });

  it('is cancelled when the client gives up on a request without a deadline, and when the client is closed', () => {
    exchange = new Exchange(bus, clock, 'infer', { name: 'd' });
    listen();
    send('x', 100);
    send('y');
    clock.runUntil(100);
    expect(cancellations).toEqual([]);
    clock.runUntil(30_001);
    expect(cancellations.map(({ token }) => token)).toEqual([tokenOf('y', 0), tokenOf('y', 1)]);
    cancellations.length = 0;
    send('z');
    clock.runUntil(30_002);
    exchange.close();
    clock.runUntil(30_003);
    expect(cancellations).toEqual([{ token: tokenOf('z'), ids: null }]);
  });
});
