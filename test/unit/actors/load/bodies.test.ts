import { expect, test } from 'vitest';
import { bodyCount, bodyOf, encodeBodies } from '../../../../actors/load/bodies.ts';
import { decode } from '../../../../plans/protocol/codec.ts';

const inputsOf = (sample: number) => ({ x: [sample, sample] });

test('each sample is a request with its inputs and the deadline, in memory that threads share', () => {
  const bodies = encodeBodies([7, 300, 2], inputsOf, 500, 1e6);
  expect(bodyCount(bodies)).toBe(3);
  expect(bodies.bytes.buffer).toBeInstanceOf(SharedArrayBuffer);
  expect([0, 1, 2].map((i) => decode(bodyOf(bodies, i)))).toEqual(
    [7, 300, 2].map((sample) => ({ inputs: inputsOf(sample), deadlineMs: 500 })),
  );
});

test('samples that do not fit are left out, except the first', () => {
  const { length } = bodyOf(encodeBodies([1], inputsOf, 500, 1e6), 0);
  expect(bodyCount(encodeBodies([1, 2, 3], inputsOf, 500, 2 * length))).toBe(2);
  expect(bodyCount(encodeBodies([1, 2, 3], inputsOf, 500, 1))).toBe(1);
});
