import { expect, test } from 'vitest';
import { decode } from '../../plans/protocol/codec.ts';
import type { DeviceState } from '../../plans/protocol/control-messages.ts';
import { isFailure, type Result } from '../../plans/protocol/messages.ts';
import type { VirtualClock } from '../doubles/virtual-clock.ts';
import { Pausable } from '../support/pausable.ts';
import { planOf } from '../support/plans.ts';
import { startVirtualPlane, type VirtualPlane } from '../support/virtual-plane.ts';

const plan = planOf({ models: ['small'], devices: ['a', 'b'] });

const resultsOf = (plane: VirtualPlane): string[] =>
  plane.answers.filter(({ answer }) => !isFailure(answer)).map(({ answer }) => answer.id);

/** The heartbeats of one device from now on. */
function heartbeats(plane: VirtualPlane, device: string): { at: number; state: DeviceState }[] {
  const seen: { at: number; state: DeviceState }[] = [];
  plane.bus
    .messages$(`cascade.test.state.${device}`)
    .subscribe(({ data }) => seen.push({ at: plane.clock.now(), state: decode<DeviceState>(data) }));
  return seen;
}

/** One request every 10 ms. */
async function send(plane: VirtualPlane, from: number, to: number): Promise<void> {
  for (let i = from; i < to; i++) {
    plane.infer(`r${i}`, [1, 90]);
    await plane.runUntil(plane.clock.now() + 10);
  }
}

const ids = (count: number): string[] => Array.from({ length: count }, (_, i) => `r${i}`).sort();

test('an inference that never returns: its device says that it has left, and the other one answers its requests', async () => {
  let clock: VirtualClock | undefined;
  let hangs = 0;
  const ended: number[] = [];
  const plane = await startVirtualPlane(plan, {
    // The batch at 1,200 ms never ends; it was profiled at 5 ms.
    batchMs: () => (clock !== undefined && clock.now() >= 1_200 && hangs++ === 0 ? 1e9 : 5),
    device: { onHung: () => ended.push(clock?.now() ?? 0) },
  });
  clock = plane.clock;
  const beats = { a: heartbeats(plane, 'a'), b: heartbeats(plane, 'b') };
  await send(plane, 0, 400);
  await plane.runUntil(10_000);
  const left = [...beats.a, ...beats.b].find(({ state }) => state.phase === 'left');
  expect(left).toBeDefined();
  // It began at 1,200 ms; after a second it is hung, which the next heartbeat or two find.
  expect(left!.at).toBeGreaterThan(2_200);
  expect(left!.at).toBeLessThan(2_500);
  expect(ended).toEqual([left!.at]);
  expect(resultsOf(plane).sort()).toEqual(ids(400));
  const latest = Math.max(...plane.answers.map(({ answer }) => (answer as Result).timing.totalMs));
  expect(latest).toBeLessThan(1_500);
});

test('an inference of a second that was profiled at a fifth of that is slow, not hung', async () => {
  let slow = false;
  const hung: string[] = [];
  const plane = await startVirtualPlane(planOf({ models: ['small'] }), {
    batchMs: () => (slow ? 1_500 : 200),
    device: { onHung: () => hung.push('d0') },
  });
  slow = true;
  plane.infer('r0', [1, 90]);
  await plane.runUntil(5_000);
  expect(hung).toEqual([]);
  expect(resultsOf(plane)).toEqual(['r0']);
});

test('a device process that was paused long enough to count as lost starts over with empty queues', async () => {
  let process: Pausable | undefined;
  const plane = await startVirtualPlane(plan, {
    batchMs: () => 40,
    systemOf: (device, bus, clock) => {
      const own = new Pausable(bus, clock);
      if (device === 'a') process = own;
      return own;
    },
  });
  const beats = heartbeats(plane, 'a');
  await send(plane, 0, 50);
  const before = beats.at(-1)!.state;
  const computedBefore = before.completedBatches;
  process!.pause();
  await send(plane, 50, 300);
  expect(plane.clock.now() - beats.at(-1)!.at).toBeGreaterThan(2_000);
  process!.resume();
  const resumedAt = plane.clock.now();
  await plane.runUntil(resumedAt + 50);
  const after = beats.findLast(({ state }) => state.incarnation !== before.incarnation);
  expect(after).toMatchObject({ at: resumedAt, state: { phase: 'ready', queues: { small: 0 } } });
  // Its running batch ends; requests sent to it before it was lost are not computed there.
  expect(beats.at(-1)!.state.completedBatches).toBeLessThanOrEqual(computedBefore + 3);
  await send(plane, 300, 350);
  await plane.runUntil(10_000);
  expect([...new Set(resultsOf(plane))].sort()).toEqual(ids(350));
  // Only requests in progress during the pause may be answered twice.
  expect(resultsOf(plane).length - 350).toBeLessThanOrEqual(8);
  expect(beats.at(-1)!.state.completedBatches).toBeGreaterThan(computedBefore + 3);
});

test('a pause too short for others to notice loses and repeats nothing', async () => {
  let process: Pausable | undefined;
  const plane = await startVirtualPlane(plan, {
    batchMs: () => 40,
    systemOf: (device, bus, clock) => {
      const own = new Pausable(bus, clock);
      if (device === 'a') process = own;
      return own;
    },
  });
  const beats = heartbeats(plane, 'a');
  await send(plane, 0, 50);
  process!.pause();
  await send(plane, 50, 120);
  process!.resume();
  await send(plane, 120, 150);
  await plane.runUntil(10_000);
  expect(resultsOf(plane).sort()).toEqual(ids(150));
  expect(new Set(beats.map(({ state }) => state.incarnation)).size).toBe(1);
});
