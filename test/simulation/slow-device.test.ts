import { NEVER, startWith } from 'rxjs';
import { expect, test } from 'vitest';
import { describeStatus } from '../../actors/commands/status.ts';
import { statusActor } from '../../actors/controller/status.ts';
import { requestStatus } from '../../actors/operator/ask-status.ts';
import { startActor } from '../../engine/actor/actor.ts';
import { silentLogger } from '../../engine/log.ts';
import { decode, encode } from '../../plans/protocol/codec.ts';
import type { EventMessage, EventOf } from '../../plans/protocol/events.ts';
import { subjectsOf } from '../../plans/protocol/subjects.ts';
import { slowdownAt } from '../../plans/simulator/slowdown.ts';
import { SYNTHETIC_INPUTS, syntheticProfile } from '../../plans/synthetic/synthetic.ts';
import { VirtualClock } from '../doubles/virtual-clock.ts';
import { emulatedDevice } from '../support/emulated-device.ts';
import { judgedBy } from '../support/judges.ts';
import { planOf } from '../support/plans.ts';
import { startVirtualPlane } from '../support/virtual-plane.ts';

const SLOW_FROM_MS = 10_000;
const SLOW_TO_MS = 20_000;
const subjects = subjectsOf('test');

test('an event and the status report that an emulated device becomes slow, and that it recovers', async () => {
  const profile = syntheticProfile({
    seed: 3,
    samples: 100,
    deviceClasses: { gpu: 1 },
    models: [{ name: 'small', accuracy: 0.7, fixedMs: 2, perSampleMs: 1, memoryBytes: 1 }],
  });
  const plan = planOf({ models: ['small'], devices: ['d0', 'd1'] });
  const slowdowns = [{ device: 'd1', factor: 1.9, fromMs: SLOW_FROM_MS, toMs: SLOW_TO_MS }];
  const clock = new VirtualClock();
  const plane = await startVirtualPlane(plan, {
    clock,
    specs: SYNTHETIC_INPUTS,
    device: { judge: judgedBy({ output: 'recorded' }, 'logits') },
    weights: { profiled: profile.models.map(({ runtimes }) => runtimes.gpu) },
    createBackend: (device) =>
      emulatedDevice(profile, 'gpu', clock, { slowdown: () => slowdownAt(slowdowns, device, clock.now()) }),
  });
  const { bus } = plane;
  startActor(statusActor({ deployment: 'test', subjects, start: { revision: 1, plan }, leading$: NEVER.pipe(startWith(true)) }), {
    bus,
    clock,
    log: silentLogger,
  });
  const told: { at: number; event: EventOf<'device-speed'> }[] = [];
  bus.messages$(subjects.events).subscribe(({ data }) => {
    const event = decode<EventMessage>(data);
    if (event.type === 'device-speed') told.push({ at: clock.now(), event });
  });
  let sent = 0;
  const sendUntil = async (timeMs: number): Promise<void> => {
    while (clock.now() < timeMs) {
      bus.publish(subjects.infer, encode({ id: String(sent), inputs: { sample: [sent++ % 100] } }), { reply: 'answers' });
      await plane.runUntil(clock.now() + 10);
    }
  };
  const speeds = async () => {
    const asked = requestStatus(bus, subjects);
    await plane.runUntil(clock.now() + 5);
    const status = await asked;
    return {
      byDevice: Object.fromEntries(status.devices.map(({ device, speed }) => [device, speed])),
      lines: describeStatus(status),
    };
  };

  await sendUntil(SLOW_FROM_MS - 100);
  expect((await speeds()).byDevice.d1).toEqual({ state: 'as-profiled', slowdown: 1, since: null, starvedShare: null });
  expect(told).toEqual([]);

  await sendUntil(SLOW_TO_MS - 100);
  expect(told).toHaveLength(1);
  const [{ at, event }] = told;
  expect(at).toBeLessThan(SLOW_FROM_MS + 2_500);
  expect(event).toMatchObject({ device: 'd1', state: 'slow', starvedShare: null });
  expect(event.slowdown).toBeGreaterThan(1.5);
  expect(event.since).toBeGreaterThan(SLOW_FROM_MS);
  expect(event.text).toMatch(/^d1 runs 1\.\dx slower than profiled since 00:00:1\d UTC$/);
  const slow = await speeds();
  expect(slow.byDevice.d1).toMatchObject({ state: 'slow', since: event.since });
  expect(slow.byDevice.d0.state).toBe('as-profiled');
  expect(slow.lines).toContain('d0 runs as profiled (1.00 times the profiled time)');
  expect(slow.lines).toMatch(/d1 runs 1\.\dx slower than profiled since 00:00:1\d UTC \(1\.\d\d times the profiled time\)/);

  await sendUntil(SLOW_TO_MS + 6_000);
  expect(told.map((each) => each.event.state)).toEqual(['slow', 'as-profiled']);
  expect(told[1].event.text).toBe(
    `d1 runs as profiled again since ${new Date(told[1].event.since!).toISOString().slice(11, 19)} UTC`,
  );
  expect((await speeds()).byDevice.d1).toMatchObject({ state: 'as-profiled', since: told[1].event.since });
  expect(plane.answers).toHaveLength(sent);
});
