import { describe, expect, test } from 'vitest';
import { lease$ } from '../../actors/controller/lease.ts';
import type { Bus } from '../../engine/bus/bus.ts';
import { CascadeError } from '../../engine/errors.ts';
import { type Logger, silentLogger } from '../../engine/log.ts';
import { createLocalBus } from '../doubles/local-bus.ts';
import { VirtualClock } from '../doubles/virtual-clock.ts';
import { busWith } from '../support/bus-with.ts';
import { capturingLogger } from './support/log-capture.ts';

const TTL_MS = 2_000;

function startWorld() {
  const clock = new VirtualClock();
  const bus = createLocalBus(clock);
  const runUntil = async (timeMs: number): Promise<void> => {
    for (let next = clock.nextAt; next !== undefined && next <= timeMs; next = clock.nextAt) {
      clock.step();
      // An attempt takes several promises, which settle before the next callback, as in real time.
      for (let i = 0; i < 10; i++) await Promise.resolve();
    }
    clock.runUntil(timeMs);
  };
  const contend = (owner: string, on: Bus = bus, log: Logger = silentLogger) => {
    const told: boolean[] = [];
    const subscription = lease$({ bus: on, clock, log, bucket: 'lease', owner, ttlMs: TTL_MS }).subscribe((held) =>
      told.push(held),
    );
    return { told, leave: () => subscription.unsubscribe() };
  };
  return { clock, bus, runUntil, contend };
}

describe('of two controllers', () => {
  test('one leads for as long as it lives; when it leaves, the other takes over at once', async () => {
    const { runUntil, contend } = startWorld();
    const first = contend('first');
    await runUntil(10);
    const second = contend('second');
    await runUntil(60_000);
    expect([first.told, second.told]).toEqual([[true], [false]]);
    first.leave();
    await runUntil(60_000 + TTL_MS / 4 + 1);
    expect(second.told).toEqual([false, true]);
  });

  test('one that cannot reach the store stops leading before the other starts', async () => {
    const { bus, clock, runUntil, contend } = startWorld();
    let reachable = true;
    const shaky: Bus = Object.create(bus, {
      keyValue: {
        value: async (bucket: string, options: object) => {
          const store = (await bus.keyValue(bucket, options))!;
          const guard = <A extends unknown[], T>(action: (...args: A) => Promise<T>) => {
            return (...args: A): Promise<T> =>
              reachable ? action(...args) : Promise.reject(new CascadeError('UNAVAILABLE', 'no connection'));
          };
          return { ...store, create: guard(store.create), update: guard(store.update), delete: guard(store.delete) };
        },
      },
    });
    const first = contend('first', shaky);
    await runUntil(10);
    const second = contend('second');
    await runUntil(10_000);
    reachable = false;
    let both = false;
    while (second.told.at(-1) !== true && clock.now() < 20_000) {
      await runUntil(clock.now() + 10);
      both ||= first.told.at(-1) === true && second.told.at(-1) === true;
    }
    expect(second.told).toEqual([false, true]);
    expect(clock.now()).toBeLessThanOrEqual(10_000 + 1.5 * TTL_MS);
    expect(both).toBe(false);
    reachable = true;
    await runUntil(60_000);
    expect(first.told).toEqual([true, false]);
  });
});

test('one whose renewal is not confirmed continues to lead when the store answers again', async () => {
  const { bus, runUntil, contend } = startWorld();
  let confirms = true;
  const lossy = busWith(bus, {
    keyValue: async (...args) => {
      const store = (await bus.keyValue(...args))!;
      return {
        ...store,
        update: async (...write) => {
          const written = await store.update(...write);
          if (confirms) return written;
          throw new CascadeError('UNAVAILABLE', 'no answer');
        },
      };
    },
  });
  const { told } = contend('only', lossy);
  await runUntil(10_010);
  confirms = false;
  await runUntil(10_510);
  confirms = true;
  await runUntil(20_000);
  expect(told).toEqual([true]);
});

test('one that leaves does not complain about an attempt cut off by its closed connection', async () => {
  const { bus, runUntil, contend } = startWorld();
  let cutOff: () => void = () => undefined;
  const closing: Bus = Object.create(bus, {
    keyValue: {
      value: async (bucket: string, options: object) => ({
        ...(await bus.keyValue(bucket, options))!,
        update: () =>
          new Promise((_, reject) => {
            cutOff = () => reject(new CascadeError('UNAVAILABLE', 'the connection drains'));
          }),
      }),
    },
  });
  const lines: string[] = [];
  const { told, leave } = contend(
    'only',
    closing,
    capturingLogger(true, ({ text }) => lines.push(text)),
  );
  await runUntil(TTL_MS / 2);
  expect(told).toEqual([true]);
  leave();
  cutOff();
  await runUntil(2 * TTL_MS);
  expect(lines).toEqual([]);
});

test('without JetStream there is no lease: this controller leads, until the server has JetStream', async () => {
  const { bus, runUntil, contend } = startWorld();
  let has = false;
  const late: Bus = Object.create(bus, {
    keyValue: { value: (bucket: string, options: object) => (has ? bus.keyValue(bucket, options) : Promise.resolve(undefined)) },
  });
  const [one, two] = [contend('one', late), contend('two', late)];
  await runUntil(60_000);
  expect([one.told, two.told]).toEqual([[true], [true]]);
  has = true;
  await runUntil(80_000);
  expect([one.told.at(-1), two.told.at(-1)].toSorted()).toEqual([false, true]);
  expect([one.told[1], two.told[1]]).toEqual([false, false]);
});
