import { expect, test } from 'vitest';
import { decodeAnswers } from '../../actors/client/answers.ts';
import { encode } from '../../plans/protocol/codec.ts';
import { isFailure } from '../../plans/protocol/messages.ts';
import { planOf } from '../support/plans.ts';
import { startVirtualPlane, type VirtualPlane, type VirtualPlaneOptions } from '../support/virtual-plane.ts';

/** Two devices with batches of up to 8 in 32 ms: 500 requests/s together. */
const batchMs = (_model: number, size: number): number => 16 + 2 * size;
const CAPACITY_QPS = 500;

interface Client {
  readonly name: string;
  readonly qps: number;
  readonly deadlineMs: number;
  /** Since the start. */
  readonly fromMs: number;
}

/** Requests that each client sent, and how many were answered in time. */
async function shares(clients: readonly Client[], seconds: number, options: VirtualPlaneOptions = {}) {
  const plane = await startVirtualPlane(planOf({ models: ['small'], devices: ['a', 'b'] }), { batchMs, ...options });
  const beginsAt = plane.clock.now();
  const sent = new Map<string, { readonly client: Client; readonly at: number }>();
  const inTime = new Map(clients.map(({ name }) => [name, 0]));
  const count = new Map(clients.map(({ name }) => [name, 0]));
  listen(plane, (id, at) => {
    const { client, at: sentAt } = sent.get(id)!;
    if (at <= sentAt + client.deadlineMs) inTime.set(client.name, inTime.get(client.name)! + 1);
  });
  const due = clients
    .flatMap((client) => {
      const total = Math.floor((client.qps * (1_000 * seconds - client.fromMs)) / 1_000);
      return Array.from({ length: total }, (_, i) => ({ client, at: client.fromMs + (1_000 * i) / client.qps }));
    })
    .sort((one, other) => one.at - other.at);
  for (const [i, { client, at }] of due.entries()) {
    await plane.runUntil(beginsAt + at);
    const id = `${client.name}-${i}`;
    sent.set(id, { client, at: plane.clock.now() });
    count.set(client.name, count.get(client.name)! + 1);
    const data = encode({ id, inputs: { x: Uint8Array.of(1, 90) }, deadlineMs: client.deadlineMs });
    plane.bus.publish('cascade.test.infer', data, { reply: `inbox.${client.name}.${i}` });
  }
  await plane.runUntil(plane.clock.now() + 3_000);
  return { sent: count, inTime };
}

function listen(plane: VirtualPlane, onResult: (id: string, at: number) => void): void {
  plane.bus.messages$('inbox.>').subscribe(({ data }) => {
    for (const answer of decodeAnswers(data)) if (!isFailure(answer)) onResult(answer.id, plane.clock.now());
  });
}

const small = (fromMs: number): Client[] =>
  Array.from({ length: 50 }, (_, i) => ({ name: `small${i}`, qps: 2, deadlineMs: 2_000, fromMs: fromMs + 7 * i }));

test.each([0, 2_000])(
  'one client sends 6,000 requests/s with deadlines of 600 s; from %d ms on, 50 others send 2/s with 2 s, and are answered in time',
  { timeout: 120_000 },
  async (fromMs) => {
    const greedy = { name: 'greedy', qps: 6_000, deadlineMs: 600_000, fromMs: 0 };
    const { sent, inTime } = await shares([greedy, ...small(fromMs)], 5);
    for (const { name } of small(0)) expect(inTime.get(name), name).toBe(sent.get(name));
    // The greedy client gets what they leave.
    const seconds = 5 + 3;
    const others = 50 * 2 * (5 - fromMs / 1_000);
    expect(inTime.get('greedy')).toBeGreaterThan(0.9 * (CAPACITY_QPS * seconds - others));
  },
);

test('a client that fills the table leaves room for the others', { timeout: 120_000 }, async () => {
  const greedy = { name: 'greedy', qps: 6_000, deadlineMs: 600_000, fromMs: 0 };
  const others = small(1_000);
  const { sent, inTime } = await shares([greedy, ...others], 4, { frontend: { maxInFlight: 1_000 } });
  const total = (of: ReadonlyMap<string, number>): number => others.reduce((sum, { name }) => sum + of.get(name)!, 0);
  expect(total(inTime) / total(sent)).toBeGreaterThan(0.95);
});

test('two clients that both ask for more than the capacity get equal shares, whatever their deadlines', {
  timeout: 120_000,
}, async () => {
  const patient = { name: 'patient', qps: 2_000, deadlineMs: 600_000, fromMs: 0 };
  const hasty = { name: 'hasty', qps: 1_000, deadlineMs: 2_000, fromMs: 0 };
  const { inTime } = await shares([patient, hasty], 5);
  expect(inTime.get('hasty')! / (5 * CAPACITY_QPS)).toBeGreaterThan(0.45);
  expect(inTime.get('hasty')! / (5 * CAPACITY_QPS)).toBeLessThan(0.7);
});
