import type { Bus } from '../../engine/bus/bus.ts';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { startNatsServer } from '../../engine/bus/nats-server.ts';
import { realClock } from '../../engine/clock.ts';
import { createRandom } from '../../engine/random.ts';
import { createLocalBus } from '../doubles/local-bus.ts';
import { FaultyBus } from '../simulation/support/faulty-bus.ts';
import { FaultyNetwork } from '../simulation/support/faulty-network.ts';
import { ProcessClock } from '../simulation/support/process-clock.ts';
import { publishRaw } from './publish-raw.ts';

/** All connections to one broker see the same messages. */
export interface Broker {
  connect(): Promise<Bus>;
  /** Publishes with any headers, also those that our buses do not send. */
  publishForeign(subject: string, data: Uint8Array, headers: Readonly<Record<string, string>>): Promise<void>;
  close(): Promise<void>;
}

/** All implementations of the bus, for suites that each must pass. */
export const BROKERS: readonly { name: string; hasWorkQueues: boolean; open(): Promise<Broker> }[] = [
  { name: 'NATS', hasWorkQueues: true, open: openNats },
  { name: 'in-process', hasWorkQueues: true, open: openLocal },
  // It simulates faults of the serving plane only; e2e tests kill real durable ingress.
  { name: 'simulated network', hasWorkQueues: false, open: openSimulated },
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
    publishForeign: (subject, data, headers) => publishRaw(server.url, [{ subject, data, headers }]),
    close: async () => {
      await Promise.all(buses.map((bus) => bus.close()));
      await server.stop();
    },
  };
}

/** The network of the fault simulation, without faults. */
function openSimulated(): Promise<Broker> {
  const ignore = (): void => undefined;
  const watch = { published: ignore, arrived: ignore, delivered: ignore, duplicated: ignore, lost: ignore };
  const network = new FaultyNetwork({ clock: realClock, random: createRandom(1), watch });
  const buses: Bus[] = [];
  return Promise.resolve({
    connect: () => {
      const bus = new FaultyBus(network, `process-${buses.length}`, new ProcessClock(realClock), { baseMs: 0, jitterMs: 0 });
      buses.push(bus);
      return Promise.resolve(bus);
    },
    publishForeign: async (subject, data, headers) => void buses[0].publish(subject, data, { headers }),
    close: async () => {
      await Promise.all(buses.map((bus) => bus.close()));
    },
  });
}

/** A single bus, since there are no connections within a process. */
function openLocal(): Promise<Broker> {
  const bus = createLocalBus(realClock);
  return Promise.resolve({
    connect: () => Promise.resolve(bus),
    publishForeign: async (subject, data, headers) => void bus.publish(subject, data, { headers }),
    close: () => bus.close(),
  });
}
