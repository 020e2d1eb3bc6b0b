import { expect, test } from 'vitest';
import { sendResult } from '../../../../actors/frontend/answers.ts';
import type { Bus } from '../../../../engine/bus/bus.ts';
import { encodeStrings } from '../../../../engine/tensor/strings.ts';
import type { TensorSpec } from '../../../../engine/tensor/tensor.ts';
import { decodeWorkFrame, encodeAnswer, encodeWorkFrame } from '../../../../plans/protocol/codec.ts';
import type { OutputValue, Result } from '../../../../plans/protocol/messages.ts';
import { parseRequest } from '../../../../plans/protocol/request.ts';
import { workItem } from '../../../support/plans.ts';

const SPECS: readonly TensorSpec[] = [{ name: 'x', dtype: 'float32', shape: [1], pad: 0 }];
const sample = [{ data: new Uint8Array(4), shape: [1] }];
const value = (dtype: OutputValue['dtype'], data: ArrayBufferView<ArrayBuffer>, shape: number[]): OutputValue => ({
  dtype,
  shape,
  data: new Uint8Array(data.buffer),
});
const boxes = value('float32', Float32Array.of(1, 2.5, Number.NaN, 4), [2, 2]);

test('work items carry the requested outputs, and an opinion carries the ones it has', () => {
  const opinion = { certainty: 0.5, model: 'small', stage: 0, gear: 0, revision: 1, value: [1, 2], outputs: { boxes } };
  const items = [workItem({ id: 'a', sample }), workItem({ id: 'b', sample, wantOutputs: ['boxes', 'ids'], opinion })];
  const [a, b] = decodeWorkFrame(encodeWorkFrame({ origin: 'f', items }, SPECS, 0), SPECS, 0).items;
  expect([a.opinion, a.wantOutputs]).toEqual([undefined, undefined]);
  expect(b.wantOutputs).toEqual(['boxes', 'ids']);
  expect({ ...b.opinion!.outputs!.boxes, data: [...b.opinion!.outputs!.boxes.data] }).toEqual({
    ...boxes,
    data: [...boxes.data],
  });
  expect(b.opinion!.value).toEqual([1, 2]);
});

test.each<[string, OutputValue, unknown]>([
  ['floats, null for what is no number', boxes, [1, 2.5, null, 4]],
  ['64-bit integers', value('int64', BigInt64Array.of(7n, -1n), [2]), [7, -1]],
  ['half floats', value('float16', Uint16Array.of(0x3c00, 0xc000), [2]), [1, -2]],
  ['truth', value('bool', Uint8Array.of(1, 0), [2]), [true, false]],
  ['texts', { dtype: 'string', shape: [2], data: encodeStrings(['cat', 'größer']) }, ['cat', 'größer']],
])('in JSON an output is a list of %s', (_, output, expected) => {
  const result = { id: 'x', certainty: 1, outputs: { o: output } } as unknown as Result;
  const { outputs } = JSON.parse(Buffer.from(encodeAnswer(result, true)).toString()) as { outputs: { o: { data: unknown } } };
  expect(outputs.o.data).toEqual(expected);
});

test('an integer that JSON would round is refused, and MessagePack has its bytes', () => {
  const most = BigInt(Number.MAX_SAFE_INTEGER);
  const resultWith = (output: OutputValue) => ({ id: 'x', certainty: 1, outputs: { o: output } }) as unknown as Result;
  const fits = resultWith(value('int64', BigInt64Array.of(most, -most), [2]));
  expect(JSON.parse(Buffer.from(encodeAnswer(fits, true)).toString()).outputs.o.data).toEqual([Number(most), -Number(most)]);
  const tooLarge = resultWith(value('uint64', BigUint64Array.of(most + 2n), [1]));
  const message =
    'output o: 9007199254740993 cannot be given exactly as a JSON number; ask for the answer in MessagePack (Accept)';
  expect(() => encodeAnswer(tooLarge, true)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', message }));
  expect(() => encodeAnswer(tooLarge, false)).not.toThrow();

  const published: unknown[][] = [];
  const bus = { maxPayloadBytes: 1_000_000, publish: (...message: unknown[]) => published.push(message) > 0 } as unknown as Bus;
  expect(sendResult(bus, 'inbox', tooLarge, true)).toBe(true);
  expect(JSON.parse(Buffer.from(published[0][1] as Uint8Array).toString())).toMatchObject({
    error: { code: 'INVALID_ARGUMENT', message },
  });
});

test.each<[unknown, string]>([
  ['boxes', 'outputs: the string "boxes"; use a list of names, such as ["boxes"]'],
  [['nothing'], 'outputs: unknown output "nothing"; all models of this family have boxes, ids'],
  [[3], 'outputs: unknown output the number 3'],
  [new Array(17).fill('boxes'), 'outputs: 17 names; at most 16 are accepted'],
])('refuses outputs %j', (outputs, message) => {
  const request = { inputs: { x: [1] }, outputs };
  expect(() => parseRequest(request, SPECS, ['boxes', 'ids'])).toThrow(message);
});

test('a frame whose opinion holds invalid outputs is malformed', () => {
  const opinion = {
    certainty: 0.5,
    model: 'small',
    stage: 0,
    gear: 0,
    revision: 1,
    outputs: { boxes: { ...boxes, data: 'text' } },
  };
  const frame = encodeWorkFrame({ origin: 'f', items: [workItem({ id: 'a', sample, opinion: opinion as never })] }, SPECS, 0);
  expect(() => decodeWorkFrame(frame, SPECS, 0)).toThrow('opinion');
});
