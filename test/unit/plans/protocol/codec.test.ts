import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { TensorSpec } from '../../../../engine/tensor/tensor.ts';
import {
  decode,
  decodeWorkFrame,
  encode,
  encodeWorkFrame,
  estimatedBytes,
  FRAME_RESERVE_BYTES,
} from '../../../../plans/protocol/codec.ts';
import type { WorkItem } from '../../../../plans/protocol/messages.ts';

const SPECS: readonly TensorSpec[] = [
  { name: 'image', dtype: 'uint8', shape: [2, 2], pad: 0 },
  { name: 'tokens', dtype: 'int16', shape: [null], pad: 0 },
];

const item: fc.Arbitrary<WorkItem> = fc.record({
  seq: fc.nat(),
  id: fc.string({ minLength: 1 }),
  reply: fc.stringMatching(/^[a-z_$]{1,8}(\.[a-zA-Z0-9]{1,8}){0,3}$/),
  json: fc.boolean(),
  wantScores: fc.boolean(),
  alone: fc.boolean(),
  arrivedAt: fc.constant(900),
  deadlineAt: fc.constant(31_000),
  queueMs: fc.double({ min: 0, max: 1e6, noNaN: true }),
  computeMs: fc.double({ min: 0, max: 1e6, noNaN: true }),
  opinion: fc.option(
    fc.record({
      label: fc.nat(9),
      certainty: fc.double({ min: 0, max: 1, noNaN: true }),
      model: fc.string(),
      stage: fc.integer({ min: -1, max: 5 }),
      gear: fc.nat(20),
      revision: fc.nat(),
    }),
    { nil: undefined },
  ),
  sample: fc.tuple(
    fc.uint8Array({ minLength: 4, maxLength: 4 }).map((data) => ({ data, shape: [2, 2] })),
    fc.uint8Array({ minLength: 0, maxLength: 20 }).map((bytes) => {
      const data = bytes.subarray(0, bytes.length & ~1);
      return { data, shape: [data.length / 2] };
    }),
  ),
});

test('a work frame arrives as sent, including ragged samples and opinions', () => {
  fc.assert(
    fc.property(fc.array(item, { minLength: 1, maxLength: 8 }), (items) => {
      const arrived = decodeWorkFrame(encodeWorkFrame({ origin: 'f1', items }, SPECS, 1_000), SPECS, 1_000);
      expect(arrived).toEqual({ origin: 'f1', items });
    }),
  );
});

test('frames carry ages, not times: the receiver dates a request by its own clock', () => {
  const sent: WorkItem = { ...fc.sample(item, { numRuns: 1, seed: 1 })[0], arrivedAt: 5_000, deadlineAt: 9_000 };
  const bytes = encodeWorkFrame({ origin: 'f1', items: [sent] }, SPECS, 6_000);
  const [arrived] = decodeWorkFrame(bytes, SPECS, 700_000).items;
  expect([arrived.arrivedAt, arrived.deadlineAt]).toEqual([699_000, 703_000]);
});

test('the tensors of a decoded frame are copies: the network buffer may be reused', () => {
  const sent = fc.sample(item, { numRuns: 1, seed: 2 })[0];
  const bytes = new Uint8Array(encodeWorkFrame({ origin: 'f1', items: [sent] }, SPECS, 0));
  const [arrived] = decodeWorkFrame(bytes, SPECS, 0).items;
  bytes.fill(0xaa);
  expect(arrived.sample).toEqual(sent.sample);
});

test('a frame whose tensor bytes do not match its shapes is refused', () => {
  const sent = fc.sample(item, { numRuns: 1, seed: 3 })[0];
  const short: WorkItem = { ...sent, sample: [{ data: new Uint8Array(3), shape: [2, 2] }, sent.sample[1]] };
  expect(() => decodeWorkFrame(encodeWorkFrame({ origin: 'f1', items: [short] }, SPECS, 0), SPECS, 0)).toThrow(
    /image has 3 bytes/,
  );
});

test('traces travel with the requests that have one; a frame without traces has no column for them', () => {
  const [traced, plain] = fc.sample(item, { numRuns: 2, seed: 4 });
  const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const items = [{ ...traced, trace }, plain];
  const mixed = encodeWorkFrame({ origin: 'f1', items }, SPECS, 0);
  expect(decodeWorkFrame(mixed, SPECS, 0).items.map((arrived) => arrived.trace)).toEqual([trace, undefined]);
  const off = encodeWorkFrame({ origin: 'f1', items: [traced, plain] }, SPECS, 0);
  expect(Object.keys(decode<object>(mixed))).toContain('trace');
  expect(Object.keys(decode<object>(off))).not.toContain('trace');
  const hostile = encode({ ...decode<object>(mixed), trace: [trace, 'x'.repeat(1_000)] });
  expect(() => decodeWorkFrame(hostile, SPECS, 0)).toThrow('trace');
});

const text = fc.string({ unit: 'binary', maxLength: 128 });
const numbers = fc.array(fc.oneof(fc.double(), fc.integer(), fc.maxSafeInteger()), { maxLength: 300 });
const number = fc.oneof(fc.double(), fc.maxSafeInteger());
const absent = { nil: undefined };

/** Anything that a client or a model may put into an item. */
const anyItem: fc.Arbitrary<WorkItem> = fc.record({
  seq: fc.maxSafeNat(),
  client: fc.option(fc.nat(2 ** 32 - 1), absent),
  id: text,
  reply: text,
  json: fc.boolean(),
  wantScores: fc.boolean(),
  wantOutputs: fc.option(fc.array(text, { maxLength: 16 }), absent),
  alone: fc.boolean(),
  arrivedAt: fc.double({ min: 0, max: 1e9, noNaN: true }),
  deadlineAt: fc.double({ min: 0, max: 1e9, noNaN: true }),
  queueMs: number,
  computeMs: number,
  trace: fc.option(text, absent),
  opinion: fc.option(
    fc.record({
      label: fc.option(fc.maxSafeNat(), absent),
      labels: fc.option(numbers, absent),
      value: fc.option(fc.oneof(number, numbers), absent),
      certainty: number,
      model: text,
      stage: fc.integer(),
      gear: fc.maxSafeNat(),
      revision: fc.maxSafeNat(),
      scores: fc.option(numbers, absent),
      outputs: fc.option(
        fc.dictionary(
          text,
          fc.record({
            dtype: fc.constant('float64' as const),
            shape: fc.array(fc.maxSafeNat(), { maxLength: 8 }),
            data: fc.uint8Array({ maxLength: 100 }),
          }),
          { maxKeys: 16 },
        ),
        absent,
      ),
    }),
    absent,
  ),
  sample: fc.tuple(
    fc.uint8Array({ minLength: 4, maxLength: 4 }).map((data) => ({ data, shape: [2, 2] })),
    fc.nat(70_000).map((length) => ({ data: new Uint8Array(2 * length), shape: [length] })),
  ),
});

test('a frame is never larger than its items were estimated', () => {
  fc.assert(
    fc.property(fc.array(anyItem, { minLength: 1, maxLength: 20 }), fc.stringMatching(/^[a-z]{1,64}$/), (items, origin) => {
      const estimated = items.reduce((sum, each) => sum + estimatedBytes(each), FRAME_RESERVE_BYTES);
      expect(encodeWorkFrame({ origin, items }, SPECS, 500.5).length).toBeLessThanOrEqual(estimated);
    }),
  );
});

test('the estimate counts texts beyond ASCII, and values and labels of an opinion', () => {
  const [plain] = fc.sample(item, { numRuns: 1, seed: 3 });
  const opinion = { certainty: 0.5, model: 'm', stage: 0, gear: 0, revision: 1 };
  const many = Array.from({ length: 400 }, (_, i) => 1 / (i + 1));
  for (const odd of [
    { id: '€'.repeat(128), reply: `_INBOX.${'€'.repeat(500)}` },
    { opinion: { ...opinion, value: many } },
    { opinion: { ...opinion, labels: many.map((_, i) => 2 ** 40 + i) } },
  ]) {
    const items = Array.from({ length: 100 }, () => ({ ...plain, ...odd }));
    const estimated = 100 * estimatedBytes(items[0]) + FRAME_RESERVE_BYTES;
    expect(encodeWorkFrame({ origin: 'f', items }, SPECS, 500.5).length).toBeLessThanOrEqual(estimated);
  }
});
