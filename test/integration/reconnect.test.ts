import { decode, encode } from '@msgpack/msgpack';
import { connect, type NatsConnection } from 'nats';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DEVICE_LOST_AFTER_MS } from '../../actors/frontend/router.ts';
import type { Bus } from '../../engine/bus/bus.ts';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { type NatsServer, startNatsServer } from '../../engine/bus/nats-server.ts';
import { realClock } from '../../engine/clock.ts';
import type { Answer } from '../../plans/protocol/messages.ts';
import { freePort } from '../support/free-port.ts';
import { type Plane, startPlane } from '../support/plane.ts';
import { planOf } from '../support/plans.ts';

/** A client that sends once and then only listens: our processes must make up for anything lost with the server. */
let port: number;
let server: NatsServer;
let bus: Bus;
let plane: Plane;
let client: NatsConnection;
const BATCH_MS = 300;
/** The duration of an inference; shorter during warm-up. */
let batchMs = 1;

beforeAll(async () => {
  port = await freePort();
  server = await startNatsServer({ port });
  bus = await connectNats({ servers: server.url });
  client = await connect({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
  await new Promise<void>((resolve) => {
    plane = startPlane(bus, realClock, planOf({ models: ['small', 'large'], devices: ['a', 'b'] }), {
      batchMs: () => batchMs,
      frontend: { onReady: resolve },
    });
  });
});

afterAll(async () => {
  for (const actor of [...plane.frontends, ...plane.devices.values(), plane.controller]) await actor.stop(5_000);
  await client.close();
  await bus.close();
  await server.stop();
});

test('requests in flight when the NATS server restarts are still answered, and soon', async () => {
  const inbox = 'inbox.of.mine';
  const answers: Answer[] = [];
  let answered: () => void = () => undefined;
  const all = new Promise<void>((resolve) => {
    answered = resolve;
  });
  client.subscribe(inbox, {
    callback: (_, message) => {
      answers.push(decode(message.data) as Answer);
      if (new Set(answers.map(({ id }) => id)).size === 4) answered();
    },
  });
  // Computed and answered while the server is down.
  batchMs = BATCH_MS;
  for (const id of ['1', '2', '3', '4']) {
    // "Soon" is within the time of this test, long before the deadline.
    client.publish('cascade.test.infer', encode({ id, deadlineMs: 600_000, inputs: { x: Uint8Array.of(1, 90, 0) } }), {
      reply: inbox,
    });
  }
  await client.flush();
  await server.stop();
  // The length of the fault: longer than a device must be silent to count as lost.
  await new Promise<void>((resolve) => realClock.after(DEVICE_LOST_AFTER_MS + BATCH_MS, resolve));
  server = await startNatsServer({ port });
  await all;
  expect(answers.map((answer) => ('error' in answer ? answer.error : answer.label))).toEqual(answers.map(() => 1));
});
