import type { ServiceDefinition } from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import { describe, expect, test } from 'vitest';
import { readInferRequest, writeInferResponse } from '../../../../../actors/gateway/grpc/infer-messages.ts';
import type { InputTensor, ModelInferRequest } from '../../../../../actors/gateway/grpc/messages.ts';
import { type Contents, writeContents } from '../../../../../engine/oip/contents.ts';
import { DATATYPES } from '../../../../../engine/oip/datatypes.ts';
import { INFERENCE_PROTO } from '../../../../../engine/oip/inference-proto.ts';
import { inferenceService } from '../../../../../engine/oip/inference-service.ts';
import { encodeStrings } from '../../../../../engine/tensor/strings.ts';
import { DTYPE_NAMES, type Dtype } from '../../../../../engine/tensor/tensor.ts';

const nothing: Contents = {
  bool_contents: [],
  int_contents: [],
  int64_contents: [],
  uint_contents: [],
  uint64_contents: [],
  fp32_contents: [],
  fp64_contents: [],
  bytes_contents: [],
};

const spec = (dtype: Dtype) => [{ name: 'x', dtype, shape: [2] }] as const;

function request(input: Partial<InputTensor>, rest: Partial<ModelInferRequest> = {}): ModelInferRequest {
  const tensor: InputTensor = { name: 'x', datatype: 'UINT8', shape: [1, 2], parameters: {}, contents: null, ...input };
  return {
    model_name: 'm',
    model_version: '',
    id: '',
    parameters: {},
    inputs: [tensor],
    outputs: [],
    raw_input_contents: [],
    ...rest,
  };
}

const FIELDS: Readonly<Record<Exclude<Dtype, 'float16' | 'string'>, keyof Contents>> = {
  bool: 'bool_contents',
  int8: 'int_contents',
  int16: 'int_contents',
  int32: 'int_contents',
  int64: 'int64_contents',
  uint8: 'uint_contents',
  uint16: 'uint_contents',
  uint32: 'uint_contents',
  uint64: 'uint64_contents',
  float32: 'fp32_contents',
  float64: 'fp64_contents',
};

test('reads and writes the values of each element type in its own field', () => {
  for (const [name, field] of Object.entries(FIELDS)) {
    const dtype = name as keyof typeof FIELDS;
    const values = dtype === 'bool' ? [true, false] : [1, 0];
    const call = readInferRequest(
      request({ datatype: DATATYPES[dtype], contents: { ...nothing, [field]: values } }),
      spec(dtype),
      undefined,
    );
    expect(call.inputs[0].data, name).toEqual(values);
  }
  const texts = { ...nothing, bytes_contents: [Uint8Array.of(0xff), Uint8Array.of()] };
  const { inputs } = readInferRequest(request({ datatype: 'BYTES', contents: texts }), spec('string'), undefined);
  expect(inputs[0].data).toEqual(Uint8Array.of(1, 0, 0, 0, 0xff, 0, 0, 0, 0));
});

test('reads raw bytes of any element type', () => {
  for (const dtype of DTYPE_NAMES) {
    const raw = Uint8Array.of(1, 2, 3);
    const call = readInferRequest(request({ datatype: DATATYPES[dtype] }, { raw_input_contents: [raw] }), spec(dtype), undefined);
    expect(call.inputs[0].data).toBe(raw);
  }
});

test('the deadline is the earlier of the parameter’s and the call’s', () => {
  const contents = { ...nothing, uint_contents: [1, 2] };
  const parameters = { deadline_ms: { parameter_choice: 'int64_param', int64_param: 500 } } as const;
  const read = (given: Partial<ModelInferRequest>, leftMs?: number) =>
    readInferRequest(request({ contents }, given), spec('uint8'), leftMs).deadlineMs;
  expect(read({})).toBeUndefined();
  expect(read({ parameters })).toBe(500);
  expect(read({ parameters }, 300)).toBe(300);
  expect(read({ parameters }, 3_000)).toBe(500);
  expect(read({}, 1e9)).toBe(600_000);
});

describe('refuses', () => {
  test.each<[string, ModelInferRequest, RegExp]>([
    ['no inputs', { ...request({}), inputs: [] }, /^inputs: none/],
    ['no values', request({}), /no contents; fill uint_contents, or raw_input_contents/],
    [
      'the field of another type',
      request({ contents: { ...nothing, fp32_contents: [1, 2] } }),
      /fp32_contents is filled; this input's values belong in uint_contents/,
    ],
    [
      'values twice',
      request({ contents: { ...nothing, uint_contents: [1, 2] } }, { raw_input_contents: [Uint8Array.of(1, 2)] }),
      /both contents and raw_input_contents/,
    ],
    [
      'raw bytes for some inputs',
      request({}, { raw_input_contents: [new Uint8Array(2), new Uint8Array(2)] }),
      /raw_input_contents: 2 for 1 inputs/,
    ],
    [
      'sequences',
      request({}, { parameters: { sequence_id: { parameter_choice: 'int64_param', int64_param: 4 } } }),
      /sequence_id is not supported/,
    ],
  ])('%s', (_, given, message) => {
    expect(() => readInferRequest(given, spec('uint8'), undefined)).toThrow(message);
    expect(() => readInferRequest(given, spec('uint8'), undefined)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
  });

  test('FP16 in contents, because it has no field', () => {
    expect(() => readInferRequest(request({ datatype: 'FP16', contents: nothing }), spec('float16'), undefined)).toThrow(
      /use raw_input_contents/,
    );
  });
});

describe('writes', () => {
  const head = { model_name: 'm', model_version: '1', id: 'a' };
  const label = { name: 'label', dtype: 'int64', shape: [1], data: new Uint8Array(BigInt64Array.of(3n).buffer) } as const;
  const name = { name: 'name', dtype: 'string', shape: [1], data: encodeStrings(['é']) } as const;
  const half = { name: 'half', dtype: 'float16', shape: [1], data: Uint8Array.of(0, 0x3c) } as const;

  test('contents to clients that sent contents, and raw bytes to those that sent raw bytes', () => {
    expect(writeInferResponse(head, [label, name], false)).toEqual({
      ...head,
      outputs: [
        { name: 'label', datatype: 'INT64', shape: [1], contents: { int64_contents: [3] } },
        { name: 'name', datatype: 'BYTES', shape: [1], contents: { bytes_contents: [new Uint8Array(Buffer.from('é'))] } },
      ],
      raw_output_contents: [],
    });
    expect(writeInferResponse(head, [label, name], true).raw_output_contents).toEqual([label.data, name.data]);
  });

  test('raw bytes if an output has no other form', () => {
    const { outputs, raw_output_contents: raw } = writeInferResponse(head, [label, half], false);
    expect(raw).toEqual([label.data, half.data]);
    expect(outputs[0]).not.toHaveProperty('contents');
  });
});

test('contents have integers exactly, whatever their size', () => {
  const { requestSerialize } = inferenceService().ModelInfer;
  for (const [dtype, values] of [
    ['int64', BigInt64Array.of(-(2n ** 63n), 2n ** 53n + 1n, -1n)],
    ['uint64', BigUint64Array.of(2n ** 64n - 1n, 2n ** 53n + 1n, 1n)],
  ] as const) {
    const contents = writeContents({ dtype, data: new Uint8Array(values.buffer) });
    const written = requestSerialize({ inputs: [{ contents }] });
    const exact = fromJSON(INFERENCE_PROTO, { keepCase: true, longs: String })[
      'inference.GRPCInferenceService'
    ] as ServiceDefinition;
    const read = exact.ModelInfer.requestDeserialize(written) as { inputs: { contents: object }[] };
    expect(read.inputs[0].contents).toMatchObject({ [`${dtype}_contents`]: Array.from(values, String) });
  }
});
