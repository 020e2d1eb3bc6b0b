import { merge, NEVER, Observable, throwError } from 'rxjs';
import { expect, test } from 'vitest';
import { type ActorContext, type RunningActor, startActor } from '../../../../engine/actor/actor.ts';
import { silentLogger } from '../../../../engine/log.ts';
import { createLocalBus } from '../../../doubles/local-bus.ts';
import { VirtualClock } from '../../../doubles/virtual-clock.ts';

function start(behaviour: (context: ActorContext) => Observable<unknown>): { clock: VirtualClock; actor: RunningActor } {
  const clock = new VirtualClock();
  const bus = createLocalBus(clock);
  return { clock, actor: startActor({ name: 'a', description: '', behaviour }, { bus, clock, log: silentLogger }) };
}

/** Dies at once, by a stream that errors or by throwing. */
const DEATHS: readonly [string, () => Observable<never>][] = [
  ['whose stream errors', () => throwError(() => new Error('boom'))],
  [
    'that cannot be built',
    () => {
      throw new Error('boom');
    },
  ],
];

test.each(DEATHS)('an actor %s is restarted after 100 ms, then after twice as long each time, up to 5 s', (_, die) => {
  const starts: number[] = [];
  const { clock, actor } = start(({ clock: now }) => {
    starts.push(now.now());
    return die();
  });
  clock.runUntil(20_000);
  expect(starts).toEqual([0, 100, 300, 700, 1_500, 3_100, 6_300, 11_300, 16_300]);
  expect(actor.restarts).toBe(8);
});

test('an actor that has lived for 10 s is restarted soon, and has released everything it held', () => {
  const starts: number[] = [];
  let held = 0;
  const { clock } = start(({ clock: now }) => {
    starts.push(now.now());
    const life = new Observable<never>((subscriber) => {
      held++;
      const cancel = now.after(15_000, () => subscriber.error(new Error('boom')));
      return () => {
        held--;
        cancel();
      };
    });
    return merge(life, NEVER);
  });
  clock.runUntil(40_000);
  expect(starts).toEqual([0, 15_100, 30_200]);
  expect(held).toBe(1);
});

test('an actor that is stopped while it waits for a restart is not restarted', async () => {
  let starts = 0;
  const { clock, actor } = start(() => {
    starts++;
    return throwError(() => new Error('boom'));
  });
  expect(await actor.stop(1_000)).toBe(true);
  clock.runUntil(10_000);
  expect(starts).toBe(1);
});

test('stop lets it drain, and cuts it off when that takes too long', async () => {
  let held = 0;
  const stubborn = new Observable<never>(() => {
    held++;
    return () => {
      held--;
    };
  });
  const { clock, actor } = start(() => stubborn);
  const stopped = actor.stop(500);
  clock.runUntil(499);
  expect(held).toBe(1);
  clock.runUntil(500);
  expect(await stopped).toBe(false);
  expect(held).toBe(0);
});

test('an actor that dies while it drains is not restarted', async () => {
  let starts = 0;
  const { clock, actor } = start(({ stopping$ }) => {
    starts++;
    return new Observable((subscriber) => stopping$.subscribe(() => subscriber.error(new Error('boom'))));
  });
  expect(await actor.stop(500)).toBe(true);
  clock.runUntil(10_000);
  expect(starts).toBe(1);
});
