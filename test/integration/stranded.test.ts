import { AckPolicy, connect, type NatsConnection, nanos } from 'nats';
import { Subject } from 'rxjs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Bus } from '../../engine/bus/bus.ts';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { type NatsServer, startNatsServer } from '../../engine/bus/nats-server.ts';
import type { ConsumerSpec, StoreSpec } from '../../engine/bus/work-queue.ts';
import { bytes, text } from '../support/bytes.ts';
import { eventually } from '../support/eventually.ts';

const STORE: StoreSpec = {
  name: 'jobs',
  subjects: ['jobs.in'],
  type: 'queue',
  maxMessages: 100,
  maxBytes: 1_000_000,
  maxAgeMs: Number.POSITIVE_INFINITY,
  storage: 'file',
  replicas: 1,
};
const WORKERS: ConsumerSpec = { store: 'jobs', name: 'workers', ackWaitMs: 200, maxUnsettled: 100 };

let server: NatsServer;
let bus: Bus;
let nats: NatsConnection;

beforeEach(async () => {
  server = await startNatsServer({ jetstream: true });
  bus = await connectNats({ servers: server.url });
  nats = await connect({ servers: server.url });
});

afterEach(async () => {
  await nats?.close();
  await bus?.close();
  await server?.stop();
});

test('a message that the server delivered without waiting for an ack is still given to a consumer', async () => {
  const queues = bus.workQueues();
  await queues.declare(STORE);
  for (const body of ['a', 'b', 'c']) await queues.append('jobs.in', bytes(body), { timeoutMs: 20_000 });
  // A killed server may remember a delivery but forget that it was not acked. A server that delivers only once does the same:
  // it drops the unacked message from its list at the next request, and leaves it in the stream.
  const manager = await nats.jetstreamManager();
  const { store, name, maxUnsettled } = WORKERS;
  await manager.consumers.add(store, {
    durable_name: name,
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(50),
    max_ack_pending: maxUnsettled,
    max_deliver: 1,
  });
  const consumer = await nats.jetstream().consumers.get(store, name);
  await eventually(async () => {
    await consumer.next({ expires: 1_000 });
    const { num_ack_pending, delivered } = await consumer.info();
    expect([num_ack_pending, delivered.stream_seq]).toEqual([0, 3]);
  });

  const until = new Subject<void>();
  const taken: string[] = [];
  const ended = new Promise<void>((resolve) => {
    queues.take$(WORKERS, { limit: 10, until }).subscribe({
      next: (message) => {
        taken.push(text(message.data));
        message.done();
      },
      complete: resolve,
    });
  });
  await eventually(() => expect(taken).toContain('c'));
  await eventually(async () => expect(await queues.count(store)).toBe(0));
  expect([...new Set(taken)].sort()).toEqual(['a', 'b', 'c']);
  until.next();
  await ended;
});
