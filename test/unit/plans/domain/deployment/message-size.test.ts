import { expect, test } from 'vitest';
import type { Sample } from '../../../../../engine/tensor/tensor.ts';
import { DEFAULT_MAX_PAYLOAD, misfitOf } from '../../../../../plans/domain/deployment/message-size.ts';

const sample = (bytes: number): Sample => [{ data: new Uint8Array(bytes), shape: [bytes] }];
const FITS = sample(DEFAULT_MAX_PAYLOAD - 5_000);
const LARGE = sample(3 * 2 ** 20);

test('samples that fit into a message give no warning', () => {
  expect(misfitOf([FITS], DEFAULT_MAX_PAYLOAD, 'the server')).toBeUndefined();
  expect(misfitOf([], DEFAULT_MAX_PAYLOAD, 'the server')).toBeUndefined();
});

test('samples that do not fit give a warning with the setting to change', () => {
  expect(misfitOf([LARGE], DEFAULT_MAX_PAYLOAD, 'the server')).toEqual({
    typical: true,
    message:
      'samples take 3 MiB as tensors, and the server takes messages of at most 1 MiB: set `max_payload: 4MB` in its configuration and restart it',
  });
});

test('if only the largest does not fit, the others can be served', () => {
  const misfit = misfitOf([FITS, LARGE], DEFAULT_MAX_PAYLOAD, 'the server');
  expect(misfit).toMatchObject({ typical: false, message: expect.stringMatching(/^the largest sample takes 3 MiB/) });
  expect(misfitOf([FITS, LARGE], 4 * 2 ** 20, 'the server')).toBeUndefined();
});
