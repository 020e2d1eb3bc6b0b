import { expect, test } from 'vitest';
import { requireExclusiveDevices } from '../../../../actors/processes/exclusive-devices.ts';
import { every } from '../../../../engine/clock.ts';
import { ConfigError } from '../../../../engine/errors.ts';
import { encode } from '../../../../plans/protocol/codec.ts';
import type { DeviceState } from '../../../../plans/protocol/control-messages.ts';
import { subjectsOf } from '../../../../plans/protocol/subjects.ts';
import { createLocalBus } from '../../../doubles/local-bus.ts';
import { VirtualClock } from '../../../doubles/virtual-clock.ts';
import { capturingLogger } from '../../../simulation/support/log-capture.ts';
import { deviceState } from '../../../support/plans.ts';

const subjects = subjectsOf('shop');

/** Starts to serve d0 and d1 while another process reports every 100 ms. @returns how it ended, and what was logged. */
async function start(says: (clock: VirtualClock) => DeviceState | undefined) {
  const clock = new VirtualClock();
  const bus = createLocalBus(clock);
  const lines: string[] = [];
  const log = capturingLogger(true, ({ text }) => lines.push(text));
  const beats = every(clock, 100).subscribe(() => {
    const state = says(clock);
    if (state !== undefined) bus.publish(subjects.state(state.device), encode(state));
  });
  let at: number | undefined;
  const ended = requireExclusiveDevices({ bus, clock, log }, subjects, ['d0', 'd1']).then(
    () => undefined,
    (error: unknown) => error,
  );
  void ended.then(() => {
    at = clock.now();
  });
  for (let ms = 0; ms <= 10_000 && at === undefined; ms += 10) {
    clock.runUntil(ms);
    await Promise.resolve();
    await Promise.resolve();
  }
  beats.unsubscribe();
  return { error: await ended, at, lines };
}

test('a device that no other process runs may start as soon as that is known', async () => {
  expect(await start(() => undefined)).toMatchObject({ error: undefined, at: expect.any(Number), lines: [] });
  expect((await start(() => deviceState({ device: 'd7' }))).at).toBeLessThan(500);
});

test('a device that another process runs may not', async () => {
  const { error, at, lines } = await start(() => deviceState({ device: 'd1', pid: 77, host: 'h2' }));
  expect(error).toBeInstanceOf(ConfigError);
  expect((error as Error).message).toContain('device d1 of cascade.shop is already served by process 77 of host h2: stop');
  expect(at).toBeLessThan(3_500);
  expect(lines).toEqual(['already served by process 77 of host h2; waiting for it to leave']);
});

test('a device whose process pauses does not count as gone', async () => {
  const { error } = await start((clock) => (Math.round(clock.now()) % 2_000 === 100 ? deviceState() : undefined));
  expect(error).toBeInstanceOf(ConfigError);
});

test('a device may start when the process that ran it has drained and left, however long that takes', async () => {
  const { error, at } = await start((clock) => {
    if (clock.now() > 8_000) return undefined;
    return deviceState({ phase: clock.now() < 2_000 ? 'ready' : clock.now() < 8_000 ? 'draining' : 'left' });
  });
  expect(error).toBeUndefined();
  expect(at).toBeGreaterThan(8_000);
  expect(at).toBeLessThan(8_500);
});

test('a device whose process is gone without a word may start, too', async () => {
  const { error, at } = await start((clock) => (clock.now() < 1_000 ? deviceState() : undefined));
  expect(error).toBeUndefined();
  expect(at).toBeLessThan(5_000);
});
