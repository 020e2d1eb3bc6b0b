import type { Bus } from '../../engine/bus/bus.ts';
import { createLocalBus } from '../../engine/bus/local-bus.ts';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { realClock } from '../../engine/clock.ts';
import { startNatsServer } from '../../engine/nats-server.ts';

/** Somewhere to connect to: every connection of one broker sees the same messages. */
export interface Broker {
  connect(): Promise<Bus>;
  close(): Promise<void>;
}

/** Both kinds of bus, for suites that each of them must pass. */
export const BROKERS: readonly { name: string; open(): Promise<Broker> }[] = [
  { name: 'NATS', open: openNats },
  { name: 'in-process', open: openLocal },
];

async function openNats(): Promise<Broker> {
  const server = await startNatsServer({ jetstream: true });
  const buses: Bus[] = [];
  return {
    connect: async () => {
      const bus = await connectNats({ servers: server.url });
      buses.push(bus);
      return bus;
    },
    close: async () => {
      await Promise.all(buses.map((bus) => bus.close()));
      await server.stop();
    },
  };
}

/** One bus, as there are no connections within a process. */
function openLocal(): Promise<Broker> {
  const bus = createLocalBus(realClock);
  return Promise.resolve({ connect: () => Promise.resolve(bus), close: () => bus.close() });
}
