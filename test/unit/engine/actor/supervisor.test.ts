import { setImmediate } from 'node:timers/promises';
import { NEVER, Observable, take } from 'rxjs';
import { expect, test } from 'vitest';
import type { Actor } from '../../../../engine/actor/actor.ts';
import { type Supervisor, supervise, together } from '../../../../engine/actor/supervisor.ts';
import { ActorGivenUp, ConfigError } from '../../../../engine/errors.ts';
import { silentLogger } from '../../../../engine/log.ts';
import { createLocalBus } from '../../../doubles/local-bus.ts';
import { VirtualClock } from '../../../doubles/virtual-clock.ts';

const clocks = (): { clock: VirtualClock; run: (children: Parameters<typeof supervise>[0]) => Supervisor } => {
  const clock = new VirtualClock();
  return { clock, run: (children) => supervise(children, { bus: createLocalBus(clock), clock, log: silentLogger }) };
};

/** Lives for each of these times in turn, then for ever. Records its starts and ends. */
function mortal(name: string, lifetimesMs: number[], diary: string[] = [], error: Error = new Error('boom')): Actor {
  const lifetimes = [...lifetimesMs];
  const behaviour: Actor['behaviour'] = ({ clock }) =>
    new Observable((subscriber) => {
      diary.push(`${clock.now()} ${name} up`);
      const lifetime = lifetimes.shift();
      const cancel = lifetime === undefined ? () => undefined : clock.after(lifetime, () => subscriber.error(error));
      return () => {
        diary.push(`${clock.now()} ${name} down`);
        cancel();
      };
    });
  return { name, description: '', behaviour };
}

test('an actor that dies takes those that need it down and up again, and no others', () => {
  const diary: string[] = [];
  const { clock, run } = clocks();
  const alone = mortal('alone', [], diary);
  const group = together(mortal('before', [], diary), mortal('dies', [50], diary), mortal('after', [], diary));
  const { actors } = run([alone, group]);
  diary.length = 0;
  clock.runUntil(60_000);
  expect(diary).toEqual(['50 after down', '50 dies down', '150 dies up', '150 after up']);
  expect(actors.map(({ name, restarts }) => [name, restarts])).toEqual([
    ['alone', 0],
    ['before', 0],
    ['dies', 1],
    ['after', 1],
  ]);
});

test('an actor that waits for its own restart also waits for one it needs that dies meanwhile', () => {
  const diary: string[] = [];
  const { clock, run } = clocks();
  run([together(mortal('first', [120], diary), mortal('second', [50], diary))]);
  clock.runUntil(60_000);
  expect(diary.slice(2)).toEqual(['50 second down', '120 first down', '220 first up', '220 second up']);
});

test('an actor that keeps dying keeps its dependants down until it lives', () => {
  const diary: string[] = [];
  const { clock, run } = clocks();
  run([together(mortal('first', [10, 0, 0], diary), mortal('second', [], diary))]);
  clock.runUntil(60_000);
  expect(diary.filter((entry) => entry.includes('second'))).toEqual([
    '0 second up',
    '10 second down',
    '110 second up',
    '110 second down',
    '310 second up',
    '310 second down',
    '710 second up',
  ]);
});

test('an actor that dies too often is given up, with a message that says so', async () => {
  const { clock, run } = clocks();
  const { failed, actors } = run([mortal('d', new Array(20).fill(1)), mortal('other', [])]);
  clock.runUntil(60_000);
  const error = await failed;
  expect(error).toBeInstanceOf(ActorGivenUp);
  expect(error.message).toBe('actor d died more than 10 times within 60 s and will not be restarted; last error: boom');
  expect(actors.map(({ restarts }) => restarts)).toEqual([10, 0]);
});

test('deaths far apart do not add up', async () => {
  const { clock, run } = clocks();
  const { failed, actors } = run([mortal('d', new Array(30).fill(20_000))]);
  clock.runUntil(3_600_000);
  expect(actors[0].restarts).toBe(30);
  expect(await Promise.race([failed, Promise.resolve('none')])).toBe('none');
});

test('the first death from a configuration error ends the role', async () => {
  const { clock, run } = clocks();
  const wrong = new ConfigError('file: field');
  const { failed, actors } = run([mortal('d', [1], [], wrong)]);
  clock.runUntil(60_000);
  expect(await failed).toBe(wrong);
  expect(actors[0].restarts).toBe(0);
});

test('stop drains all actors, and names those that had to be cut off, including one that is down with another', async () => {
  const { clock, run } = clocks();
  const drains: Actor = { name: 'drains', description: '', behaviour: ({ stopping$ }) => stopping$.pipe(take(1)) };
  const stubborn: Actor = { name: 'stubborn', description: '', behaviour: () => NEVER };
  const supervisor = run([drains, stubborn, together(mortal('d', [1]), mortal('along', []))]);
  clock.runUntil(50);
  const stopped = supervisor.stop(1_000);
  await setImmediate();
  clock.runUntil(60_000);
  expect(await stopped).toEqual(['stubborn']);
});
