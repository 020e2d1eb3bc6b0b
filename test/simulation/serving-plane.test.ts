import { describe, expect, test } from 'vitest';
import { DEFAULT_GEAR_RULE } from '../../plans/policy/gear-choice.ts';
import { encode } from '../../plans/protocol/codec.ts';
import { isFailure, type Result } from '../../plans/protocol/messages.ts';
import { POISON, UNFIT } from '../support/plane.ts';
import { planOf } from '../support/plans.ts';
import { startVirtualPlane } from '../support/virtual-plane.ts';

const models = ['small', 'large'];

describe('a request', () => {
  test('is answered by the first model that is certain, or else by the last, at the exact time', async () => {
    const plane = await startVirtualPlane(planOf({ models }));
    plane.infer('easy', [1, 90, 0]);
    plane.infer('hard', [0, 10, 0]);
    await plane.runUntil(1_100);
    const byId = new Map(plane.answers.map(({ at, answer }) => [answer.id, { at, ...(answer as Result) }]));
    expect(byId.get('easy')).toMatchObject({ label: 1, model: 'small', exit: 'certain', at: 1_002, timing: { totalMs: 2 } });
    // Two requests in one batch of the small model (2 ms), then one in the large (2 ms).
    expect(byId.get('hard')).toMatchObject({
      label: 0,
      model: 'large',
      exit: 'last',
      at: 1_004,
      timing: { computeMs: 4, totalMs: 4 },
    });
  });

  test('past its deadline is not computed, and answered as late', async () => {
    const plane = await startVirtualPlane(planOf({ models }), { batchMs: () => 50 });
    plane.infer('first', [1, 90, 0]);
    await plane.runUntil(1_001);
    plane.infer('late', [1, 90, 0], { deadlineMs: 20 });
    await plane.runUntil(1_200);
    expect(plane.answers).toHaveLength(2);
    const late = plane.answers.find(({ answer }) => answer.id === 'late');
    expect(late?.answer).toMatchObject({ error: { code: 'DEADLINE_EXCEEDED' } });
  });

  test('that makes a model fail fails alone: the rest of its batch is answered', async () => {
    const plane = await startVirtualPlane(planOf({ models }));
    plane.infer('a', [1, 90, 0]);
    plane.infer('bad', [1, POISON, 0]);
    plane.infer('b', [1, 90, 0]);
    await plane.runUntil(1_200);
    const failed = plane.answers.filter(({ answer }) => isFailure(answer)).map(({ answer }) => answer);
    expect(failed).toEqual([{ id: 'bad', error: { code: 'INTERNAL', message: 'small cannot read a sample' } }]);
    expect(plane.answers).toHaveLength(3);
  });

  test('that a model cannot take is refused as the sender’s fault; the rest of its batch is answered', async () => {
    const plane = await startVirtualPlane(planOf({ models }));
    plane.infer('a', [1, 90, 0]);
    plane.infer('bad', [1, UNFIT, 0]);
    plane.infer('b', [1, 90, 0]);
    await plane.runUntil(1_200);
    const failed = plane.answers.filter(({ answer }) => isFailure(answer)).map(({ answer }) => answer);
    expect(failed).toEqual([{ id: 'bad', error: { code: 'INVALID_ARGUMENT', message: 'small: beyond its words' } }]);
    expect(plane.answers).toHaveLength(3);
  });

  test('beyond the limit on requests in flight is refused at once', async () => {
    const plane = await startVirtualPlane(planOf({ models }), { frontend: { maxInFlight: 2 }, batchMs: () => 100 });
    for (const id of ['a', 'b', 'c']) plane.infer(id, [1, 90, 0]);
    await plane.runUntil(1_000);
    expect(plane.answers.map(({ answer }) => answer)).toMatchObject([{ id: 'c', error: { code: 'RESOURCE_EXHAUSTED' } }]);
    await plane.runUntil(1_300);
    expect(plane.answers).toHaveLength(3);
  });
});

test('in a frame is answered on its own, even if others are bad', async () => {
  const plane = await startVirtualPlane(planOf({ models }));
  const x = Uint8Array.of(1, 90, 0);
  const frame = [{ id: 'a', inputs: { x } }, { id: 'b', inputs: { y: x } }, 7, { id: 'c', inputs: { x } }];
  plane.bus.publish('cascade.test.infer', encode(frame), { reply: 'answers' });
  await plane.runUntil(1_100);
  const outcome = plane.answers.map(({ answer }) => [answer.id, isFailure(answer) ? answer.error.code : 'ok']).sort();
  expect(outcome).toEqual([
    ['', 'INVALID_ARGUMENT'],
    ['a', 'ok'],
    ['b', 'INVALID_ARGUMENT'],
    ['c', 'ok'],
  ]);
});

describe('under load', () => {
  const plan = planOf({ models, devices: ['a', 'b'], cascades: [['small', 'large'], ['small']], stepQps: 500 });

  /** One request a millisecond. */
  async function send(plane: Awaited<ReturnType<typeof startVirtualPlane>>, from: number, to: number): Promise<void> {
    for (let i = from; i < to; i++) {
      plane.infer(`r${i}`, [i % 2, i % 3 === 0 ? 90 : 20, 50]);
      await plane.runUntil(plane.clock.now() + 1);
    }
  }

  const ids = (plane: Awaited<ReturnType<typeof startVirtualPlane>>) => plane.answers.map(({ answer }) => answer.id).sort();
  const expected = (count: number) => Array.from({ length: count }, (_, i) => `r${i}`).sort();

  test('the gear shifts up with the load and down again after it', async () => {
    const plane = await startVirtualPlane(plan, { batchMs: (model, size) => (model + 1) * size * 0.1 });
    await send(plane, 0, 300);
    await plane.runUntil(plane.clock.now() + DEFAULT_GEAR_RULE.settleMs + DEFAULT_GEAR_RULE.windowMs);
    plane.infer('r300', [1, 20, 50]);
    await plane.runUntil(plane.clock.now() + 100);
    const gears = plane.answers.map(({ answer }) => (answer as Result).gear);
    expect(gears[0]).toBe(0);
    expect(gears[299]).toBe(1);
    expect(gears[300]).toBe(0);
    expect(ids(plane)).toEqual(expected(301));
  });

  test('a draining device finishes its requests; later ones are sent again: one answer each', async () => {
    const plane = await startVirtualPlane(plan, { batchMs: (model, size) => (model + 1) * size * 0.1 + 5 });
    await send(plane, 0, 100);
    const stopped = plane.devices.get('a')!.stop(10_000);
    await send(plane, 100, 200);
    await plane.runUntil(plane.clock.now() + 1_000);
    expect(await stopped).toBe(true);
    expect(ids(plane)).toEqual(expected(200));
  });

  test('a draining frontend finishes its requests; the other one keeps serving', async () => {
    const plane = await startVirtualPlane(plan, { frontends: 2, batchMs: () => 5 });
    await send(plane, 0, 50);
    const stopped = plane.frontends[0].stop(10_000);
    await send(plane, 50, 100);
    await plane.runUntil(plane.clock.now() + 1_000);
    expect(await stopped).toBe(true);
    expect(ids(plane)).toEqual(expected(100));
  });
});
