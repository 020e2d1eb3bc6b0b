import { expect, test } from 'vitest';
import { encodeUnnamedRequest } from '../../../../actors/client/request-body.ts';
import { failureKind, gearSecondsBetween, inputsOf, outcomeQuality } from '../../../../actors/load/live-load.ts';
import type { TensorSpec } from '../../../../engine/tensor/tensor.ts';
import { parseRequest } from '../../../../plans/protocol/request.ts';
import { decodeUntrusted } from '../../../../plans/protocol/untrusted.ts';

test('the text of a failure that is shown has no control characters', () => {
  expect(failureKind({ code: 'INTERNAL', message: 'a\x1b[2J\nb' })).toBe('INTERNAL: a [2J b');
});

test('failures that differ only in the retry hint or number of attempts count as one kind', () => {
  const refused = (ms: number) =>
    failureKind({ code: 'RESOURCE_EXHAUSTED', message: `overloaded: no answer; ask again after ${ms} ms` });
  expect(refused(12)).toBe('RESOURCE_EXHAUSTED: overloaded: no answer');
  expect(refused(980)).toBe(refused(12));
  const silent = (attempts: string) => failureKind({ code: 'DEADLINE_EXCEEDED', message: `no answer (${attempts} in 1000 ms)` });
  expect(silent('3 attempts')).toBe('DEADLINE_EXCEEDED: no answer');
  expect(silent('1 attempt')).toBe(silent('3 attempts'));
});

test('sends samples that the deployment reads back unchanged, even if several axes have any length', () => {
  const specs: TensorSpec[] = [
    { name: 'ids', dtype: 'int16', shape: [null], pad: 0 },
    { name: 'picture', dtype: 'uint8', shape: [null, null], pad: 0 },
  ];
  const sample = [
    { data: Uint8Array.of(1, 0, 2, 0), shape: [2] },
    { data: Uint8Array.of(1, 2, 3, 4, 5, 6), shape: [2, 3] },
  ];
  const body = encodeUnnamedRequest(inputsOf({ specs, sample: () => sample }, 0), 100);
  const read = parseRequest(decodeUntrusted(body, 'msgpack'), specs).sample;
  expect(read.map(({ data, shape }) => ({ data: new Uint8Array(data), shape }))).toEqual(sample);
});

test('a request without a result is wrong, unless nothing is known about any answer', () => {
  const result = { id: '1', model: 'small', gear: 0, label: 3 } as never;
  const labelled = { hasQuality: true, qualityOf: () => 0.5 };
  expect(outcomeQuality(labelled, { sample: 0, result })).toBe(0.5);
  expect(outcomeQuality(labelled, { sample: 0, result: undefined })).toBe(0);
  expect(outcomeQuality({ hasQuality: false, qualityOf: () => null }, { sample: 0, result: undefined })).toBeNull();
});

test('the time in each gear is unknown if the plan changed during the run', () => {
  const before = { revision: 1, gearSeconds: [5] };
  expect(gearSecondsBetween(before, { revision: 1, gearSeconds: [7.5] })).toEqual([2.5]);
  expect(gearSecondsBetween(before, { revision: 2, gearSeconds: [1, 2] })).toBeNull();
  expect(gearSecondsBetween(null, before)).toBeNull();
});
