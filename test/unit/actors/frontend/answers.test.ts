import { beforeEach, expect, test } from 'vitest';
import { decodeAnswers } from '../../../../actors/client/answers.ts';
import { sendFailures } from '../../../../actors/frontend/answers.ts';
import type { Bus, BusMessage } from '../../../../engine/bus/bus.ts';
import type { ErrorCode } from '../../../../engine/errors.ts';
import { decode } from '../../../../plans/protocol/codec.ts';
import type { Failure } from '../../../../plans/protocol/messages.ts';
import { createLocalBus } from '../../../doubles/local-bus.ts';
import { VirtualClock } from '../../../doubles/virtual-clock.ts';

const MAX_PAYLOAD_BYTES = 64 * 1024;
let clock: VirtualClock;
let bus: Bus;
let sent: BusMessage[];

beforeEach(() => {
  clock = new VirtualClock();
  bus = createLocalBus(clock, { maxPayloadBytes: MAX_PAYLOAD_BYTES });
  sent = [];
  bus.messages$('answers').subscribe((message) => sent.push(message));
});

function failures(count: number, code: ErrorCode = 'INVALID_ARGUMENT', message = 'wrong'): Failure[] {
  return Array.from({ length: count }, (_, i) => ({ id: `${code}-${i}`, error: { code, message } }));
}

function send(all: readonly Failure[], json = false): void {
  sendFailures(bus, 'answers', all, json);
  clock.runUntil(clock.now() + 1);
}

test('nothing is sent when nothing failed', () => {
  send([]);
  expect(sent).toEqual([]);
});

test('one error is an ordinary message: a map, with its text in the header', () => {
  send([{ id: 'a', error: { code: 'RESOURCE_EXHAUSTED', message: 'full\nup', retryAfterMs: 30 } }]);
  expect(sent).toHaveLength(1);
  expect(decode(sent[0].data)).toEqual({ id: 'a', error: { code: 'RESOURCE_EXHAUSTED', message: 'full\nup', retryAfterMs: 30 } });
  expect(sent[0].header('Nats-Service-Error-Code')).toBe('429');
  expect(sent[0].header('Nats-Service-Error')).toBe('RESOURCE_EXHAUSTED: full up');
  expect(sent[0].header('Retry-After-Ms')).toBe('30');
});

test.each([false, true])(
  'errors with the same code share a list, whose header has the code and the latest hint (JSON: %s)',
  (json) => {
    const all = [20, 50, 30].map(
      (retryAfterMs, i): Failure => ({ id: `r${i}`, error: { code: 'RESOURCE_EXHAUSTED', message: `full ${i}`, retryAfterMs } }),
    );
    send(all, json);
    expect(sent).toHaveLength(1);
    expect(decodeAnswers(sent[0].data)).toEqual(all);
    expect(sent[0].header('Content-Type')).toBe(json ? 'application/json' : undefined);
    expect(sent[0].header('Nats-Service-Error-Code')).toBe('429');
    expect(sent[0].header('Nats-Service-Error')).toBe('RESOURCE_EXHAUSTED: 3 requests, the first: full 0');
    expect(sent[0].header('Retry-After-Ms')).toBe('50');
  },
);

test('each code has a list of its own', () => {
  const bad = failures(3);
  const lost = failures(2, 'UNAVAILABLE');
  send([bad[0], lost[0], bad[1], lost[1], bad[2]]);
  expect(sent.map(({ header }) => header('Nats-Service-Error-Code'))).toEqual(['400', '503']);
  expect(sent.map(({ data }) => decodeAnswers(data))).toEqual([bad, lost]);
});

test.each([
  [4_096, 60],
  // Three of these do not fit into one message.
  [4, 20_000],
])('a list of %d errors of %d characters is split to fit the maximum payload, and none is lost', (count, length) => {
  const all = failures(count, 'INVALID_ARGUMENT', 'é'.repeat(length / 2));
  send(all);
  expect(sent.length).toBeGreaterThan(1);
  expect(sent.length).toBeLessThanOrEqual(16);
  expect(sent.flatMap(({ data }) => decodeAnswers(data))).toEqual(all);
});
