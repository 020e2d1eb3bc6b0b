import { expect, test } from 'vitest';
import type { TensorSpec } from '../../../../engine/tensor/tensor.ts';
import { parseRequest } from '../../../../plans/protocol/request.ts';

const SPECS: readonly TensorSpec[] = [{ name: 'image', dtype: 'uint8', shape: [1, 2, 2], pad: 0 }];
const image = Uint8Array.of(1, 2, 3, 4);

test('bytes, flat numbers and nested numbers are the same sample', () => {
  for (const value of [
    image,
    [1, 2, 3, 4],
    [
      [
        [1, 2],
        [3, 4],
      ],
    ],
  ]) {
    const { sample } = parseRequest({ inputs: { image: value } }, SPECS);
    expect([...sample[0].data]).toEqual([1, 2, 3, 4]);
  }
});

test('keeps id, deadline and scores', () => {
  expect(parseRequest({ id: 'x', deadlineMs: 50, scores: true, inputs: { image } }, SPECS)).toMatchObject({
    id: 'x',
    deadlineMs: 50,
    wantScores: true,
  });
});

test.each([
  [null, /a request is a map like \{"inputs": \{"image": uint8\[1, 2, 2\]\}\}, not null/],
  [[1], /not a list of 1/],
  ['text', /not the string "text"/],
  [{}, /inputs: missing/],
  [{ inputs: [image] }, /inputs: a list of 1; expected/],
  [{ inputs: {} }, /inputs\.image: missing; expected uint8\[1, 2, 2\]/],
  [{ input: { image } }, /unknown field "input"; a request has id, inputs, deadlineMs, scores/],
  [{ inputs: { image, picture: image } }, /unknown input "picture"; this family takes image uint8\[1, 2, 2\]/],
  [{ inputs: { image: image.subarray(1) } }, /inputs\.image has 3 bytes; expected 4/],
  [{ inputs: { image: [1, 2, 3, 256] } }, /inputs\.image\[3\]/],
  [{ inputs: { image: [1, 2, 3, Number.NaN] } }, /inputs\.image\[3\]/],
  [{ id: 7, inputs: { image } }, /id: the number 7; use a string/],
  [{ id: 'a'.repeat(129), inputs: { image } }, /id: 129 characters/],
  [{ id: 'x\ud83d', inputs: { image } }, /id: has half of a surrogate pair; use a well-formed string/],
  [{ deadlineMs: -1, inputs: { image } }, /deadlineMs: -1; use milliseconds above 0/],
  [{ deadlineMs: Number.NaN, inputs: { image } }, /deadlineMs: NaN/],
  [{ deadlineMs: '5', inputs: { image } }, /deadlineMs: the string "5"/],
  [{ scores: 1, inputs: { image } }, /scores: the number 1/],
])('%j is refused with a message', (value, words) => {
  expect(() => parseRequest(value, SPECS)).toThrow(words);
});
