import { EMPTY, NEVER } from 'rxjs';
import { expect, test } from 'vitest';
import { type ClientOptions, connectCascade, createClient } from '../../../../actors/client/client.ts';
import type { Bus } from '../../../../engine/bus/bus.ts';
import type { NatsOptions } from '../../../../engine/bus/nats-options.ts';
import { VirtualClock } from '../../../doubles/virtual-clock.ts';

const silentBus = { messages$: () => NEVER, status$: NEVER } as unknown as Bus;
const wrong = [Number.NaN, 0, -1, '5', null];

test.each<[keyof (ClientOptions & NatsOptions), readonly unknown[], RegExp]>([
  ['deadlineMs', [...wrong, Number.POSITIVE_INFINITY], /^deadlineMs: .*; use milliseconds above 0 and at most 600000$/],
  [
    'connectTimeoutMs',
    [...wrong, Number.POSITIVE_INFINITY, 3e9],
    /^connectTimeoutMs: .*; use milliseconds above 0 and at most 2147483647$/,
  ],
  ['replicas', [...wrong, 1.5, 6], /^replicas: .*; use a whole number from 1 to 5$/],
])(
  'connecting with an invalid %s is refused with what would be right, before there is a connection',
  async (option, values, message) => {
    for (const value of values) {
      const connected = connectCascade({ servers: 'nats://127.0.0.1:1', deployment: 'test', [option]: value });
      await expect(connected).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(message) });
    }
  },
);

test.each([
  ['deployment', 'my service'],
  ['deployment', '>'],
  ['deployment', ''],
  ['prefix', 'a.b'],
  ['deployment', undefined],
  ['prefix', null],
])('connecting with the %s %j is refused before there is a connection', async (option, name) => {
  const connected = connectCascade({ servers: 'nats://127.0.0.1:1', deployment: 'test', [option]: name } as never);
  await expect(connected).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: `${option}: ${JSON.stringify(name) ?? 'undefined'} cannot be a token of a NATS subject; use 1-64 letters, digits, _ or -`,
  });
});

test('an invalid concurrency is refused with what would be right', () => {
  const client = createClient(silentBus, new VirtualClock(), { deployment: 'test' });
  for (const concurrency of [...wrong, 1.5] as number[]) {
    expect(() => client.inferMany(EMPTY, { concurrency })).toThrow(
      /^concurrency: .*; use a whole number, 1 or more, or Infinity/,
    );
  }
  for (const concurrency of [1, Number.POSITIVE_INFINITY]) expect(() => client.inferMany(EMPTY, { concurrency })).not.toThrow();
});
