import fc from 'fast-check';
import { expect, it } from 'vitest';
import { decide, type Outcome, retryDelayMs } from '../../../../actors/durable/durable-decision.ts';
import { ERROR_NUMBERS, type ErrorCode } from '../../../../engine/errors.ts';

const CODES = Object.keys(ERROR_NUMBERS) as ErrorCode[];
const FINAL: readonly ErrorCode[] = ['INVALID_ARGUMENT', 'NOT_FOUND'];
const PASSING = CODES.filter((code) => !FINAL.includes(code));

const failure = (code: ErrorCode): Outcome => ({ type: 'failure', code, message: 'why' });

it('accepts a result as the answer, however late and after however many tries', () => {
  expect(decide({ type: 'result' }, 99, 3, true)).toEqual({ type: 'answer' });
});

it.each(FINAL)('accepts %s as the answer at the first try: it would be the same again', (code) => {
  expect(decide(failure(code), 1, 3, false)).toEqual({ type: 'answer' });
});

it.each(PASSING)('tries again after %s, until it has been delivered often enough', (code) => {
  expect(decide(failure(code), 1, 3, false)).toEqual({ type: 'retry', delayMs: 100 });
  expect(decide(failure(code), 2, 3, false)).toEqual({ type: 'retry', delayMs: 200 });
  expect(decide(failure(code), 3, 3, false)).toEqual({ type: 'bury', code, reason: 'why' });
  expect(decide(failure(code), 9, 3, false)).toEqual({ type: 'bury', code, reason: 'why' });
});

it('makes a dead letter at once of a request that would end the same way again, such as one that killed two devices', () => {
  const outcome: Outcome = { ...failure('INTERNAL'), final: true } as Outcome;
  expect(decide(outcome, 1, 20, false)).toEqual({ type: 'bury', code: 'INTERNAL', reason: 'why' });
});

it.each(PASSING)('accepts %s as the answer when the time of the request is over', (code) => {
  expect(decide(failure(code), 1, 3, true)).toEqual({ type: 'answer' });
});

it('does not retry before the time that the refusal names, nor much later than otherwise', () => {
  const busy: Outcome = { type: 'failure', code: 'RESOURCE_EXHAUSTED', message: 'busy', retryAfterMs: 700 };
  expect(decide(busy, 1, 30, false)).toEqual({ type: 'retry', delayMs: 700 });
  expect(decide(busy, 5, 30, false)).toEqual({ type: 'retry', delayMs: 1_600 });
  expect(decide({ ...busy, retryAfterMs: 3_600_000 }, 1, 30, false)).toEqual({ type: 'retry', delayMs: 30_000 });
});

it('waits longer after each try, and never longer than half a minute', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000 }), (deliveries) => {
      const delay = retryDelayMs(deliveries);
      expect(delay).toBeGreaterThanOrEqual(100);
      expect(delay).toBeLessThanOrEqual(30_000);
      expect(retryDelayMs(deliveries + 1)).toBeGreaterThanOrEqual(delay);
    }),
  );
});

it('ends every request within its deliveries', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 30 }),
      fc.infiniteStream(fc.constantFrom(...CODES.map(failure), { type: 'result' } as Outcome)),
      fc.infiniteStream(fc.boolean()),
      (maxDeliver, outcomes, expiries) => {
        for (let deliveries = 1; ; deliveries++) {
          const decision = decide(outcomes.next().value, deliveries, maxDeliver, expiries.next().value);
          if (decision.type !== 'retry') return deliveries <= maxDeliver;
          if (deliveries >= maxDeliver) return false;
        }
      },
    ),
  );
});
