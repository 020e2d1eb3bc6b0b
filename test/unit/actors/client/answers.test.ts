import { expect, test } from 'vitest';
import { errorOf, failureOf } from '../../../../actors/client/answers.ts';

test('the error of an overloaded deployment carries its hint', () => {
  const error = errorOf({ id: 'x', error: { code: 'RESOURCE_EXHAUSTED', message: 'overloaded', retryAfterMs: 120 } });
  expect(error).toMatchObject({ name: 'CascadeError', code: 'RESOURCE_EXHAUSTED', message: 'overloaded', retryAfterMs: 120 });
});

test('a hint that is no number is dropped, and a code that is not known is INTERNAL', () => {
  const odd = {
    id: 'x',
    error: { code: 'RESOURCE_EXHAUSTED' as const, message: 'm', retryAfterMs: 'soon' as unknown as number },
  };
  expect(errorOf(odd).retryAfterMs).toBeUndefined();
  expect(errorOf(failureOf('x', 'TEAPOT' as 'INTERNAL', 'short'))).toMatchObject({ code: 'INTERNAL', message: 'TEAPOT: short' });
});
