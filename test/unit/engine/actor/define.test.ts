import { EMPTY, map, of } from 'rxjs';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { type RunningActor, startActor } from '../../../../engine/actor/actor.ts';
import { channel, subjectOf } from '../../../../engine/actor/channel.ts';
import { type ActorDefinition, asked, defineActor, each, on, onlyWhile } from '../../../../engine/actor/define.ts';
import { answer, type Effect, NO_EFFECTS, perform, send } from '../../../../engine/actor/effect.ts';
import { every } from '../../../../engine/clock.ts';
import { silentLogger } from '../../../../engine/log.ts';
import { schemaCodec } from '../../../../plans/protocol/schema-codec.ts';
import { createLocalBus } from '../../../doubles/local-bus.ts';
import { VirtualClock } from '../../../doubles/virtual-clock.ts';

const common = { from: ['a'], to: ['b'], about: '' } as const;
const number = schemaCodec('number', z.object({ value: z.number() }));
const IN = channel('in', { ...common, delivery: 'all', codec: number, example: { value: 1 } });
const OUT = channel('out', { ...common, delivery: 'all', codec: number, example: { value: 1 } });
const ASK = channel('ask', { ...common, delivery: 'request', codec: number, example: { value: 1 } });

type Core = { sum: number; open: boolean; pending: number };
type Definition = ActorDefinition<Core, number, number>;

function run(definition: Partial<Definition>): {
  clock: VirtualClock;
  actor: RunningActor;
  tell: (...values: number[]) => void;
  ask: (value: number) => Promise<unknown>;
  told: number[];
} {
  const clock = new VirtualClock();
  const bus = createLocalBus(clock);
  const told: number[] = [];
  bus.messages$('test.out').subscribe(({ data }) => told.push(number.decode(data).value));
  const complete: Definition = {
    name: 'a',
    description: '',
    root: 'test',
    core: () => ({ sum: 0, open: false, pending: 0 }),
    reactions: [],
    ...definition,
  };
  const actor = startActor(defineActor(complete), { bus, clock, log: silentLogger });
  return {
    clock,
    actor,
    told,
    tell: (...values) => {
      for (const value of values) bus.publish(subjectOf('test', 'in'), number.encode({ value }));
      clock.runUntil(clock.now());
    },
    ask: (value) => {
      const answered = bus
        .request('test.ask', number.encode({ value }), { timeoutMs: 1_000 })
        .then(({ data }) => number.decode(data).value, String);
      clock.runUntil(clock.now() + 1_000);
      return answered;
    },
  };
}

const tellSum = (core: Core): Effect[] => [send(OUT, { value: core.sum })];
const add = on<Core, string, { value: number }, number>(IN, (core, { value }) => {
  core.sum += value;
  return tellSum(core);
});

test('a core keeps its state between messages, and the effects it returns are performed', () => {
  const { tell, told, clock } = run({ reactions: [add, each(1_000, tellSum)] });
  tell(2, 3);
  clock.runUntil(1_000);
  expect(told).toEqual([2, 5, 5]);
});

test('a question is answered on the subject that its sender chose', async () => {
  const double = asked<Core, { value: number }, number>(ASK, (_, { message, reply }) => [
    answer(number, { value: 2 * message.value }, reply),
  ]);
  expect(await run({ reactions: [double] }).ask(4)).toBe(8);
});

test('slow work is done outside the core, and its outcome comes back as a message', () => {
  const { tell, told, clock } = run({
    reactions: [on(IN, (_, { value }) => [perform(value)])],
    tasks: (context) => (task) => every(context.clock, 100).pipe(map((n) => task * (n + 1))),
    onOutcome: (_, outcome) => [send(OUT, { value: outcome })],
  });
  tell(7);
  expect(told).toEqual([]);
  clock.runUntil(200);
  expect(told).toEqual([7, 14]);
});

test('an immediate outcome is handled after the message that asked for it', () => {
  const { tell, told } = run({
    reactions: [on(IN, (_, { value }) => [perform(value), send(OUT, { value })])],
    tasks: () => (task) => (task === 0 ? EMPTY : of(10 * task)),
    onOutcome: (_, outcome) => [send(OUT, { value: outcome })],
  });
  tell(0, 1);
  expect(told).toEqual([0, 1, 10]);
});

test('in another state it does not listen at all, so that callers learn that nobody answers', async () => {
  const { tell, ask } = run({
    reactions: [
      on(IN, (core, { value }) => {
        core.open = value > 0;
        return NO_EFFECTS;
      }),
      onlyWhile(
        (core) => core.open,
        asked(ASK, (_, { reply }) => [answer(number, { value: 1 }, reply)]),
      ),
    ],
  });
  expect(await ask(0)).toContain('nobody listens');
  tell(1);
  expect(await ask(0)).toBe(1);
  tell(0);
  expect(await ask(0)).toContain('nobody listens');
});

test('messages that do not fit into the mailbox are dropped and counted with the others', () => {
  const { tell, told, actor, clock } = run({ reactions: [add], mailboxSize: 3 });
  tell(...new Array(510).fill(1));
  clock.runUntil(1_000);
  expect(told.at(-1)).toBe(503);
  expect(actor.dropped).toEqual({ 'mailbox full': 7 });
});

test('on the request path nothing waits', () => {
  const { tell, told, actor } = run({ reactions: [add], mailboxSize: 3, hot: true });
  tell(...new Array(510).fill(1));
  expect(told.at(-1)).toBe(510);
  expect(actor.dropped).toEqual({});
});

test('it sends a last message when it is stopped, and ends when it has drained', async () => {
  const { tell, told, actor, clock } = run({
    reactions: [
      on(IN, (core, { value }) => {
        core.pending += value;
        return NO_EFFECTS;
      }),
    ],
    onStop: () => [send(OUT, { value: -1 })],
    isDrained: (core) => core.pending === 0,
  });
  tell(1);
  let ended: boolean | undefined;
  const stopped = actor.stop(1_000).then((inTime) => {
    ended = inTime;
  });
  clock.runUntil(500);
  expect(told).toEqual([-1]);
  await Promise.resolve();
  expect(ended).toBeUndefined();
  tell(-1);
  await stopped;
  expect(ended).toBe(true);
});

test('a core that throws is restarted with fresh state', () => {
  const { tell, told, actor, clock } = run({
    reactions: [
      on(IN, (core, { value }) => {
        if (value === 13) throw new Error('boom');
        core.sum += value;
        return tellSum(core);
      }),
    ],
  });
  tell(5, 13);
  clock.runUntil(1_000);
  tell(2);
  expect(told).toEqual([5, 2]);
  expect(actor.restarts).toBe(1);
});

test('a core that replaces a dead one gets it, for what must outlive it', () => {
  const { tell, told, clock } = run({
    core: (_now, _context, before) => ({ sum: before?.sum ?? 0, open: false, pending: 0 }),
    reactions: [
      on<Core, string, { value: number }, number>(IN, (core, { value }) => {
        if (value < 0) throw new Error('a defect');
        core.sum += value;
        return tellSum(core);
      }),
    ],
  });
  tell(2, -1);
  clock.runUntil(1_000);
  tell(3);
  expect(told).toEqual([2, 5]);
});
