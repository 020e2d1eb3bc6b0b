import { status } from '@grpc/grpc-js';
import { expect, test, vi } from 'vitest';
import { FAILED, failureOf } from '../../../../../actors/gateway/grpc/failure.ts';
import { respondWith } from '../../../../../actors/gateway/grpc/respond.ts';
import { invalid } from '../../../../../engine/errors.ts';
import { silentLogger } from '../../../../../engine/log.ts';

const cannot = (): never => {
  throw new Error('cannot be sent');
};

test('responds with what the method returns or throws', async () => {
  const respond = vi.fn();
  await respondWith(respond, () => ({ live: true }), silentLogger);
  await respondWith(respond, () => Promise.reject(invalid('wrong')), silentLogger);
  expect(respond.mock.calls).toEqual([
    [null, { live: true }],
    [expect.objectContaining({ code: status.INVALID_ARGUMENT, details: 'wrong' }), undefined],
  ]);
});

test('responds with INTERNAL if the answer cannot be sent, and never rejects', async () => {
  const respond = vi.fn().mockImplementationOnce(cannot);
  await respondWith(respond, () => ({}), silentLogger);
  expect(respond.mock.calls[1]?.[0]).toEqual(FAILED);
  await respondWith(cannot, () => ({}), silentLogger);
});

test('details have no half of an emoji, which the library cannot send', () => {
  expect(failureOf(invalid('cut at \ud83d'), silentLogger).details).toBe('cut at \uFFFD');
});
