import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RequestTensor } from '../../../../actors/gateway/infer-call.ts';
import { MAX_SAMPLES, samplesOf } from '../../../../actors/gateway/samples.ts';
import { encodeStrings } from '../../../../engine/tensor/strings.ts';
import type { TensorSpec } from '../../../../engine/tensor/tensor.ts';

const image: TensorSpec = { name: 'image', dtype: 'uint8', shape: [2, 2] };
const words: TensorSpec = { name: 'words', dtype: 'string', shape: [null], maxShape: [3] };
const map: TensorSpec = { name: 'map', dtype: 'float32', shape: [null, null] };

function tensor(given: Partial<RequestTensor>): RequestTensor {
  return { name: 'image', datatype: 'UINT8', shape: [1, 2, 2], data: [1, 2, 3, 4], where: 'inputs[0] (image)', ...given };
}

describe('cuts a batch into samples', () => {
  test('of raw bytes, without copying them', () => {
    const data = Uint8Array.from({ length: 12 }, (_, i) => i);
    const samples = samplesOf([image], [tensor({ shape: [3, 2, 2], data })]);
    expect(samples.map(({ image }) => [...(image as Uint8Array)])).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6, 7],
      [8, 9, 10, 11],
    ]);
    expect((samples[1].image as Uint8Array).buffer).toBe(data.buffer);
  });

  test('of values, flat or nested', () => {
    const nested = [
      [
        [1, 2],
        [3, 4],
      ],
      [
        [5, 6],
        [7, 8],
      ],
    ];
    for (const data of [nested, nested.flat(2)]) {
      expect(samplesOf([image], [tensor({ shape: [2, 2, 2], data })]).map(({ image }) => [...(image as Uint8Array)])).toEqual([
        [1, 2, 3, 4],
        [5, 6, 7, 8],
      ]);
    }
  });

  test('of strings, whose lengths differ', () => {
    for (const data of [['a', '', 'ccc', 'dd'], encodeStrings(['a', '', 'ccc', 'dd'])]) {
      const samples = samplesOf([words], [tensor({ name: 'words', datatype: 'BYTES', shape: [2, 2], data })]);
      expect(samples.map(({ words }) => words)).toEqual([encodeStrings(['a', '']), encodeStrings(['ccc', 'dd'])]);
    }
  });

  test('with their shape, if the bytes do not give it', () => {
    const given = tensor({ name: 'map', datatype: 'FP32', shape: [2, 1, 3], data: [1, 2, 3, 4, 5, 6] });
    expect(samplesOf([map], [given])).toEqual([
      { map: { shape: [1, 3], data: new Uint8Array(Float32Array.of(1, 2, 3).buffer) } },
      { map: { shape: [1, 3], data: new Uint8Array(Float32Array.of(4, 5, 6).buffer) } },
    ]);
  });

  test('of several inputs, in any order', () => {
    const given = [tensor({ name: 'words', datatype: 'BYTES', shape: [1, 1], data: ['x'] }), tensor({})];
    expect(samplesOf([image, words], given)).toEqual([{ image: Uint8Array.of(1, 2, 3, 4), words: encodeStrings(['x']) }]);
  });
});

describe('refuses', () => {
  test.each<[string, Partial<RequestTensor>, RegExp]>([
    [
      'an unknown input',
      { name: 'picture', where: 'inputs[0] (picture)' },
      /^inputs\[0\] \(picture\): no such input; this model takes image UINT8\[-1, 2, 2\]/,
    ],
    ['another datatype', { datatype: 'FP32' }, /datatype "FP32"; expected image UINT8\[-1, 2, 2\]/],
    ['an unknown datatype', { datatype: 'uint8' }, /datatype "uint8"/],
    [
      'a shape without the batch axis',
      { shape: [2, 2] },
      /shape \[2, 2\]; expected image UINT8\[-1, 2, 2\], the first axis being the batch/,
    ],
    ['another shape', { shape: [1, 2, 3] }, /shape \[1, 2, 3\]/],
    ['an empty batch', { shape: [0, 2, 2], data: [] }, /shape \[0, 2, 2\]/],
    ['a negative axis', { shape: [-1, 2, 2] }, /shape \[-1, 2, 2\]/],
    ['a broken number', { shape: [1.5, 2, 2] }, /shape \[1.5, 2, 2\]/],
    ['too few values', { data: [1, 2, 3] }, /data has 3 numbers; expected 4/],
    ['too many values', { data: [1, 2, 3, 4, 5] }, /data has 5 numbers; expected 4/],
    ['a value out of range', { data: [1, 2, 3, 256] }, /data\[3\] is 256; expected a whole number from 0 to 255/],
    ['a value of the wrong type', { data: [1, 2, 3, 'x'] }, /data\[3\] is "x"; expected a number/],
    ['too few bytes', { data: new Uint8Array(3) }, /3 bytes of data; expected 4 for UINT8\[1, 2, 2\]/],
    ['no data', { data: undefined }, /data is missing/],
    ['data that is not a list', { data: 'abcd' }, /data is not a list/],
    ['a batch that claims what it has not', { shape: [4_096, 2, 2], data: [1, 2, 3, 4] }, /data has 4 numbers; expected 16384/],
    [
      'too many samples',
      { shape: [MAX_SAMPLES + 1, 2, 2], data: new Uint8Array(4) },
      /a batch of 4097 samples; send at most 4096/,
    ],
  ])('%s', (_, given, message) => {
    expect(() => samplesOf([image], [tensor(given)])).toThrow(message);
    expect(() => samplesOf([image], [tensor(given)])).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });

  test('raw bytes with invalid values, which would otherwise count against the gateway', () => {
    const data = new Uint8Array(Float32Array.of(1, 2, 3, Number.NaN).buffer);
    const given = tensor({ name: 'map', datatype: 'FP32', shape: [2, 1, 2], data, where: 'inputs[0] (map)' });
    expect(() => samplesOf([map], [given])).toThrow(/^inputs\[0\] \(map\)\.data\[3\] \(counted flat\) is not finite \(NaN\)/);
    expect(samplesOf([{ ...map, nan: true }], [given])).toHaveLength(2);
  });

  test('too many strings, as soon as there is one too many', () => {
    const data = new Uint8Array(60 * 2 ** 20);
    const given = tensor({ name: 'words', datatype: 'BYTES', shape: [1, 1], data });
    const startedAt = performance.now();
    expect(() => samplesOf([words], [given])).toThrow(/the data has more strings; expected 1 strings/);
    // To count these 15.7 million empty strings takes longer.
    expect(performance.now() - startedAt).toBeLessThan(100);
  });

  test('an input that is missing or given twice', () => {
    expect(() => samplesOf([image, words], [tensor({})])).toThrow(/^inputs: words is missing/);
    expect(() => samplesOf([image], [tensor({}), tensor({ where: 'inputs[1] (image)' })])).toThrow(
      /^inputs\[1\] \(image\): given twice/,
    );
  });

  test('inputs with different batch sizes', () => {
    const given = [tensor({}), tensor({ name: 'words', datatype: 'BYTES', shape: [2, 1], data: ['x', 'y'], where: 'inputs[1]' })];
    expect(() => samplesOf([image, words], given)).toThrow(/^inputs\[1\]: a batch of 2, but inputs\[0\] \(image\) has one of 1/);
  });

  test('an input that is too long or truncated', () => {
    const long = tensor({ name: 'words', datatype: 'BYTES', shape: [1, 4], data: ['a', 'b', 'c', 'd'] });
    expect(() => samplesOf([words], [long])).toThrow(/length 4 in axis 0; at most 3/);
    const cut = tensor({ name: 'words', datatype: 'BYTES', shape: [1, 1], data: encodeStrings(['abc']).subarray(0, 6) });
    expect(() => samplesOf([words], [cut])).toThrow(/is cut off; expected 1 strings/);
  });
});

test('any shape and data are either cut or refused', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.integer(), fc.double()), { maxLength: 4 }), fc.jsonValue(), (shape, data) => {
      try {
        expect(samplesOf([image], [tensor({ shape, data })])).toHaveLength(shape[0]);
      } catch (error) {
        expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' });
      }
    }),
  );
});
