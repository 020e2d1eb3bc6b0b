import { of } from 'rxjs';
import { expect, test } from 'vitest';
import { durableIngressActor } from '../../actors/durable-ingress.ts';
import { declareStreams, durableSetting } from '../../actors/durable-streams.ts';
import { startActor } from '../../engine/actor/actor.ts';
import { decodeAnswers } from '../../engine/client/answers.ts';
import { silentLogger } from '../../engine/log.ts';
import { encode } from '../../engine/wire/codec.ts';
import { type Answer, isFailure } from '../../engine/wire/messages.ts';
import { subjectsOf } from '../../engine/wire/subjects.ts';
import { planOf } from '../support/plans.ts';
import { POISON } from '../support/plane.ts';
import { startVirtualPlane, type VirtualPlane } from '../support/virtual-plane.ts';

/** The real actors, with requests stored in memory, under a virtual clock: minutes of tries in a moment. */
const subjects = subjectsOf('test');
const MINUTE_MS = 60_000;

async function startDurable(): Promise<{ plane: VirtualPlane; answers: { at: number; answer: Answer }[]; letters: number[] }> {
  const plane = await startVirtualPlane(planOf({ models: ['small', 'large'], devices: ['a', 'b'] }));
  const { bus, clock } = plane;
  const durable = durableSetting({ name: 'test', prefix: 'cascade' }, subjects, {
    maxRequests: 1_000,
    maxBytes: 1_000_000,
    maxAgeMs: Number.POSITIVE_INFINITY,
    maxDeliver: 20,
    ackWaitMs: 10_000,
    inFlight: 512,
    keepAnswersMs: 10 * MINUTE_MS,
    storage: 'memory',
    replicas: 1,
  });
  await declareStreams(bus.workQueues(), durable);
  startActor(durableIngressActor({ name: 'f0', durable, deadlineMs: 5_000, serving$: of(true) }), {
    bus,
    clock,
    log: silentLogger,
  });
  const answers: { at: number; answer: Answer }[] = [];
  const letters: number[] = [];
  bus
    .messages$(subjects.results)
    .subscribe(({ data }) => answers.push(...decodeAnswers(data).map((answer) => ({ at: clock.now(), answer }))));
  bus.messages$(subjects.dead).subscribe(() => letters.push(clock.now()));
  return { plane, answers, letters };
}

const store = ({ bus }: VirtualPlane, id: string, sample: readonly number[]) =>
  bus.workQueues().append(subjects.durable, encode({ id, inputs: { x: Uint8Array.from(sample) } }), { id, timeoutMs: 1_000 });

test('an outage of all devices for two minutes is outlasted: every stored request is answered, none is a dead letter', async () => {
  const { plane, answers, letters } = await startDurable();
  for (const device of plane.devices.values()) void device.stop(1_000);
  await plane.runUntil(5_000);
  for (let i = 0; i < 100; i++) await store(plane, `r${i}`, [i % 2, 90, 90]);
  await plane.runUntil(2 * MINUTE_MS);
  expect(answers).toEqual([]);
  plane.startDevices();
  await plane.runUntil(4 * MINUTE_MS);
  expect(answers.map(({ answer }) => answer.id).sort()).toEqual(Array.from({ length: 100 }, (_, i) => `r${i}`).sort());
  for (const { answer } of answers) expect(!isFailure(answer) && answer.label).toBe(Number(answer.id.slice(1)) % 2);
  expect(letters).toEqual([]);
});

test('a request that fails each time is a dead letter after its tries, within some minutes, beside others that are answered', async () => {
  const { plane, answers, letters } = await startDurable();
  await store(plane, 'poison', [0, POISON, POISON]);
  for (let i = 0; i < 20; i++) await store(plane, `r${i}`, [1, 90, 90]);
  await plane.runUntil(MINUTE_MS);
  expect(answers).toHaveLength(20);
  await plane.runUntil(10 * MINUTE_MS);
  expect(letters).toHaveLength(1);
  expect(letters[0]).toBeGreaterThan(5 * MINUTE_MS);
  expect(answers).toHaveLength(21);
  expect(answers[20].answer).toMatchObject({ id: 'poison', error: { code: 'INTERNAL', message: /given up after 20 tries/ } });
});
