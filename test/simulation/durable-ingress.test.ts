import { of } from 'rxjs';
import { expect, test } from 'vitest';
import { decodeAnswers } from '../../actors/client/answers.ts';
import { durableIngressActor } from '../../actors/durable/durable-ingress.ts';
import { declareStreams, durableConfig } from '../../actors/durable/durable-streams.ts';
import { startActor } from '../../engine/actor/actor.ts';
import type { Backend } from '../../engine/backend/backend.ts';
import type { Bus } from '../../engine/bus/bus.ts';
import { silentLogger } from '../../engine/log.ts';
import { encode } from '../../plans/protocol/codec.ts';
import { type Answer, isFailure } from '../../plans/protocol/messages.ts';
import { subjectsOf } from '../../plans/protocol/subjects.ts';
import { createLocalBus } from '../doubles/local-bus.ts';
import { VirtualClock } from '../doubles/virtual-clock.ts';
import { hangingBackend, KILLER } from '../support/hanging-backend.ts';
import { POISON } from '../support/plane.ts';
import { planOf } from '../support/plans.ts';
import { runClock, startVirtualPlane } from '../support/virtual-plane.ts';

/** The real actors, with requests stored in memory, under a virtual clock: minutes of tries pass in a moment. */
const subjects = subjectsOf('test');
const MINUTE_MS = 60_000;

interface Durable {
  readonly clock: VirtualClock;
  readonly bus: Bus;
  readonly answers: { at: number; answer: Answer }[];
  /** When a dead letter arrived. */
  readonly letters: number[];
  store(id: string, sample: readonly number[], headers?: Readonly<Record<string, string>>): Promise<unknown>;
}

async function startDurable(storeAheadMs?: () => number): Promise<Durable> {
  const clock = new VirtualClock();
  const bus = createLocalBus(clock, { storeAheadMs });
  const durable = durableConfig({ name: 'test', prefix: 'cascade' }, subjects, {
    maxRequests: 1_000,
    maxBytes: 100_000_000,
    maxAgeMs: Number.POSITIVE_INFINITY,
    maxDeliver: 20,
    ackWaitMs: 10_000,
    inFlight: 512,
    keepAnswersMs: 10 * MINUTE_MS,
    storage: 'memory',
    replicas: 1,
  });
  await declareStreams(bus.workQueues(), durable);
  const answers: Durable['answers'] = [];
  const letters: number[] = [];
  bus
    .messages$(subjects.results)
    .subscribe(({ data }) => answers.push(...decodeAnswers(data).map((answer) => ({ at: clock.now(), answer }))));
  bus.messages$(subjects.dead).subscribe(() => letters.push(clock.now()));
  const ingress = durableIngressActor({ name: 'f0', durable, deadlineMs: 5_000, serving$: of(true) });
  startActor(ingress, { bus, clock, log: silentLogger });
  return {
    clock,
    bus,
    answers,
    letters,
    store: (id, sample, headers) =>
      bus
        .workQueues()
        .append(subjects.durable, encode({ id, inputs: { x: Uint8Array.from(sample) } }), { id, headers, timeoutMs: 1_000 }),
  };
}

const HOUR_MS = 60 * MINUTE_MS;
const PLAN = planOf({ models: ['small', 'large'], devices: ['a', 'b'] });

test('stored requests survive two minutes without any server: every one is answered, and none becomes a dead letter', async () => {
  const { clock, bus, answers, letters, store } = await startDurable();
  for (let i = 0; i < 100; i++) await store(`r${i}`, [i % 2, 90, 90]);
  await runClock(clock, 2 * MINUTE_MS);
  expect(answers).toEqual([]);
  const plane = await startVirtualPlane(PLAN, { clock, bus });
  await plane.runUntil(4 * MINUTE_MS);
  expect(answers.map(({ answer }) => answer.id).sort()).toEqual(Array.from({ length: 100 }, (_, i) => `r${i}`).sort());
  for (const { answer } of answers) expect(!isFailure(answer) && answer.label).toBe(Number(answer.id.slice(1)) % 2);
  expect(letters).toEqual([]);
});

test('a request that fails every time becomes a dead letter after its tries, within a few minutes, while others are answered', async () => {
  const { clock, bus, answers, letters, store } = await startDurable();
  const plane = await startVirtualPlane(PLAN, { clock, bus });
  await store('poison', [0, POISON, POISON]);
  for (let i = 0; i < 20; i++) await store(`r${i}`, [1, 90, 90]);
  await plane.runUntil(MINUTE_MS);
  expect(answers).toHaveLength(20);
  await plane.runUntil(10 * MINUTE_MS);
  expect(letters).toHaveLength(1);
  expect(letters[0]).toBeGreaterThan(5 * MINUTE_MS);
  expect(answers).toHaveLength(21);
  expect(answers[20].answer).toMatchObject({ id: 'poison', error: { code: 'INTERNAL', message: /given up after 20 tries/ } });
});

test('many large invalid requests harm nobody but themselves: the valid ones are answered at once', async () => {
  const { clock, bus, answers, letters, store } = await startDurable();
  const plane = await startVirtualPlane(PLAN, { clock, bus });
  const wrong = encode({ id: 'wrong', inputs: { x: new Uint8Array(900_000) } });
  for (let i = 0; i < 60; i++) await bus.workQueues().append(subjects.durable, wrong, { id: `wrong${i}`, timeoutMs: 1_000 });
  for (let i = 0; i < 20; i++) await store(`r${i}`, [1, 90, 90]);
  await plane.runUntil(clock.now() + 1_000);
  const [failures, results] = [
    answers.filter(({ answer }) => isFailure(answer)),
    answers.filter(({ answer }) => !isFailure(answer)),
  ];
  expect(new Set(failures.map(({ answer }) => isFailure(answer) && answer.error.code))).toEqual(new Set(['INVALID_ARGUMENT']));
  expect([failures.length, results.length, letters.length]).toEqual([60, 20, 0]);
});

test('a request that hangs devices becomes a dead letter after the second one, while others are answered', async () => {
  const { clock, bus, answers, letters, store } = await startDurable();
  const models = ['small', 'large'];
  let hung = 0;
  const createBackend = (): Backend => hangingBackend(clock, models, () => hung++);
  const plane = await startVirtualPlane(planOf({ models, devices: ['a', 'b', 'c'] }), { clock, bus, createBackend });
  await store('killer', [0, KILLER, 90]);
  for (let i = 0; i < 20; i++) await store(`r${i}`, [1, 90, 90]);
  await plane.runUntil(10 * MINUTE_MS);
  expect(hung).toBe(2);
  expect(letters).toHaveLength(1);
  expect(letters[0]).toBeLessThan(MINUTE_MS);
  expect(answers).toHaveLength(21);
  expect(answers.find(({ answer }) => answer.id === 'killer')?.answer).toMatchObject({
    error: {
      code: 'INTERNAL',
      message: expect.stringMatching(/^a device that had this request was lost.* \(given up after 1 try; kept as message/),
    },
  });
});

test('a cancelled request leaves the store: in flight, waiting for a device, or between two tries', async () => {
  const { clock, bus, answers, letters, store } = await startDurable();
  const plane = await startVirtualPlane(PLAN, { clock, bus });
  const secret = (name: string) => ({ 'Cascade-Token': `the-token-of-${name}-` });
  const left = () => bus.workQueues().count('cascade_test_durable');
  await store('poison', [0, POISON, POISON], secret('poison'));
  await plane.runUntil(clock.now() + 5_000);
  expect([await left(), answers.length]).toEqual([1, 0]);
  for (let i = 0; i < 200; i++) await store(`r${i}`, [1, 90, 90], secret(`r${i}`));
  await plane.runUntil(clock.now() + 1);
  const giveUp = (name: string) =>
    bus.publish(subjects.infer, new Uint8Array(0), { headers: { 'Cascade-Cancel': secret(name)['Cascade-Token'] } });
  giveUp('poison');
  for (let i = 0; i < 100; i++) giveUp(`r${i}`);
  await plane.runUntil(clock.now() + 60_000);
  const ids = answers.map(({ answer }) => answer.id);
  for (let i = 100; i < 200; i++) expect(ids).toContain(`r${i}`);
  expect(ids.length).toBeLessThan(150);
  expect(ids).not.toContain('poison');
  expect([await left(), letters]).toEqual([0, []]);
});

test.each([
  ['a list of requests', encode([{ inputs: { x: [1, 2, 3] } }]), {}],
  ['an id that is too long', encode({ inputs: {} }), { 'Cascade-Id': 'x'.repeat(200) }],
  ['an invalid deadline', encode({ inputs: {} }), { 'Cascade-Deadline-Ms': 'soon' }],
])('%s is refused on the results subject it names', async (_, body, headers) => {
  const { clock, bus, answers } = await startDurable();
  await startVirtualPlane(PLAN, { clock, bus });
  const named: unknown[] = [];
  bus.messages$(subjects.namedResults('billing')).subscribe(({ data }) => named.push(...decodeAnswers(data)));
  const options = { id: 'wrong', headers: { ...headers, 'Cascade-Results': 'billing' }, timeoutMs: 1_000 };
  await bus.workQueues().append(subjects.durable, body, options);
  await runClock(clock, 1_000);
  expect(named).toMatchObject([{ error: { code: 'INVALID_ARGUMENT' } }]);
  expect(answers).toEqual([]);
});

test.each([0, HOUR_MS, -HOUR_MS])(
  'deadlines count from when the request was stored, even if the server’s clock is %d ms ahead of ours and is set meanwhile',
  async (atFirstMs) => {
    let aheadMs = atFirstMs;
    const { clock, bus, answers, store } = await startDurable(() => aheadMs);
    const deadline = (ms: number) => ({ 'Cascade-Deadline-Ms': String(ms) });
    // Nobody serves for 10 s.
    await store('late', [1, 90, 90], deadline(5_000));
    await store('in time', [1, 90, 90], deadline(60_000));
    await runClock(clock, 10_000);
    const plane = await startVirtualPlane(PLAN, { clock, bus });
    await plane.runUntil(30_000);
    for (const stepMs of [HOUR_MS, -2 * HOUR_MS]) {
      aheadMs += stepMs;
      await store(`after a step of ${stepMs}`, [1, 90, 90], deadline(2_000));
      await plane.runUntil(clock.now() + 5_000);
    }
    const byId = new Map(answers.map(({ answer }) => [answer.id, answer]));
    expect(byId.get('late')).toMatchObject({ error: { code: 'DEADLINE_EXCEEDED' } });
    const results = answers.filter(({ answer }) => !isFailure(answer)).map(({ answer }) => answer.id);
    expect(results).toEqual(['in time', `after a step of ${HOUR_MS}`, `after a step of ${-2 * HOUR_MS}`]);
  },
);
