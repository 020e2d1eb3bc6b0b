import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { createClient } from '../../actors/client/client.ts';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { startNatsServer } from '../../engine/bus/nats-server.ts';
import { realClock } from '../../engine/clock.ts';
import { type Answer, isFailure } from '../../plans/protocol/messages.ts';
import { Computed } from '../support/counting-backend.ts';
import { eventually } from '../support/eventually.ts';
import { startPlane } from '../support/plane.ts';
import { planOf } from '../support/plans.ts';
import { credentialsOf, PASSWORDS } from '../support/roles.ts';

const GIVEN_UP = 0;
const OTHER = 1;
const MANY = 20_000;
/** 80 requests per second on two devices in batches of 8: the whole lot would take four minutes. */
const BATCH_MS = 200;
/** Requests that devices may start while a cancellation is under way: ten seconds' worth, on a busy machine. */
const BEGUN_MEANWHILE = 800;

const closing: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  vi.unstubAllEnvs();
});

test('a client in its own account cancels requests: only those already started, and those of others, are computed', async () => {
  for (const [name, value] of Object.entries(PASSWORDS)) vi.stubEnv(name, value);
  const store = mkdtempSync(join(tmpdir(), 'cascade-store-'));
  vi.stubEnv('CASCADE_STORE_DIR', store);
  closing.push(async () => rmSync(store, { recursive: true }));
  const { url, stop } = await startNatsServer({ configFile: 'conf/nats/server.conf' });
  closing.push(stop);
  const open = async (role: 'internal' | 'client') => {
    const bus = await connectNats({ servers: url, ...credentialsOf(role) });
    closing.push(() => bus.close());
    return bus;
  };
  const models = ['small', 'large'];
  const computed = new Computed();
  const { devices, frontends, controller, keeper } = startPlane(
    await open('internal'),
    realClock,
    planOf({ models, devices: ['a', 'b'] }),
    {
      frontends: 2,
      batchMs: () => BATCH_MS,
      createBackend: () => computed.backend(realClock, models, () => BATCH_MS),
    },
  );
  closing.push(() => Promise.all([...frontends, ...devices.values(), controller, keeper].map((actor) => actor.stop(5_000))));
  const asClient = async () => {
    const { inboxPrefix } = credentialsOf('client');
    return createClient(await open('client'), realClock, { deployment: 'test', inboxPrefix, deadlineMs: 600_000 });
  };
  const impatient = await asClient();
  const patient = await asClient();
  const requests = (label: number, count: number) =>
    Array.from({ length: count }, () => ({ inputs: { x: Uint8Array.of(label, 90, 90) } }));
  const results: Answer[] = [];
  const asking = impatient.inferMany(requests(GIVEN_UP, MANY), { concurrency: MANY }).subscribe();
  await eventually(() => expect(computed.of('small', GIVEN_UP)).toBeGreaterThan(0));
  patient.inferMany(requests(OTHER, 50)).subscribe((answer) => results.push(answer));
  const begun = computed.of('small', GIVEN_UP);
  asking.unsubscribe();
  await eventually(() => expect(results).toHaveLength(50));
  expect(results.filter(isFailure)).toEqual([]);
  expect(computed.of('small', GIVEN_UP) - begun).toBeLessThan(BEGUN_MEANWHILE);
  // The rest ends at once, because nothing waits any more.
  await Promise.all(frontends.map((frontend) => frontend.stop(20_000)));
  expect(computed.of('small', GIVEN_UP) - begun).toBeLessThan(BEGUN_MEANWHILE);
});
