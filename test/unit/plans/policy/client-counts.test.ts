import { expect, test } from 'vitest';
import { Admission, mayFill } from '../../../../plans/policy/admission.ts';
import { ClientCounts, MAX_CLIENTS } from '../../../../plans/policy/client-counts.ts';

const counts = (of: Readonly<Record<number, number>>): ClientCounts => {
  const clients = new ClientCounts();
  for (const [client, count] of Object.entries(of)) for (let i = 0; i < count; i++) clients.add(Number(client));
  return clients;
};

test('ahead of a request are those of its client, and as many of every other client', () => {
  const clients = counts({ 1: 100, 2: 3, 3: 1 });
  expect(clients.ahead(1)).toBe(104);
  expect(clients.ahead(2)).toBe(3 + 4 + 1);
  expect(clients.ahead(3)).toBe(1 + 2 + 2);
  expect(clients.ahead(4)).toBe(3);
});

test('a lone client has everything in flight ahead of it', () => {
  expect(counts({ 7: 40 }).ahead(7)).toBe(40);
});

test('clients are remembered while they have requests, up to a bound', () => {
  const clients = new ClientCounts();
  for (let client = 0; client < 2 * MAX_CLIENTS; client++) clients.add(clients.keyOf(client));
  expect(clients.keyOf(5)).toBe(5);
  const others = clients.keyOf(MAX_CLIENTS + 5);
  expect(clients.keyOf(MAX_CLIENTS + 6)).toBe(others);
  expect(clients.of(others)).toBe(MAX_CLIENTS);
  for (let client = 0; client < MAX_CLIENTS; client++) clients.remove(client);
  expect(clients.keyOf(MAX_CLIENTS + 5)).toBe(MAX_CLIENTS + 5);
});

/** One is completed every 10 ms, and client 1 keeps 500 in flight. */
function crowded(): Admission {
  const admission = new Admission(() => 0);
  const waiting = Array.from({ length: 500 }, () => ({ at: 0, ticket: admission.started(0, 1) }));
  for (let now = 10; now <= 10_000; now += 10) {
    const { at, ticket } = waiting.shift()!;
    admission.ended(ticket, now - at, true, now, 1);
    waiting.push({ at: now, ticket: admission.started(now, 1) });
  }
  return admission;
}

test('a client with little in flight is accepted, even with a deadline that the whole queue would miss', () => {
  const admission = crowded();
  expect(admission.retryAfterMs(2_000, 1)).toBeGreaterThan(1_000);
  expect(admission.retryAfterMs(2_000, 2)).toBeUndefined();
  expect(admission.retryAfterMs(600_000, 1)).toBeUndefined();
});

test('equal clients get equal shares, whatever their deadlines', () => {
  const admission = crowded();
  for (let i = 0; i < 500 && admission.retryAfterMs(2_000, 2) === undefined; i++) admission.started(10_000, 2);
  // 1.6 s of work, half of it from the other client.
  for (let i = 0; i < 79; i++) admission.ended(500, 100, false, 10_000, 2);
  expect(admission.retryAfterMs(2_000, 2)).toBeUndefined();
});

test('a lone client leaves a little of a bound for the next one; with others, it leaves as much as it has', () => {
  expect(mayFill(0.94, 94, 94)).toBe(true);
  expect(mayFill(0.95, 95, 95)).toBe(false);
  expect(mayFill(0.95, 0, 95)).toBe(true);
  expect(mayFill(1, 0, 100)).toBe(false);
  expect(mayFill(0.99, 1, 99)).toBe(false);
  expect(mayFill(0.98, 1, 98)).toBe(true);
  expect(mayFill(0.5, 49, 50)).toBe(true);
  expect(mayFill(0.51, 50, 51)).toBe(false);
  expect(mayFill(0, 0, 0)).toBe(true);
});
