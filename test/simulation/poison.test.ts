import { expect, test } from 'vitest';
import type { Backend } from '../../engine/backend/backend.ts';
import { isFailure } from '../../plans/protocol/messages.ts';
import { VirtualClock } from '../doubles/virtual-clock.ts';
import { hangingBackend, KILLER } from '../support/hanging-backend.ts';
import { planOf } from '../support/plans.ts';
import { startVirtualPlane, type VirtualPlane } from '../support/virtual-plane.ts';

const DEVICES = ['a', 'b', 'c', 'd'];
const SURE = [1, 90];

interface Hanging extends VirtualPlane {
  /** The devices that hung, each with its batch. */
  readonly hung: { readonly device: string; readonly batch: number }[];
}

/** A plane whose devices hang in every batch with a killer request, and are then ended. */
async function startHanging(frontends: number): Promise<Hanging> {
  const clock = new VirtualClock();
  const hung: Hanging['hung'] = [];
  const createBackend = (device: string): Backend => hangingBackend(clock, ['small'], (batch) => hung.push({ device, batch }));
  const plan = planOf({ models: ['small'], devices: DEVICES });
  const plane = await startVirtualPlane(plan, { clock, createBackend, frontends });
  return { ...plane, hung };
}

test('a request that hangs a device is tried once more, alone, and fails; all others are answered', async () => {
  const plane = await startHanging(2);
  plane.infer('killer', [1, KILLER]);
  for (let i = 0; i < 400; i++) plane.infer(`r${i}`, SURE);
  await plane.runUntil(20_000);
  expect(plane.hung.map(({ device }) => device)).toHaveLength(2);
  expect(plane.hung[1].batch).toBe(1);
  const failures = plane.answers.flatMap(({ answer }) => (isFailure(answer) ? [answer] : []));
  expect(failures).toEqual([
    {
      id: 'killer',
      error: {
        code: 'INTERNAL',
        message: expect.stringMatching(/^a device that had this request was lost, and then another/),
        final: true,
      },
    },
  ]);
  expect(new Set(plane.answers.map(({ answer }) => answer.id)).size).toBe(401);
});

test('two such requests in one batch each take one more device, and no other requests with them', async () => {
  const plane = await startHanging(1);
  // In between are requests that go to the other devices in turn.
  for (let i = 0; i < 2 * DEVICES.length; i++) plane.infer(`x${i}`, i % DEVICES.length === 0 ? [1, KILLER] : SURE);
  await plane.runUntil(20_000);
  expect(plane.hung.map(({ batch }) => batch)).toEqual([2, 1, 1]);
  const failed = plane.answers.filter(({ answer }) => isFailure(answer)).map(({ answer }) => answer.id);
  expect(failed.toSorted()).toEqual(['x0', `x${DEVICES.length}`]);
  expect(plane.answers).toHaveLength(2 * DEVICES.length);
});
