import { expect, test } from 'vitest';
import { ServerClock } from '../../../../engine/bus/server-clock.ts';
import { CascadeError } from '../../../../engine/errors.ts';
import { VirtualClock } from '../../../doubles/virtual-clock.ts';

const HOUR_MS = 3_600_000;

test.each([HOUR_MS, 0, -HOUR_MS])(
  'ages use only the server’s clock, %d ms ahead of ours; it is read again when the last reading is too old',
  async (ahead) => {
    const clock = new VirtualClock();
    clock.runUntil(2 * HOUR_MS);
    let asked = 0;
    const server = new ServerClock(clock, async () => {
      asked++;
      return clock.now() + ahead;
    });
    const storedAt = clock.now() + ahead;
    clock.runUntil(clock.now() + 300);
    expect(await server.ageMs(storedAt, 1_000)).toBe(300);
    clock.runUntil(clock.now() + 999);
    expect([await server.ageMs(storedAt, 1_000), asked]).toEqual([1_299, 1]);
    clock.runUntil(clock.now() + 1);
    expect([await server.ageMs(storedAt, 1_000), asked]).toEqual([1_300, 2]);
  },
);

test('a step of the server’s clock is followed at the next reading, and ages are never negative', async () => {
  const clock = new VirtualClock();
  let ahead = 0;
  const server = new ServerClock(clock, async () => clock.now() + ahead);
  expect(await server.ageMs(0, 1_000)).toBe(0);
  ahead = -HOUR_MS;
  clock.runUntil(500);
  const storedAt = clock.now() + ahead;
  expect(await server.ageMs(storedAt, 1_000)).toBe(HOUR_MS);
  expect(await server.ageMs(storedAt, 0)).toBe(0);
  expect(await server.ageMs(storedAt + 100, 1_000)).toBe(0);
});

test('simultaneous callers share one request; a failure is passed on, and the next caller asks again', async () => {
  const clock = new VirtualClock();
  let asked = 0;
  const server = new ServerClock(clock, async () => {
    if (++asked === 1) throw new CascadeError('UNAVAILABLE', 'not now');
    return 1_000;
  });
  const both = await Promise.allSettled([server.ageMs(0, 100), server.ageMs(400, 100)]);
  expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(await Promise.all([server.ageMs(0, 100), server.ageMs(400, 100)])).toEqual([1_000, 600]);
  expect(asked).toBe(2);
});
