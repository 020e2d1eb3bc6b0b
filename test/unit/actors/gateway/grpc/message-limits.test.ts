import fc from 'fast-check';
import { expect, test } from 'vitest';
import { unreadService } from '../../../../../actors/gateway/grpc/unread-service.ts';
import { MAX_AXES, MAX_FIELDS, MAX_STRINGS, MAX_TENSORS, MAX_VALUES } from '../../../../../actors/gateway/limits.ts';
import { inferenceService } from '../../../../../engine/oip/inference-service.ts';

const { ModelInfer: infer } = inferenceService();
const { read } = unreadService();
const of = (request: object): Buffer => infer.requestSerialize(request);
const tensor = (rest: object): object => ({ inputs: [{ name: 'x', datatype: 'INT8', shape: [1], ...rest }] });
const many = <T>(count: number, value: T): T[] => new Array<T>(count).fill(value);
const named = (count: number): object =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`p${i}`, { int64_param: 1 }]));

const values = fc.record({
  bool_contents: fc.array(fc.boolean()),
  int_contents: fc.array(fc.integer()),
  int64_contents: fc.array(fc.maxSafeInteger()),
  uint_contents: fc.array(fc.nat()),
  fp32_contents: fc.array(fc.float()),
  fp64_contents: fc.array(fc.double()),
  bytes_contents: fc.array(fc.uint8Array()),
});
const parameter = fc.oneof(
  fc.record({ bool_param: fc.boolean() }),
  fc.record({ int64_param: fc.maxSafeInteger() }),
  fc.record({ string_param: fc.string() }),
  fc.record({ double_param: fc.double() }),
  fc.record({ uint64_param: fc.maxSafeNat() }),
);
const parameters = fc.dictionary(fc.string(), parameter);
const requests = fc.record({
  model_name: fc.string(),
  id: fc.string(),
  parameters,
  inputs: fc.array(
    fc.record({ name: fc.string(), datatype: fc.string(), shape: fc.array(fc.maxSafeInteger()), parameters, contents: values }),
  ),
  outputs: fc.array(fc.record({ name: fc.string(), parameters })),
  raw_input_contents: fc.array(fc.uint8Array()),
});

test('reads whatever the library writes', () => {
  fc.assert(
    fc.property(requests, (request) => {
      const bytes = of(request);
      expect(read('ModelInfer', bytes)).toEqual(infer.requestDeserialize(bytes));
    }),
  );
});

test.each<[string, (count: number) => object, number]>([
  ['inputs', (count) => ({ inputs: many(count, {}) }), MAX_TENSORS],
  ['outputs', (count) => ({ outputs: many(count, {}) }), MAX_TENSORS],
  ['raw_input_contents', (count) => ({ raw_input_contents: many(count, Buffer.alloc(0)) }), MAX_TENSORS],
  ['parameters', (count) => ({ parameters: named(count) }), MAX_FIELDS],
  ['parameters', (count) => tensor({ parameters: named(count) }), MAX_FIELDS],
  ['axes', (count) => tensor({ shape: many(count, 1) }), MAX_TENSORS * MAX_AXES],
  ['values in contents; use raw_input_contents', (count) => tensor({ contents: { int_contents: many(count, -1) } }), MAX_VALUES],
  ['values in contents; use raw_input_contents', (count) => tensor({ contents: { fp32_contents: many(count, 0) } }), MAX_VALUES],
  ['values in contents; use raw_input_contents', (count) => tensor({ contents: { fp64_contents: many(count, 0) } }), MAX_VALUES],
  [
    'strings in contents; use raw_input_contents',
    (count) => tensor({ contents: { bytes_contents: many(count, Buffer.alloc(0)) } }),
    MAX_STRINGS,
  ],
])('refuses more %s than a request may have', (what, request, most) => {
  expect(() => read('ModelInfer', of(request(most)))).not.toThrow();
  expect(() => read('ModelInfer', of(request(most + 1)))).toThrow(`the message has more than ${most} ${what}`);
});

test('counts values that come with a tag each', () => {
  const contents = Buffer.alloc(2 * (MAX_VALUES + 1), Buffer.from([2 << 3, 1]));
  const length = (bytes: Buffer): Buffer => {
    const size = bytes.length;
    return Buffer.concat([Buffer.from([size | 0x80, (size >> 7) | 0x80, (size >> 14) | 0x80, size >> 21]), bytes]);
  };
  const input = Buffer.concat([Buffer.from([(5 << 3) | 2]), length(contents)]);
  const bytes = Buffer.concat([Buffer.from([(5 << 3) | 2]), length(input)]);
  expect(() => read('ModelInfer', bytes)).toThrow(/more than 1000000 (fields|values)/);
});

test.each(['ModelInfer', 'ModelReady', 'ServerLive'])('refuses a message of %s with millions of fields', (method) => {
  for (const field of [Buffer.from([0x0a, 0]), Buffer.from([0x78, 0])])
    expect(() => read(method, Buffer.alloc(4 * MAX_VALUES, field))).toThrow(/more than 1000000 fields/);
});

test.each([
  ['a field of another wire type, which the library would read all the same', [0x28, 0]],
  ['a group', [0x7b, 0x7c]],
  ['a length beyond the end', [0x2a, 5, 0]],
  ['a field beyond the end of its message', [0x2a, 1, 0x0a, 0]],
  ['a number that never ends', many(11, 0xff)],
])('refuses %s', (_, bytes) => {
  expect(() => read('ModelInfer', Buffer.from(bytes))).toThrow(/^the message is malformed at byte \d+ of \d+$/);
});

test('a message that cannot be read is refused as the client’s mistake, whatever its bytes are', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      try {
        read('ModelInfer', Buffer.from(bytes));
      } catch (error) {
        expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' });
      }
    }),
  );
});
