import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { startActor } from '../../engine/actor/actor.ts';
import { Channels, channel } from '../../engine/actor/channel.ts';
import { defineActor, on } from '../../engine/actor/define.ts';
import { Drops } from '../../engine/actor/drops.ts';
import { send } from '../../engine/actor/effect.ts';
import type { Bus } from '../../engine/bus/bus.ts';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { type NatsServer, startNatsServer } from '../../engine/bus/nats-server.ts';
import { realClock } from '../../engine/clock.ts';
import { silentLogger } from '../../engine/log.ts';
import { schemaCodec } from '../../plans/protocol/schema-codec.ts';
import { createLocalBus } from '../doubles/local-bus.ts';
import { eventually } from '../support/eventually.ts';

const common = { delivery: 'all', from: ['a'], to: ['b'], about: '' } as const;
const number = schemaCodec('number', z.object({ value: z.number() }));
const NUMBERS = channel('numbers.<sender>', { ...common, codec: number, example: { value: 1 } });
const SQUARES = channel('squares', { ...common, codec: number, example: { value: 1 } });

const squaring = defineActor({
  name: 'squaring',
  description: 'squares numbers',
  root: 'test',
  core: () => undefined,
  reactions: [on(NUMBERS, (_, { value }) => [send(SQUARES, { value: value * value })])],
});

describe.each(['NATS', 'this process'])('an actor with typed channels, over %s', (kind) => {
  let server: NatsServer | undefined;
  let bus: Bus;

  beforeAll(async () => {
    server = kind === 'NATS' ? await startNatsServer() : undefined;
    bus = server === undefined ? createLocalBus(realClock) : await connectNats({ servers: server.url });
  });
  afterAll(async () => {
    await bus.close();
    await server?.stop();
  });

  test('receives its channel from all senders, and answers on another', async () => {
    const actor = startActor(squaring, { bus, clock: realClock, log: silentLogger });
    const channels = new Channels('test', { bus, drops: new Drops(silentLogger) });
    const squares: number[] = [];
    const listening = channels.receive$(SQUARES).subscribe(({ value }) => squares.push(value));
    await bus.flush();
    channels.send(NUMBERS, { value: 3 }, { sender: 'one' });
    channels.send(NUMBERS, { value: 5 }, { sender: 'two' });
    await eventually(() => expect(squares.toSorted((a, b) => a - b)).toEqual([9, 25]));
    listening.unsubscribe();
    expect(await actor.stop(1_000)).toBe(true);
  });

  test('drops and counts what it cannot decode, and continues', async () => {
    const actor = startActor(squaring, { bus, clock: realClock, log: silentLogger });
    const channels = new Channels('test', { bus, drops: new Drops(silentLogger) });
    const squares: number[] = [];
    const listening = channels.receive$(SQUARES).subscribe(({ value }) => squares.push(value));
    await bus.flush();
    bus.publish('test.numbers.one', Uint8Array.of(0xc1));
    channels.send(NUMBERS, { value: 2 }, { sender: 'one' });
    await eventually(() => expect(squares).toEqual([4]));
    expect(actor.dropped).toEqual({ 'number: value': 1 });
    listening.unsubscribe();
    expect(await actor.stop(1_000)).toBe(true);
  });
});
