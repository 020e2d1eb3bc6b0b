import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readInfer } from '../../../../../actors/gateway/http/read-infer.ts';
import { writeInfer } from '../../../../../actors/gateway/http/write-infer.ts';
import { MAX_FIELDS, MAX_STRINGS, MAX_TENSORS, MAX_VALUES } from '../../../../../actors/gateway/limits.ts';
import { joinBody, splitBody } from '../../../../../engine/oip/body.ts';

const input = { name: 'x', shape: [1, 2], datatype: 'UINT8', data: [1, 2] };

function read(request: unknown, ...binary: Uint8Array[]) {
  const { body, jsonLength } = joinBody(request, binary);
  return readInfer('m', undefined, body, binary.length === 0 ? undefined : String(jsonLength));
}

test('reads id, deadline, inputs and outputs', () => {
  const { call, isBinary } = read({
    id: 'a',
    parameters: { deadline_ms: 250 },
    inputs: [input],
    outputs: [{ name: 'label' }, { name: 'scores', parameters: { binary_data: true } }],
  });
  expect(call).toEqual({
    model: 'm',
    version: undefined,
    id: 'a',
    deadlineMs: 250,
    inputs: [{ name: 'x', shape: [1, 2], datatype: 'UINT8', data: [1, 2], where: 'inputs[0] (x)' }],
    outputs: ['label', 'scores'],
  });
  expect([isBinary('label'), isBinary('scores')]).toEqual([false, true]);
});

test("accepts Triton's timeout in microseconds, and ignores unknown parameters", () => {
  expect(read({ inputs: [input], parameters: { timeout: 1_500_000, content_type: 'np' } }).call.deadlineMs).toBe(1_500);
  expect(read({ inputs: [input], parameters: { timeout: 0 } }).call.deadlineMs).toBeUndefined();
  expect(read({ inputs: [input], id: null, parameters: null, outputs: null }).call.deadlineMs).toBeUndefined();
});

test('reads the tensors after the JSON in the order of the inputs', () => {
  const inputs = [3, 0, 2].map((size, i) => ({
    ...input,
    name: `x${i}`,
    data: undefined,
    parameters: { binary_data_size: size },
  }));
  const { call, isBinary } = read({ inputs, parameters: { binary_data_output: true } }, Uint8Array.of(1, 2, 3, 4, 5));
  expect(call.inputs.map(({ data }) => [...(data as Uint8Array)])).toEqual([[1, 2, 3], [], [4, 5]]);
  expect(isBinary('label')).toBe(true);
});

describe('refuses before it is built', () => {
  const refusal = (text: string) => () => readInfer('m', undefined, Buffer.from(text), undefined);
  const withInput = (rest: string): string => `{"inputs":[{"name":"x","datatype":"FP32",${rest}}]}`;

  test.each([
    [
      'too many values',
      withInput(`"data":[${'0,'.repeat(MAX_VALUES)}0]`),
      /more than 1000000 elements; send tensors as bytes: binary_data_size/,
    ],
    ['too many strings', withInput(`"data":[${'"",'.repeat(MAX_STRINGS)}0]`), /more than 131072 strings; send tensors as bytes/],
    ['too many objects', withInput(`"data":[${'{},'.repeat(MAX_FIELDS)}0]`), /more than 16384 objects and fields/],
    ['too deep a nesting', '['.repeat(1_000_000), /nested deeper than 16/],
    ['too many inputs', `{"inputs":[${'0,'.repeat(MAX_TENSORS)}0]}`, /^inputs: 1025; give at most 1024$/],
    ['too many outputs', `{"outputs":[${'0,'.repeat(MAX_TENSORS)}0]}`, /^outputs: 1025; give at most 1024$/],
    ['too many axes', withInput(`"shape":[${'"",'.repeat(100_000)}1]`), /^inputs\[0\]\.shape: 100001 axes; give at most 64$/],
  ])('%s', (_, body, message) => {
    expect(refusal(body)).toThrow(message);
  });

  test('but not bytes after the JSON, which are not parsed', () => {
    const binary = Buffer.alloc(2 * MAX_VALUES, ',');
    expect(
      read({ inputs: [{ ...input, data: undefined, parameters: { binary_data_size: binary.length } }] }, binary).call.inputs,
    ).toHaveLength(1);
  });
});

describe('refuses', () => {
  const binary = { ...input, data: undefined, parameters: { binary_data_size: 2 } };
  test.each<[string, unknown, number, RegExp]>([
    ['no object', [], 0, /^the body: .*a request is {"inputs"/],
    ['no inputs', {}, 0, /^inputs: /],
    ['an empty list of inputs', { inputs: [] }, 0, /^inputs: /],
    ['an input without a shape', { inputs: [{ ...input, shape: undefined }] }, 0, /^inputs\[0\]\.shape: /],
    ['an id that is not a string', { inputs: [input], id: 7 }, 0, /^id: /],
    ['an invalid deadline', { inputs: [input], parameters: { deadline_ms: -1 } }, 0, /deadlineMs: -1/],
    [
      'a deadline under another name',
      { inputs: [input], parameters: { deadlineMs: 5 } },
      0,
      /parameters\.deadlineMs: did you mean deadline_ms\?/,
    ],
    ['sequences', { inputs: [input], parameters: { sequence_id: 5 } }, 0, /parameters\.sequence_id is not supported/],
    [
      'shared memory',
      { inputs: [{ ...input, parameters: { shared_memory_region: 'r' } }] },
      0,
      /shared_memory_region is not supported/,
    ],
    [
      'classification of an output',
      { inputs: [input], outputs: [{ name: 'scores', parameters: { classification: 3 } }] },
      0,
      /classification is not supported; ask for/,
    ],
    [
      'binary_data that is not a boolean',
      { inputs: [input], outputs: [{ name: 'a', parameters: { binary_data: 'yes' } }] },
      0,
      /binary_data: "yes"; use true or false/,
    ],
    ['data twice', { inputs: [{ ...binary, data: [1, 2] }] }, 2, /both data and binary_data_size/],
    [
      'an invalid size',
      { inputs: [{ ...binary, parameters: { binary_data_size: 1.5 } }] },
      2,
      /binary_data_size: 1.5; use a number of bytes/,
    ],
    [
      'a size beyond the body',
      { inputs: [binary, binary] },
      3,
      /binary_data_size is 2, but only 1 of the 3 bytes after the JSON are left/,
    ],
    ["bytes that are nobody's", { inputs: [binary] }, 3, /3 bytes follow the JSON, but .* add up to 2/],
  ])('%s', (_, request, bytes, message) => {
    const tail = bytes === 0 ? [] : [new Uint8Array(bytes)];
    expect(() => read(request, ...tail)).toThrow(message);
    expect(() => read(request, ...tail)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });

  test('or reads any JSON, without any other error', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (request) => {
        try {
          read(request);
        } catch (error) {
          expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' });
        }
      }),
    );
  });
});

describe('writes', () => {
  const head = { model_name: 'm', model_version: '1', id: 'a' };
  const label = { name: 'label', dtype: 'int64', shape: [2], data: new Uint8Array(BigInt64Array.of(3n, 7n).buffer) } as const;
  const scores = { name: 'scores', dtype: 'float32', shape: [1, 1], data: new Uint8Array(Float32Array.of(0.5).buffer) } as const;

  test('JSON', () => {
    const { body, jsonLength } = writeInfer(head, [label], () => false);
    expect(jsonLength).toBeUndefined();
    expect(JSON.parse(String(body))).toEqual({
      ...head,
      outputs: [{ name: 'label', datatype: 'INT64', shape: [2], data: [3, 7] }],
    });
  });

  test('JSON and bytes', () => {
    const { body, jsonLength } = writeInfer(head, [label, scores], (name) => name === 'scores');
    const { json, binary } = splitBody(body as Uint8Array, String(jsonLength));
    expect(json).toEqual({
      ...head,
      outputs: [
        { name: 'label', datatype: 'INT64', shape: [2], data: [3, 7] },
        { name: 'scores', datatype: 'FP32', shape: [1, 1], parameters: { binary_data_size: 4 } },
      ],
    });
    expect(new Uint8Array(binary)).toEqual(scores.data);
  });
});

test('an integer that JSON would round is refused, and can be had as bytes', () => {
  const data = new Uint8Array(BigInt64Array.of(-9_007_199_254_740_993n).buffer);
  const written = (isBinary: boolean) => () =>
    writeInfer(
      { model_name: 'm', model_version: '1', id: undefined },
      [{ name: 'ids', dtype: 'int64', shape: [1], data }],
      () => isBinary,
    );
  expect(written(false)).toThrow(
    'output ids: -9007199254740993 cannot be given exactly as a JSON number; ask for it as bytes (binary_data)',
  );
  expect(Buffer.from(written(true)().body).subarray(-8).equals(data)).toBe(true);
});
