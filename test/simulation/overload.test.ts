import { expect, test } from 'vitest';
import { decode } from '../../plans/protocol/codec.ts';
import type { DeviceState } from '../../plans/protocol/control-messages.ts';
import { isFailure, type Result } from '../../plans/protocol/messages.ts';
import { planOf } from '../support/plans.ts';
import { startVirtualPlane, type VirtualPlane } from '../support/virtual-plane.ts';

/** Two devices with batches of up to 8 in 32 ms: 500 requests/s together. */
const batchMs = (_model: number, size: number): number => 16 + 2 * size;
const CAPACITY_QPS = 500;
const DEADLINE_MS = 1_000;
const plan = planOf({ models: ['small'], devices: ['a', 'b'] });

interface Sent {
  readonly at: number;
  readonly answeredAt: number;
  readonly outcome: 'in time' | 'late' | string;
}

/** The outcome of each request, by id. */
function outcomes(plane: VirtualPlane, sentAt: ReadonlyMap<string, number>): Sent[] {
  expect(plane.answers.map(({ answer }) => answer.id).sort()).toEqual([...sentAt.keys()].sort());
  return plane.answers.map(({ at, answer }) => {
    const sent = sentAt.get(answer.id)!;
    if (isFailure(answer)) return { at: sent, answeredAt: at, outcome: answer.error.code };
    return { at: sent, answeredAt: at, outcome: at <= sent + DEADLINE_MS ? 'in time' : 'late' };
  });
}

/** Sends at a steady rate; returns the maximum in flight and in queues. */
async function load(plane: VirtualPlane, sentAt: Map<string, number>, qps: number, seconds: number): Promise<number> {
  const beginsAt = plane.clock.now();
  let most = 0;
  for (let i = 0; i < qps * seconds; i++) {
    const id = `r${sentAt.size}`;
    sentAt.set(id, plane.clock.now());
    plane.infer(id, [1, 90], { deadlineMs: DEADLINE_MS });
    await plane.runUntil(beginsAt + ((i + 1) * 1_000) / qps);
    most = Math.max(most, sentAt.size - plane.answers.length);
  }
  return most;
}

test('3x overload for 30 s: goodput stays, excess requests are refused at once, nothing grows, and the next request is served', async () => {
  const plane = await startVirtualPlane(plan, { batchMs });
  let longestQueue = 0;
  plane.bus.messages$('cascade.test.state.*').subscribe(({ data }) => {
    longestQueue = Math.max(longestQueue, decode<DeviceState>(data).queues.small ?? 0);
  });
  const sentAt = new Map<string, number>();
  const mostInFlight = await load(plane, sentAt, 3 * CAPACITY_QPS, 30);
  // Everything in flight has ended by its deadline.
  await plane.runUntil(plane.clock.now() + DEADLINE_MS);
  const sent = outcomes(plane, sentAt);
  const inTime = sent.filter(({ outcome }) => outcome === 'in time').length;
  expect(inTime / (30 * CAPACITY_QPS)).toBeGreaterThan(0.9);
  const refused = sent.filter(({ outcome }) => outcome === 'RESOURCE_EXHAUSTED');
  expect(refused.length).toBeGreaterThan(sent.length / 2);
  expect(Math.max(...refused.map(({ at, answeredAt }) => answeredAt - at))).toBeLessThan(20);
  // Accepted requests were answered in time, from the first on.
  expect(sent.length - inTime - refused.length).toBe(0);
  expect(mostInFlight).toBeLessThan(1.5 * CAPACITY_QPS * (DEADLINE_MS / 1_000));
  expect(longestQueue).toBeLessThan(mostInFlight);
  const hints = plane.answers.flatMap(({ answer }) =>
    isFailure(answer) && answer.error.code === 'RESOURCE_EXHAUSTED' ? [answer.error.retryAfterMs ?? 0] : [],
  );
  expect(hints).toHaveLength(refused.length);
  expect(Math.min(...hints)).toBeGreaterThan(DEADLINE_MS / 4);
  expect(Math.max(...hints)).toBeLessThan(2 * DEADLINE_MS);

  const askedAt = plane.clock.now();
  plane.infer('after', [1, 90], { deadlineMs: DEADLINE_MS });
  await plane.runUntil(askedAt + DEADLINE_MS);
  expect(plane.answers.at(-1)).toMatchObject({ at: askedAt + batchMs(0, 1), answer: { id: 'after', exit: 'last' } });
});

test.each([3, 10].flatMap((factor) => [0.02, 0.3, 0.9].map((share) => [factor, share])))(
  '%dx overload after a load of %d of the capacity: the first second is served as well as the rest, and nothing is late',
  async (factor, share) => {
    const plane = await startVirtualPlane(plan, { batchMs });
    await load(plane, new Map(), share * CAPACITY_QPS, 5);
    await plane.runUntil(plane.clock.now() + DEADLINE_MS);
    plane.answers.length = 0;
    const beginsAt = plane.clock.now();
    const sentAt = new Map<string, number>();
    await load(plane, sentAt, factor * CAPACITY_QPS, 3);
    await plane.runUntil(plane.clock.now() + DEADLINE_MS);
    const sent = outcomes(plane, sentAt);
    const late = sent.filter(({ outcome }) => outcome !== 'in time' && outcome !== 'RESOURCE_EXHAUSTED');
    expect(late).toEqual([]);
    for (let second = 0; second < 3; second++) {
      const from = beginsAt + 1_000 * second;
      const served = sent.filter(
        ({ answeredAt, outcome }) => outcome === 'in time' && answeredAt >= from && answeredAt < from + 1_000,
      );
      expect(served.length / CAPACITY_QPS).toBeGreaterThan(0.9);
    }
  },
);

test('a burst after a light load is accepted as long as nothing suggests that the devices cannot serve it', async () => {
  const plane = await startVirtualPlane(plan, { batchMs });
  const sentAt = new Map<string, number>();
  await load(plane, sentAt, 10, 5);
  // At the 10/s completed so far it would take 40 s; it takes 0.8 s.
  for (let i = 0; i < 400; i++) {
    sentAt.set(`burst${i}`, plane.clock.now());
    plane.infer(`burst${i}`, [1, 90], { deadlineMs: DEADLINE_MS });
  }
  await plane.runUntil(plane.clock.now() + DEADLINE_MS);
  expect(outcomes(plane, sentAt).every(({ outcome }) => outcome === 'in time')).toBe(true);
});

test('a burst is accepted after a hang under light load, once requests have completed normally for a second', async () => {
  // Batches that run or begin during the hang end after it.
  let hang = { from: Number.POSITIVE_INFINITY, to: 0 };
  let now = (): number => 0;
  const hanging = (model: number, size: number): number => {
    const ms = batchMs(model, size);
    return now() + ms > hang.from && now() < hang.to ? hang.to - now() + ms : ms;
  };
  const plane = await startVirtualPlane(plan, { batchMs: hanging });
  now = () => plane.clock.now();
  const before = new Map<string, number>();
  await load(plane, before, 10, 3);
  hang = { from: plane.clock.now(), to: plane.clock.now() + 800 };
  await load(plane, before, 10, 2);
  await plane.runUntil(plane.clock.now() + 100);
  expect(outcomes(plane, before).every(({ outcome }) => outcome === 'in time')).toBe(true);
  const hungMs = outcomes(plane, before).map(({ at, answeredAt }) => answeredAt - at);
  expect(Math.max(...hungMs)).toBeGreaterThan(700);
  plane.answers.length = 0;
  const burst = new Map<string, number>();
  // Half of what the devices can serve within its deadline.
  for (let i = 0; i < 100; i++) {
    burst.set(`burst${i}`, plane.clock.now());
    plane.infer(`burst${i}`, [1, 90], { deadlineMs: 400 });
  }
  await plane.runUntil(plane.clock.now() + DEADLINE_MS);
  expect(outcomes(plane, burst).every(({ outcome }) => outcome === 'in time')).toBe(true);
});

test('an overload of 1.5 times the capacity with different deadlines: the patient requests are served', async () => {
  const plane = await startVirtualPlane(plan, { batchMs });
  const beginsAt = plane.clock.now();
  const count = 1.5 * CAPACITY_QPS * 10;
  for (let i = 0; i < count; i++) {
    plane.infer(`${i % 3 === 0 ? 'short' : 'long'}-${i}`, [1, 90], { deadlineMs: i % 3 === 0 ? 100 : 5_000 });
    await plane.runUntil(beginsAt + (i + 1) * (10_000 / count));
  }
  await plane.runUntil(plane.clock.now() + 5_000);
  const served = (kind: string): number =>
    plane.answers.filter(({ answer }) => !isFailure(answer) && (answer as Result).id.startsWith(kind)).length / (count / 3);
  expect(plane.answers).toHaveLength(count);
  expect(served('long')).toBeGreaterThan(1.9);
  expect(served('short')).toBeGreaterThan(0);
});

test('a request that a full queue refuses gets a retry hint', async () => {
  const bounds = { requests: 4, bytes: 1e6 };
  const plane = await startVirtualPlane(planOf({ models: ['small'] }), { batchMs, device: { bounds } });
  for (let i = 0; i < 10; i++) plane.infer(`r${i}`, [1, 90]);
  await plane.runUntil(1_500);
  const refused = plane.answers.flatMap(({ answer }) => (isFailure(answer) ? [answer.error] : []));
  expect(refused.length).toBeGreaterThan(0);
  for (const error of refused) expect(error).toMatchObject({ code: 'RESOURCE_EXHAUSTED', retryAfterMs: batchMs(0, 4) / 2 });
  expect(plane.answers).toHaveLength(10);
});
