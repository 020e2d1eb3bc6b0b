import { Subject } from 'rxjs';
import { expect, it } from 'vitest';
import { createRandom } from '../../../engine/random.ts';
import { createLocalBus } from '../../doubles/local-bus.ts';
import { VirtualClock } from '../../doubles/virtual-clock.ts';
import { bytes, text } from '../../support/bytes.ts';

it('delivers after its latency, in a callback of the clock', () => {
  const clock = new VirtualClock();
  const bus = createLocalBus(clock, { latencyMs: 3 });
  const seen: [number, string][] = [];
  bus.messages$('a').subscribe((message) => seen.push([clock.now(), text(message.data)]));
  bus.publish('a', bytes('1'));
  clock.after(1, () => bus.publish('a', bytes('2')));
  expect(seen).toEqual([]);
  clock.runUntil(10);
  expect(seen).toEqual([
    [3, '1'],
    [4, '2'],
  ]);
});

it('does not deliver within a delivery: what a listener publishes arrives after it has returned', () => {
  const clock = new VirtualClock();
  const bus = createLocalBus(clock);
  const seen: string[] = [];
  bus.messages$('ping').subscribe(() => {
    bus.publish('pong', bytes(''));
    seen.push('ping done');
  });
  bus.messages$('pong').subscribe(() => seen.push('pong'));
  bus.publish('ping', bytes(''));
  clock.runUntil(0);
  expect(seen).toEqual(['ping done', 'pong']);
});

it('delivers messages under way to a listener that drains, and nothing to one that has left', () => {
  const clock = new VirtualClock();
  const bus = createLocalBus(clock, { latencyMs: 5 });
  const until = new Subject<void>();
  const drained: string[] = [];
  const left: string[] = [];
  bus.messages$('a', { until }).subscribe({ next: ({ data }) => drained.push(text(data)), complete: () => drained.push('end') });
  const leaver = bus.messages$('a').subscribe(({ data }) => left.push(text(data)));
  bus.publish('a', bytes('1'));
  until.next();
  leaver.unsubscribe();
  bus.publish('a', bytes('2'));
  expect(drained).toEqual([]);
  clock.runUntil(20);
  expect(drained).toEqual(['1', 'end']);
  expect(left).toEqual([]);
});

it('times a request by the clock, and leaves no timer behind', async () => {
  const clock = new VirtualClock();
  const bus = createLocalBus(clock, { latencyMs: 1 });
  bus.messages$('echo').subscribe(({ reply, data }) => bus.publish(reply, data));
  bus.messages$('silent').subscribe();
  const answered = bus.request('echo', bytes('x'), { timeoutMs: 1_000 });
  const refused = bus.request('nobody', bytes('x'), { timeoutMs: 1_000 });
  clock.runUntil(2);
  expect(text((await answered).data)).toBe('x');
  await expect(refused).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  const silent = bus.request('silent', bytes('x'), { timeoutMs: 1_000 });
  clock.runUntil(1_002);
  await expect(silent).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
});

it('chooses queue members by the given seed: repeatable, and not in turns', () => {
  const choices = (seed: number): string => {
    const clock = new VirtualClock();
    const bus = createLocalBus(clock, { random: createRandom(seed) });
    let seen = '';
    for (const member of ['a', 'b', 'c']) {
      bus.messages$('work', { queue: 'q' }).subscribe(() => {
        seen += member;
      });
    }
    for (let i = 0; i < 30; i++) bus.publish('work', bytes(''));
    clock.runUntil(0);
    return seen;
  };
  expect(choices(1)).toBe(choices(1));
  expect(choices(1)).not.toBe(choices(2));
  expect(choices(1)).not.toBe('abc'.repeat(10));
});
