import { expect, test } from 'vitest';
import { FrontendCore, type FrontendCoreOptions } from '../../../../actors/frontend/frontend-core.ts';
import type { FrontendEffect, FrontendTask } from '../../../../actors/frontend/frontend-effects.ts';
import type { Envelope } from '../../../../actors/frontend/intake.ts';
import { compilePlan } from '../../../../plans/policy/compiled-plan.ts';
import { TELL_PLAN } from '../../../../plans/protocol/channels.ts';
import type { Failure, WorkItem } from '../../../../plans/protocol/messages.ts';
import { Unserved } from '../../../../plans/protocol/unserved.ts';
import { deviceState, planOf } from '../../../support/plans.ts';

const plan = planOf({ models: ['small', 'large'], devices: ['d0', 'd1'] });
const sample = { inputs: { x: Uint8Array.of(1, 2) } };
const envelope: Envelope = {
  reply: 'inbox.1',
  json: false,
  id: undefined,
  sender: 7,
  stored: false,
  bytes: 100,
  deadlineMs: undefined,
  token: undefined,
  traceparent: undefined,
};

function frontend(options: Partial<FrontendCoreOptions> & { maxPayloadBytes?: number } = {}): FrontendCore {
  let sequence = 0;
  return new FrontendCore({
    name: 'f1',
    plan: { revision: 1, plan: compilePlan(plan, plan.devices) },
    specs: [{ name: 'x', dtype: 'uint8', shape: [2] }],
    deadlineMs: 1_000,
    largestBatch: 8,
    maxPayloadBytes: 1_048_576,
    nextSeq: () => sequence++,
    ...options,
  });
}

/** A frontend with both devices ready. */
function serving(options?: Parameters<typeof frontend>[0]): FrontendCore {
  const core = frontend(options);
  for (const device of ['d0', 'd1']) core.onState(deviceState({ device }), 0);
  return core;
}

type Said = FrontendTask | Exclude<FrontendEffect, { type: 'perform' }>;
const said = (effects: readonly FrontendEffect[]): Said[] =>
  effects.map((effect) => (effect.type === 'perform' ? effect.task : effect));
const ask = (core: FrontendCore, now: number, values: readonly unknown[] = [sample], fields: Partial<Envelope> = {}) =>
  said(core.take({ type: 'requests', values, envelope: { ...envelope, ...fields } }, now));
const workIn = (effects: readonly Said[]): { device: string; item: WorkItem }[] =>
  effects.filter((effect) => effect.type === 'work');
const failuresIn = (effects: readonly Said[]): Failure[] =>
  effects.flatMap((effect) => (effect.type === 'fail' ? effect.failures : []));
/** Heartbeats from d1 alone, and sweeps, every 100 ms. */
function silenceOfD0(core: FrontendCore, untilMs: number): Said[] {
  const effects: Said[] = [];
  for (let now = 100; now <= untilMs; now += 100)
    effects.push(...said(core.onState(deviceState({ device: 'd1' }), now)), ...said(core.sweep(now)));
  return effects;
}

test('takes requests once every model of the gear is reachable, and says so once', () => {
  const core = frontend();
  expect(core.onState(deviceState({ queues: { small: 0 } }), 0)).toEqual([]);
  expect(core.remind()).toMatchObject([{ type: 'log', level: 'warn', fields: { models: ['large'] } }]);
  expect(said(core.onState(deviceState({ device: 'd1' }), 1))).toEqual([{ type: 'routable' }]);
  expect(core.onState(deviceState({ device: 'd1' }), 2)).toEqual([]);
  expect(core.remind()).toEqual([]);
});

test('sends each request of a message to the devices of the first model in turn, and counts it as load', () => {
  const effects = ask(serving(), 5, [
    { ...sample, id: 'a' },
    { ...sample, deadlineMs: 50 },
  ]);
  expect(effects.map(({ type }) => type)).toEqual(['arrived', 'work', 'arrived', 'work']);
  const [first, second] = workIn(effects);
  expect(new Set([first.device, second.device])).toEqual(new Set(['d0', 'd1']));
  expect(first).toMatchObject({ model: 'small', item: { id: 'a', seq: 0, reply: 'inbox.1', arrivedAt: 5, deadlineAt: 1_005 } });
  expect(second.item).toMatchObject({ id: 'f1-1', seq: 1, deadlineAt: 55 });
});

test('keeps no reference to the message that a request came in', () => {
  const bytes = Uint8Array.of(1, 2);
  const [{ item }] = workIn(ask(serving(), 0, [{ inputs: { x: bytes } }]));
  bytes.fill(9);
  expect([...item.sample[0].data]).toEqual([1, 2]);
});

test('bad requests of a message fail alone, and are reported together', () => {
  const unserved = new Unserved();
  const core = serving({ unserved });
  const effects = ask(core, 0, [sample, { inputs: {} }, 3]);
  expect(workIn(effects)).toHaveLength(1);
  expect(effects.filter(({ type }) => type === 'fail')).toHaveLength(1);
  expect(failuresIn(effects).map(({ error }) => error.code)).toEqual(['INVALID_ARGUMENT', 'INVALID_ARGUMENT']);
  expect(unserved.counts).toEqual({ invalid: 2 });
});

test('refuses a deadline that no device can meet, and caps one that is too long', () => {
  const core = serving({ leastMs: [20, 0], maxDeadlineMs: 2_000 });
  const [refused] = failuresIn(ask(core, 0, [{ ...sample, id: 'a', deadlineMs: 10 }]));
  expect(refused).toMatchObject({
    id: 'a',
    error: { message: expect.stringContaining('20 ms that model small takes at least') },
  });
  expect(workIn(ask(core, 0, [{ ...sample, deadlineMs: 60_000 }]))[0].item.deadlineAt).toBe(2_000);
});

test('refuses requests that do not fit into the memory for requests in flight, until others have ended', () => {
  const core = serving({ maxInFlight: 1 });
  const [{ item, device }] = workIn(ask(core, 0));
  expect(failuresIn(ask(core, 1))).toMatchObject([{ error: { code: 'RESOURCE_EXHAUSTED' } }]);
  core.onDone({ device, finished: [item.seq], dropped: 0, moved: [] }, 2);
  expect(workIn(ask(core, 3))).toHaveLength(1);
});

test('refuses inputs whose tensors are larger than a message of the server', () => {
  const effects = ask(serving({ maxPayloadBytes: 600 }), 0);
  expect(workIn(effects)).toEqual([]);
  expect(failuresIn(effects)[0].error.message).toContain('exceed the limit of 600 bytes of the NATS server');
});

test('ends a request that turns out not to fit into a message, once', () => {
  const core = serving();
  const [{ item }] = workIn(ask(core, 0));
  const [failure] = failuresIn(said(core.onTooLarge(item.seq, 3_200, 1)));
  expect(failure).toMatchObject({ id: item.id, error: { code: 'INVALID_ARGUMENT' } });
  expect(failure.error.message).toContain('exceed the limit of 3200 bytes of the NATS server');
  expect(core.onTooLarge(item.seq, 3_200, 2)).toEqual([]);
});

test('sends the requests of a silent device to another, which may run them alone', () => {
  const core = serving();
  const sent = workIn(ask(core, 0, [sample, sample])).find(({ device }) => device === 'd0')!;
  const effects = silenceOfD0(core, 1_200);
  expect(effects).toContainEqual({
    type: 'log',
    level: 'warn',
    text: 'device is silent; sending its requests again',
    fields: { device: 'd0', requests: 1, alone: 1 },
  });
  expect(workIn(effects)).toMatchObject([{ device: 'd1', item: { seq: sent.item.seq, alone: true } }]);
});

test('answers after the deadline for a device that does not answer', () => {
  const core = serving();
  const [{ item }] = workIn(ask(core, 0, [{ ...sample, deadlineMs: 300 }]));
  const failures: Failure[] = [];
  for (let now = 100; now <= 1_500; now += 100) {
    for (const device of ['d0', 'd1']) core.onState(deviceState({ device }), now);
    failures.push(...failuresIn(said(core.sweep(now))));
  }
  expect(failures).toMatchObject([{ id: item.id, error: { code: 'DEADLINE_EXCEEDED' } }]);
});

test('follows a request that moves on, and sends it again if its new device is gone', () => {
  const core = serving();
  const [{ item }] = workIn(ask(core, 0));
  expect(core.onDone({ device: 'd0', finished: [], dropped: 0, moved: [{ device: 'd1', seqs: [item.seq] }] }, 1)).toEqual([]);
  core.onState(deviceState({ device: 'd0', phase: 'left' }), 2);
  const moved = said(core.onDone({ device: 'd1', finished: [], dropped: 0, moved: [{ device: 'd0', seqs: [item.seq] }] }, 3));
  expect(workIn(moved)).toMatchObject([{ device: 'd1', item: { seq: item.seq } }]);
});

test('forwards cancellations: to all frontends, and for its own requests to their devices', () => {
  const core = serving();
  const cancellation = { token: 'secret', ids: null };
  const passed = said(core.take({ type: 'cancellation', address: { ...envelope, bytes: 30 }, cancellation }, 0));
  expect(passed).toEqual([{ type: 'pass-on', cancellation, bytes: 30 }]);
  const [{ item, device }] = workIn(ask(core, 0, [sample], { token: 'secret' }));
  expect(said(core.onCancel([cancellation]))).toEqual([{ type: 'cancel', device, seq: item.seq }]);
  expect(core.onCancel([cancellation])).toEqual([]);
});

test('asks for a plan that it does not know', () => {
  const core = serving();
  expect(core.onGear({ revision: 2, gear: 0, epoch: 1, decidedAt: 0 })).toMatchObject([
    { type: 'send', pattern: TELL_PLAN.pattern },
  ]);
  core.onPrepare({ revision: 2, plan });
  expect(core.onGear({ revision: 2, gear: 0, epoch: 2, decidedAt: 0 })).toEqual([]);
  expect(core.onPrepare({ revision: 3, plan: planOf({ models: ['other'] }) })).toMatchObject([{ type: 'drop' }]);
});

test('stops reading a client that made too many mistakes, and says for how long', () => {
  const core = serving();
  expect(core.closedForMs(7, 0)).toBeUndefined();
  for (let i = 0; i < 3; i++) ask(core, 0, new Array(4_096).fill(3));
  const closedForMs = core.closedForMs(7, 0)!;
  expect(closedForMs).toBeGreaterThan(0);
  expect(core.closedForMs(8, 0)).toBeUndefined();
  const [told] = failuresIn(said(core.take({ type: 'unread', address: { ...envelope, id: 'a' }, closedForMs }, 0)));
  expect(told).toMatchObject({ id: 'a', error: { code: 'RESOURCE_EXHAUSTED', retryAfterMs: closedForMs } });
  expect(core.closedForMs(7, closedForMs)).toBeUndefined();
});

test('what is left of a stored request counts, not the deadline in its body, which began when it was stored', () => {
  const values = [{ ...sample, deadlineMs: 300 }];
  const [{ item }] = workIn(ask(serving(), 0, values, { stored: true, deadlineMs: 120 }));
  expect(item.deadlineAt).toBe(120);
});

test('counts no mistakes in stored requests, which one sender sends for many clients', () => {
  const core = serving();
  const large = { ...envelope, stored: true, bytes: 10_000_000 };
  for (let i = 0; i < 3; i++) {
    expect(failuresIn(ask(core, 0, [3], large))).toMatchObject([{ error: { code: 'INVALID_ARGUMENT' } }]);
    core.take({ type: 'unreadable', error: new Error('not MessagePack'), address: large }, 0);
  }
  expect(core.closedForMs(large.sender, 0)).toBeUndefined();
});

test('has drained when nothing new comes and everything in flight has ended', () => {
  const core = serving();
  const [{ item, device }] = workIn(ask(core, 0));
  core.take({ type: 'end' }, 0);
  expect(core.isDrained).toBe(false);
  core.onDone({ device, finished: [item.seq], dropped: 0, moved: [] }, 1);
  expect(core.isDrained).toBe(true);
});
