import { NEVER } from 'rxjs';
import { expect, test } from 'vitest';
import { createClient, type SharedClient } from '../../actors/client/client.ts';
import { encode } from '../../plans/protocol/codec.ts';
import { type Answer, isFailure } from '../../plans/protocol/messages.ts';
import { createLocalBus } from '../doubles/local-bus.ts';
import { VirtualClock } from '../doubles/virtual-clock.ts';
import { busWith } from '../support/bus-with.ts';
import { Computed } from '../support/counting-backend.ts';
import { planOf } from '../support/plans.ts';
import { startVirtualPlane, type VirtualPlane, type VirtualPlaneOptions } from '../support/virtual-plane.ts';

const models = ['small', 'large'];
const devices = ['a', 'b'];
/** Labels show whose sample it is. */
const GIVEN_UP = 0;
const OTHER = 1;
const BATCH_MS = 10;
const TOKEN = { 'Cascade-Token': 'a-secret-of-the-sender' };

const plan = planOf({ models, devices });
/** The small model on one device, the large one on another. */
const split = {
  ...plan,
  placement: [
    { model: 'small', device: 'a' },
    { model: 'large', device: 'b' },
  ],
  gears: plan.gears.map((gear) => ({ ...gear, shares: { small: { a: 1 }, large: { b: 1 } } })),
};

interface World extends VirtualPlane {
  readonly computed: Computed;
  readonly client: SharedClient;
}

async function start(of = plan, options: VirtualPlaneOptions = {}): Promise<World> {
  const computed = new Computed();
  const clock = new VirtualClock();
  const { batchMs = () => BATCH_MS } = options;
  const createBackend = () => computed.backend(clock, models, batchMs);
  const plane = await startVirtualPlane(of, { ...options, clock, batchMs, createBackend });
  return { ...plane, computed, client: createClient(plane.bus, plane.clock, { deployment: 'test', deadlineMs: 60_000 }) };
}

function certain(label: number, count: number): { inputs: { x: Uint8Array } }[] {
  return Array.from({ length: count }, () => ({ inputs: { x: Uint8Array.of(label, 90, 90) } }));
}

test('of 20,000 requests that are cancelled while they wait, only those that have started are computed', async () => {
  const { client, computed, clock, runUntil, frontends } = await start(plan, { frontends: 3 });
  const answers: Answer[] = [];
  const late: Answer[] = [];
  const before = client.inferMany(certain(GIVEN_UP, 20_000), { concurrency: 20_000 }).subscribe((answer) => late.push(answer));
  client.inferMany(certain(OTHER, 500), { concurrency: 500 }).subscribe((answer) => answers.push(answer));
  await runUntil(clock.now() + 20 * BATCH_MS + 5);
  const begun = computed.of('small', GIVEN_UP);
  expect(begun).toBe(2 * 21 * 8);
  before.unsubscribe();
  await runUntil(clock.now() + 5_000);
  // Each device had started one more batch when it heard of it.
  expect(computed.of('small', GIVEN_UP) - begun).toBeLessThanOrEqual(2 * 8);
  expect(late).toHaveLength(begun - 2 * 8);
  expect([answers.length, answers.filter(isFailure).length]).toEqual([500, 0]);
  // Nothing of them remains: the frontends have nothing to wait for when they stop.
  const stopped = Promise.all(frontends.map((frontend) => frontend.stop(30_000)));
  await runUntil(clock.now() + 1_000);
  await stopped;
});

test('a request that is cancelled while a model computes it goes to no other model', async () => {
  const { client, computed, clock, runUntil } = await start();
  const giveUp = new AbortController();
  const reasons: unknown[] = [];
  for (let i = 0; i < 4; i++)
    client.infer({ x: Uint8Array.of(GIVEN_UP, 10, 90) }, { signal: giveUp.signal }).catch((reason) => reasons.push(reason));
  await runUntil(clock.now() + BATCH_MS / 2);
  expect(computed.of('small', GIVEN_UP)).toBe(4);
  giveUp.abort('changed my mind');
  await runUntil(clock.now() + 1_000);
  expect(reasons).toEqual(new Array(4).fill('changed my mind'));
  expect(computed.of('large', GIVEN_UP)).toBe(0);
  await expect(client.infer({ x: Uint8Array.of(GIVEN_UP, 90, 90) }, { signal: giveUp.signal })).rejects.toBe('changed my mind');
});

test('a cancelled request that waits for the next model on another device is not computed there, even if its frontend does not know yet where it is', async () => {
  const { client, computed, clock, runUntil } = await start(split, {
    batchMs: (model) => (model === 0 ? BATCH_MS : 10 * BATCH_MS),
  });
  const hard = Array.from({ length: 64 }, () => ({ inputs: { x: Uint8Array.of(GIVEN_UP, 10, 90) } }));
  const beganAt = clock.now();
  const asking = client.inferMany(hard).subscribe();
  // The second batch of the small model has just moved on; the note to the frontend takes 5 ms more.
  await runUntil(beganAt + 2 * BATCH_MS + 1);
  expect([computed.of('small', GIVEN_UP), computed.of('large', GIVEN_UP)]).toEqual([24, 8]);
  asking.unsubscribe();
  await runUntil(beganAt + 5_000);
  expect([computed.of('small', GIVEN_UP), computed.of('large', GIVEN_UP)]).toEqual([24, 8]);
});

test('a cancelled request is not sent again when its device is lost', async () => {
  let dead = false;
  const { client, computed, clock, runUntil } = await start(plan, {
    // Device a misses the cancellation, and then falls silent.
    systemOf: (device, bus, clock) => ({
      clock,
      bus:
        device !== 'a'
          ? bus
          : busWith(bus, {
              messages$: (subject, options) => (subject === 'cascade.test.cancel.a' ? NEVER : bus.messages$(subject, options)),
              publish: (subject, data, options) => dead || bus.publish(subject, data, options),
            }),
    }),
  });
  const asking = client.inferMany(certain(GIVEN_UP, 100), { concurrency: 100 }).subscribe();
  client.inferMany(certain(OTHER, 10)).subscribe();
  await runUntil(clock.now() + 10);
  dead = true;
  asking.unsubscribe();
  const begun = computed.of('small', GIVEN_UP);
  await runUntil(clock.now() + 50_000);
  // Device a, cut off, works through the fifty requests it was sent. Nothing more started on b.
  expect(computed.of('small', GIVEN_UP)).toBe(begun + 50 - 8);
  // The other client's requests on a were sent to b as well.
  expect(computed.of('small', OTHER)).toBeGreaterThan(10);
});

test('a client without the library cancels by its own token: the requests it names, or all', async () => {
  const { bus, computed, clock, runUntil, infer, answers } = await start();
  const x = Uint8Array.of(GIVEN_UP, 90, 90);
  const frame = ['1', '2', '3', '4'].map((id) => ({ id, inputs: { x } }));
  // The device is busy meanwhile.
  for (let i = 0; i < 32; i++) infer(`other ${i}`, [OTHER, 90, 90]);
  bus.publish('cascade.test.infer', encode(frame), { reply: 'answers', headers: TOKEN });
  await runUntil(clock.now() + 1);
  bus.publish('cascade.test.infer', Buffer.from('["2", "unknown"]'), { headers: { 'Cascade-Cancel': TOKEN['Cascade-Token'] } });
  await runUntil(clock.now() + 1_000);
  expect(computed.of('small', GIVEN_UP)).toBe(3);
  expect(
    answers
      .map(({ answer }) => answer.id)
      .filter((id) => id.length === 1)
      .toSorted(),
  ).toEqual(['1', '3', '4']);

  for (let i = 0; i < 32; i++) infer(`again ${i}`, [OTHER, 90, 90]);
  bus.publish('cascade.test.infer', encode(frame), { reply: 'answers', headers: TOKEN });
  await runUntil(clock.now() + 1);
  bus.publish('cascade.test.infer', new Uint8Array(), { headers: { 'Cascade-Cancel': TOKEN['Cascade-Token'] } });
  await runUntil(clock.now() + 1_000);
  expect(computed.of('small', GIVEN_UP)).toBe(3);
});

test('nobody can cancel requests of others: ids without the token do nothing, and bad cancellations are refused', async () => {
  const { bus, client, clock, runUntil, answers } = await start();
  const results: Answer[] = [];
  const requests = certain(OTHER, 64).map((request, i) => ({ ...request, id: `known-${i}` }));
  client.inferMany(requests).subscribe((answer) => results.push(answer));
  const cancel = (token: string, body: Uint8Array): void => {
    bus.publish('cascade.test.infer', body, { reply: 'answers', headers: { 'Cascade-Cancel': token } });
  };
  const known = encode(requests.map(({ id }) => id));
  for (let i = 0; i < 1_000; i++) cancel(`guess-${i}`.padEnd(16, '-'), i % 2 === 0 ? known : new Uint8Array());
  cancel('short', known);
  cancel(TOKEN['Cascade-Token'], encode({ all: true }));
  cancel(TOKEN['Cascade-Token'], encode([7]));
  bus.publish('cascade.test.infer', encode({ id: 'bad', inputs: {} }), { reply: 'answers', headers: { 'Cascade-Token': '*' } });
  await runUntil(clock.now() + 2_000);
  expect([results.length, results.filter(isFailure).length]).toEqual([64, 0]);
  const said = answers.map(({ answer }) => (isFailure(answer) ? answer.error.message : ''));
  expect(said).toEqual([
    'header Cascade-Cancel: "short"; use 16 to 64 letters, digits, _ or - that nobody can guess',
    'a cancellation is a list of ids, such as ["a", "b"], or empty for all of its token',
    'id: the number 7; use a string of 1 to 128 characters',
    'header Cascade-Token: "*"; use 16 to 64 letters, digits, _ or - that nobody can guess',
  ]);
});

test('draining devices leave when their requests are cancelled', async () => {
  const { client, clock, runUntil, devices: running, computed } = await start();
  const asking = client.inferMany(certain(GIVEN_UP, 1_000), { concurrency: 1_000 }).subscribe();
  await runUntil(clock.now() + 1);
  const left: string[] = [];
  for (const [name, device] of running) void device.stop(60_000).then(() => left.push(name));
  asking.unsubscribe();
  await runUntil(clock.now() + 3 * BATCH_MS);
  expect(left.toSorted()).toEqual(devices);
  expect(computed.of('small', GIVEN_UP)).toBe(16);
});

test('a request can be given up even if the bus is gone', async () => {
  const clock = new VirtualClock();
  const bus = createLocalBus(clock);
  const client = createClient(bus, clock, { deployment: 'test' });
  const asking = client.inferMany(certain(GIVEN_UP, 10)).subscribe({ error: () => undefined });
  clock.runUntil(10);
  await bus.close();
  asking.unsubscribe();
  clock.runUntil(1_000);
  await client.close();
});
