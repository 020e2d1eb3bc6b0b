import { describe, expect, test, vi } from 'vitest';
import { LOAD_INTERVAL_MS, URGENT_INTERVAL_MS } from '../../plans/policy/gear-choice.ts';
import { decode } from '../../plans/protocol/codec.ts';
import type { DeviceState } from '../../plans/protocol/control-messages.ts';
import { isFailure } from '../../plans/protocol/messages.ts';
import { VirtualClock } from '../doubles/virtual-clock.ts';
import { busWith } from '../support/bus-with.ts';
import { scriptedBackend } from '../support/plane.ts';
import { planOf } from '../support/plans.ts';
import { startVirtualPlane, type VirtualPlane } from '../support/virtual-plane.ts';

interface Told {
  readonly at: number;
  readonly state: DeviceState;
}

/** The devices' heartbeats from now on, with their times. */
function heartbeats(plane: VirtualPlane): Told[] {
  const told: Told[] = [];
  plane.bus
    .messages$('cascade.test.state.*')
    .subscribe(({ data }) => told.push({ at: plane.clock.now(), state: decode<DeviceState>(data) }));
  return told;
}

describe('a backlog', () => {
  const batchMs = (_model: number, size: number): number => 16 + 2 * size;
  const LONGEST_BATCH_MS = 32;
  const URGENT_MS = 50;

  async function burst(requests: number): Promise<Told[]> {
    const plane = await startVirtualPlane(planOf({ models: ['small'] }), { batchMs, device: { urgentBacklogMs: URGENT_MS } });
    const told = heartbeats(plane);
    // Between heartbeats.
    await plane.runUntil(1_010);
    for (let i = 0; i < requests; i++) plane.infer(`r${i}`, [1, 90]);
    await plane.runUntil(2_000);
    expect(plane.answers).toHaveLength(requests);
    return told;
  }

  test('above the threshold is reported within the shortest interval plus a batch, and no more often, until it is gone', async () => {
    const told = await burst(100);
    const urgent = told.filter(({ at }) => at % LOAD_INTERVAL_MS !== 0);
    expect(urgent.length).toBeGreaterThan(3);
    for (const { state } of urgent) expect(state.backlogMs).toBeGreaterThan(URGENT_MS);
    told.forEach(({ at }, i) => {
      const sinceLastMs = at - (told[i - 1]?.at ?? 1_000);
      if (urgent.includes(told[i])) expect(sinceLastMs, `before ${at} ms`).toBeGreaterThanOrEqual(URGENT_INTERVAL_MS);
    });
    const last = told.findLast(({ state }) => state.backlogMs > URGENT_MS)!.at;
    const until = told.filter(({ at }) => at <= last).map(({ at }) => at);
    for (const [i, at] of until.entries())
      expect(at - (until[i - 1] ?? 1_010), `before ${at} ms`).toBeLessThanOrEqual(URGENT_INTERVAL_MS + LONGEST_BATCH_MS);
  });

  test('below the threshold waits for the next heartbeat', async () => {
    const told = await burst(20);
    expect(Math.max(...told.map(({ state }) => state.backlogMs))).toBeLessThanOrEqual(URGENT_MS);
    expect(told.map(({ at }) => at)).toEqual(Array.from({ length: 10 }, (_, i) => 1_100 + i * LOAD_INTERVAL_MS));
  });
});

describe('a device that drains under load', () => {
  test('answers everything it has, and says that it has left after the last answer', async () => {
    const said: string[] = [];
    const plane = await startVirtualPlane(planOf({ models: ['small', 'large'], threshold: 0.5 }), {
      // What the device publishes, in order.
      systemOf: (_, bus, clock) => ({
        clock,
        bus: busWith(bus, {
          publish: (subject, data, options) => {
            if (subject === 'answers') said.push('answer');
            if (subject.startsWith('cascade.test.state.') && decode<DeviceState>(data).phase === 'left') said.push('left');
            return bus.publish(subject, data, options);
          },
        }),
      }),
    });
    // Every third moves on to the large model.
    const REQUESTS = 100;
    for (let i = 0; i < REQUESTS; i++) plane.infer(`r${i}`, [1, i % 3 === 0 ? 10 : 90, 90]);
    await plane.runUntil(1_020);
    expect(said.length).toBeLessThan(REQUESTS);
    const stopped = plane.devices.get('d0')!.stop(60_000);
    await plane.runUntil(3_000);
    expect(await stopped).toBe(true);
    expect(said).toEqual([...Array(REQUESTS).fill('answer'), 'left']);
    expect(plane.answers.filter(({ answer }) => isFailure(answer))).toEqual([]);
  });
});

describe('a batch that takes 12 times its profiled time', () => {
  const PROFILED_MS = 200;

  /** Batches of one request each that take these times in turn. */
  async function run(tookMs: readonly number[]) {
    const left = [...tookMs];
    const onHung = vi.fn();
    const clock = new VirtualClock();
    const plane = await startVirtualPlane(planOf({ models: ['small'] }), {
      clock,
      device: { onHung },
      weights: { profiled: [{ batch: [1], ms: [PROFILED_MS] }] },
      createBackend: () => scriptedBackend(clock, ['small'], () => left.shift()!),
    });
    const told = heartbeats(plane);
    tookMs.forEach((_, i) => {
      plane.infer(`r${i}`, [1, 90]);
    });
    await plane.runUntil(20_000);
    return { plane, onHung, told };
  }

  test('hangs on a device that is as fast as profiled', async () => {
    const { onHung, told } = await run([PROFILED_MS, PROFILED_MS, 12 * PROFILED_MS]);
    expect(onHung).toHaveBeenCalledOnce();
    expect(told.at(-1)!.state.phase).toBe('left');
  });

  test('does not hang on one that measures itself as three times slower', async () => {
    const slow = 3 * PROFILED_MS;
    const { plane, onHung, told } = await run([slow, slow, slow, 12 * PROFILED_MS, slow]);
    expect(Math.max(...told.map(({ state }) => state.slowdown))).toBeGreaterThan(2.5);
    expect(onHung).not.toHaveBeenCalled();
    expect(plane.answers.map(({ answer }) => answer.id)).toEqual(['r0', 'r1', 'r2', 'r3', 'r4']);
  });
});
