import { expect, test } from 'vitest';
import { decodeAnswers } from '../../../../actors/client/answers.ts';
import { Refusals } from '../../../../actors/frontend/refusals.ts';
import { encodeAnswers } from '../../../../plans/protocol/codec.ts';
import type { Failure } from '../../../../plans/protocol/messages.ts';

const wrong = (id: string, message = 'inputs: missing'): Failure => ({ id, error: { code: 'INVALID_ARGUMENT', message } });
const overloaded = (id: string, retryAfterMs: number): Failure => ({
  id,
  error: { code: 'RESOURCE_EXHAUSTED', message: 'overloaded', retryAfterMs },
});
const ids = (count: number): string[] => Array.from({ length: count }, (_, i) => `r${i}`);

test('the refusals of a message of usual size are sent one by one', () => {
  const refusals = new Refusals(512 * 40);
  const each = ids(512).map((id) => overloaded(id, 100));
  for (const failure of each) refusals.add(failure);
  expect(refusals.areMany).toBe(false);
  expect(refusals.failures).toEqual(each);
});

test.each([false, true])('for thousands in a small message, each id is sent, in few bytes (JSON: %s)', (json) => {
  const refusals = new Refusals(8_192);
  for (const id of ids(4_096)) refusals.add(wrong(id, 'x'.repeat(600)));
  expect(refusals.areMany).toBe(true);
  const answer = encodeAnswers(refusals.failures, json);
  expect(answer.length).toBeLessThan(80_000);
  const told = decodeAnswers(answer) as Failure[];
  expect(told.map(({ id }) => id)).toEqual(ids(4_096));
  expect(told[4_095].error.message).toMatch(/^\d+ more requests in this message were refused; the first: xxx/);
});

test('the rest is sent once per code, with the longest hint', () => {
  const refusals = new Refusals(0);
  for (const id of ids(1_000)) refusals.add(wrong(id));
  refusals.add(wrong(''));
  for (const [i, id] of ids(10).entries()) refusals.add(overloaded(id, 100 + i));
  refusals.addUnread('unread');
  refusals.addUnread();
  const [rest, busy] = refusals.failures.slice(-2);
  expect(rest).toMatchObject({ id: '', error: { code: 'INVALID_ARGUMENT' } });
  expect(rest.ids?.at(-1)).toBe('unread');
  const unnamed = 2;
  const alone = refusals.failures.length - 2;
  expect(rest.error.message).toContain(`${rest.ids!.length + unnamed} more requests`);
  expect(alone + rest.ids!.length).toBe(1_001);
  expect(busy).toMatchObject({ ids: ids(10), error: { code: 'RESOURCE_EXHAUSTED', retryAfterMs: 109 } });
});

test('a single one that does not fit is sent as it is', () => {
  const refusals = new Refusals(0);
  const long = wrong('one', 'x'.repeat(20_000));
  refusals.add(long);
  expect(refusals.failures).toEqual([long]);
});
