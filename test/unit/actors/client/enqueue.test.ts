import { setImmediate as settle } from 'node:timers/promises';
import { BehaviorSubject } from 'rxjs';
import { expect, test } from 'vitest';
import { type EnqueueOptions, enqueue } from '../../../../actors/client/enqueue.ts';
import type { Bus } from '../../../../engine/bus/bus.ts';
import type { AppendOptions, Stored } from '../../../../engine/bus/work-queue.ts';
import { CascadeError } from '../../../../engine/errors.ts';
import { subjectsOf } from '../../../../plans/protocol/subjects.ts';
import { VirtualClock } from '../../../doubles/virtual-clock.ts';
import { runClock } from '../../../support/virtual-plane.ts';

const STORED: Stored = { stream: 's', sequence: 1, duplicate: false };

/** A client without a connection, at first; `isSilent`: then nothing is acknowledged. */
function disconnected({ isSilent = false } = {}) {
  const clock = new VirtualClock();
  const status$ = new BehaviorSubject<'up' | 'down'>('down');
  const attempts: { at: number; options: AppendOptions }[] = [];
  const append = async (_: string, __: Uint8Array, options: AppendOptions): Promise<Stored> => {
    attempts.push({ at: clock.now(), options });
    if (status$.value === 'down') throw new CascadeError('UNAVAILABLE', 'no connection to NATS');
    if (!isSilent) return STORED;
    await new Promise<void>((resolve) => clock.after(options.timeoutMs, resolve));
    throw new CascadeError('DEADLINE_EXCEEDED', 'no acknowledgement');
  };
  const bus = { status$, workQueues: () => ({ append }) } as unknown as Bus;
  /** Becomes the outcome. */
  const store = (options: EnqueueOptions): { outcome: unknown } => {
    const told: { outcome: unknown } = { outcome: 'none yet' };
    const set = (outcome: unknown): void => {
      told.outcome = outcome;
    };
    void enqueue(bus, clock, subjectsOf('test'), 'id', { x: [1] }, options).then(set, set);
    return told;
  };
  const runUntil = async (timeMs: number): Promise<void> => {
    await settle();
    await runClock(clock, timeMs);
    await settle();
  };
  return { status$, attempts, store, runUntil };
}

test('without a time limit, a request waits for the connection, without spinning', async () => {
  const { status$, attempts, store, runUntil } = disconnected();
  const told = store({ timeoutMs: Number.POSITIVE_INFINITY });
  await runUntil(3_600_000);
  expect([told.outcome, attempts.length]).toEqual(['none yet', 1]);
  status$.next('up');
  await runUntil(3_600_001);
  expect([told.outcome, attempts.length]).toEqual([STORED, 2]);
});

test('a request gives up after its timeout', async () => {
  const { attempts, store, runUntil } = disconnected();
  const told = store({ timeoutMs: 5_000 });
  await runUntil(4_999);
  expect(told.outcome).toBe('none yet');
  await runUntil(5_000);
  expect(told.outcome).toMatchObject({ code: 'UNAVAILABLE', message: 'no connection to NATS' });
  expect(attempts).toHaveLength(1);
});

test('a request whose deadline passes before there is a connection is not stored', async () => {
  const { status$, attempts, store, runUntil } = disconnected();
  const told = store({ deadlineMs: 500 });
  await runUntil(500);
  const message = 'the deadline of 500 ms passed before NATS acknowledged the request: no connection to NATS';
  expect(told.outcome).toMatchObject({ code: 'DEADLINE_EXCEEDED', message });
  status$.next('up');
  await runUntil(60_000);
  expect(attempts).toHaveLength(1);
});

test('a request that is not acknowledged fails at its deadline, not later', async () => {
  const { status$, store, runUntil } = disconnected({ isSilent: true });
  status$.next('up');
  const told = store({ deadlineMs: 50 });
  await runUntil(49);
  expect(told.outcome).toBe('none yet');
  await runUntil(51);
  const message =
    'the deadline of 50 ms passed before NATS acknowledged the request: no acknowledgement; it may or may not be stored';
  expect(told.outcome).toMatchObject({ code: 'DEADLINE_EXCEEDED', message });
});

test('a request is stored with what is left of its deadline, under the same id at each attempt', async () => {
  const { status$, attempts, store, runUntil } = disconnected();
  const told = store({ deadlineMs: 5_000 });
  await runUntil(3_000);
  status$.next('up');
  await runUntil(3_001);
  expect(told.outcome).toBe(STORED);
  expect(attempts.map(({ options }) => options.headers?.['Cascade-Deadline-Ms'])).toEqual(['5000', '2000']);
  expect(attempts[1].options.id).toBe(attempts[0].options.id);
});

test('a long deadline does not prolong the timeout', async () => {
  const { store, runUntil } = disconnected();
  const told = store({ deadlineMs: 600_000 });
  await runUntil(30_000);
  expect(told.outcome).toMatchObject({ code: 'UNAVAILABLE', message: 'no connection to NATS' });
});

test.each([Number.NaN, 0, -1, '5'])('a timeout of %s is refused with what would be right', async (timeoutMs) => {
  const { attempts, store, runUntil } = disconnected();
  const told = store({ timeoutMs: timeoutMs as number });
  await runUntil(0);
  expect(told.outcome).toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringMatching(/^timeoutMs: .*; use milliseconds/),
  });
  expect(attempts).toEqual([]);
});
