import { expect, test } from 'vitest';
import { errorOf, failureOf } from '../../../../actors/client/answers.ts';

test('the error of an overloaded deployment carries its hint', () => {
  const error = errorOf({ id: 'x', error: { code: 'RESOURCE_EXHAUSTED', message: 'overloaded', retryAfterMs: 120 } });
  expect(error).toMatchObject({ name: 'CascadeError', code: 'RESOURCE_EXHAUSTED', message: 'overloaded', retryAfterMs: 120 });
});

test('an invalid hint is dropped, and an unknown code is INTERNAL', () => {
  const odd = {
    id: 'x',
    error: { code: 'RESOURCE_EXHAUSTED' as const, message: 'm', retryAfterMs: 'soon' as unknown as number },
  };
  expect(errorOf(odd).retryAfterMs).toBeUndefined();
  expect(errorOf(failureOf('x', 'TEAPOT' as 'INTERNAL', 'short'))).toMatchObject({ code: 'INTERNAL', message: 'TEAPOT: short' });
});
