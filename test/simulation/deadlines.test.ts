import { expect, test } from 'vitest';
import { decode, encode } from '../../plans/protocol/codec.ts';
import type { DeviceState } from '../../plans/protocol/control-messages.ts';
import { planOf } from '../support/plans.ts';
import { startVirtualPlane, type VirtualPlane } from '../support/virtual-plane.ts';

const models = ['small', 'large'];
/** Uncertain in the small model, so that it moves on to the large one. */
const HARD = [1, 10, 90];
const SMALL_MS = 10;
const LARGE_MS = 200;
const batchMs = (model: number): number => (model === 0 ? SMALL_MS : LARGE_MS);
const answerTo = (plane: VirtualPlane, id: string) => plane.answers.find(({ answer }) => answer.id === id);

test('no time for the next model: the answer so far is sent at once, and says so', async () => {
  const plane = await startVirtualPlane(planOf({ models }), { batchMs });
  plane.infer('hurried', HARD, { deadlineMs: 150 });
  plane.infer('patient', HARD, { deadlineMs: 1_000 });
  await plane.runUntil(3_000);
  expect(answerTo(plane, 'hurried')).toMatchObject({ at: 1_000 + SMALL_MS, answer: { model: 'small', exit: 'deadline' } });
  expect(answerTo(plane, 'patient')).toMatchObject({ answer: { model: 'large', exit: 'last' } });
});

test('time for the next model, but not for its queue: the answer so far is sent at once', async () => {
  // The small model on one device, the large one on another, whose queue is known from its heartbeat.
  const plan = planOf({ models, devices: ['a', 'b'] });
  const split = {
    ...plan,
    placement: [
      { model: 'small', device: 'a' },
      { model: 'large', device: 'b' },
    ],
    gears: plan.gears.map((gear) => ({ ...gear, shares: { small: { a: 1 }, large: { b: 1 } } })),
  };
  const plane = await startVirtualPlane(split, { batchMs });
  const backlogs: number[] = [];
  plane.bus.messages$('cascade.test.state.b').subscribe(({ data }) => backlogs.push(decode<DeviceState>(data).backlogMs));
  // Batches of 8: one runs and four wait, 800 ms by the profile.
  for (let i = 0; i < 40; i++) plane.infer(`before${i}`, HARD);
  await plane.runUntil(1_150);
  expect(backlogs.at(-1)).toBe(4 * LARGE_MS);
  const askedAt = plane.clock.now();
  plane.infer('hurried', HARD, { deadlineMs: 700 });
  plane.infer('patient', HARD, { deadlineMs: 5_000 });
  await plane.runUntil(6_000);
  expect(answerTo(plane, 'hurried')).toMatchObject({ at: askedAt + SMALL_MS, answer: { model: 'small', exit: 'deadline' } });
  expect(answerTo(plane, 'patient')).toMatchObject({ answer: { model: 'large', exit: 'last' } });
  expect(plane.answers).toHaveLength(42);
});

test('a deadline that passes in the queue of the next model: the answer so far is sent', async () => {
  let slow = false;
  const plane = await startVirtualPlane(planOf({ models }), {
    batchMs: (model) => (model === 0 ? SMALL_MS : slow ? 3 * LARGE_MS : LARGE_MS),
  });
  slow = true;
  // Eight fill the batch of the large model, which takes longer than profiled; the ninth waits behind it.
  for (let i = 0; i < 8; i++) plane.infer(`first${i}`, HARD);
  plane.infer('ninth', HARD, { deadlineMs: 700 });
  await plane.runUntil(5_000);
  expect(answerTo(plane, 'ninth')).toMatchObject({
    at: 1_000 + 2 * SMALL_MS + 3 * LARGE_MS,
    answer: { model: 'small', exit: 'deadline' },
  });
  expect(plane.answers).toHaveLength(9);
});

test('a request that its batch would answer too late is not computed, and answered as late before its deadline', async () => {
  const plane = await startVirtualPlane(planOf({ models: ['small'] }), { batchMs: () => 100 });
  plane.infer('first', [1, 90]);
  await plane.runUntil(1_001);
  plane.infer('late', [1, 90], { deadlineMs: 150 });
  plane.infer('in time', [1, 90], { deadlineMs: 300 });
  await plane.runUntil(2_000);
  expect(answerTo(plane, 'late')).toMatchObject({ at: 1_100, answer: { error: { code: 'DEADLINE_EXCEEDED' } } });
  expect(answerTo(plane, 'in time')).toMatchObject({ at: 1_200, answer: { exit: 'last' } });
});

test('the deadline in the header applies to each request of a frame that names none', async () => {
  const plane = await startVirtualPlane(planOf({ models }), { batchMs });
  const x = Uint8Array.from(HARD);
  const frame = [
    { id: 'header', inputs: { x } },
    { id: 'own', inputs: { x }, deadlineMs: 1_000 },
  ];
  plane.bus.publish('cascade.test.infer', encode(frame), { reply: 'answers', headers: { 'Cascade-Deadline-Ms': '150' } });
  await plane.runUntil(2_000);
  expect(answerTo(plane, 'header')?.answer).toMatchObject({ exit: 'deadline' });
  expect(answerTo(plane, 'own')?.answer).toMatchObject({ exit: 'last' });
});

test('the maximum deadline of the deployment applies to longer ones, wherever they are named', async () => {
  // Seven are ahead of it: it would finish within its own deadline, but not within the maximum.
  const plane = await startVirtualPlane(planOf({ models: ['small'] }), {
    batchMs: () => 100,
    frontend: { deadlineMs: 100, maxDeadlineMs: 150 },
  });
  const x = [1, 90];
  const header = { 'Cascade-Deadline-Ms': '5000' };
  const send = (body: unknown, headers: Record<string, string> = {}, asJson = false): void => {
    const data = asJson ? Buffer.from(JSON.stringify(body)) : encode(body);
    plane.bus.publish('cascade.test.infer', data, { reply: 'answers', headers });
  };
  plane.infer('first', x);
  await plane.runUntil(1_001);
  send({ id: 'body', inputs: { x }, deadlineMs: 5_000 });
  send({ id: 'json', inputs: { x }, deadlineMs: 5_000 }, {}, true);
  send({ id: 'header', inputs: { x } }, header);
  send(
    [
      { id: 'frame', inputs: { x }, deadlineMs: 5_000 },
      { id: 'frame-header', inputs: { x } },
    ],
    header,
  );
  await plane.runUntil(2_000);
  for (const id of ['body', 'json', 'header', 'frame', 'frame-header'])
    expect(answerTo(plane, id), id).toMatchObject({ at: 1_100, answer: { error: { code: 'DEADLINE_EXCEEDED' } } });
});
