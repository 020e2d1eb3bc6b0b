import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { TensorSpec } from '../../../../engine/tensor/tensor.ts';
import { decodeAuditItem, encodeAuditItem } from '../../../../plans/protocol/audit-codec.ts';
import { decode, encode } from '../../../../plans/protocol/codec.ts';
import type { AuditItem } from '../../../../plans/protocol/messages.ts';

const SPECS: readonly TensorSpec[] = [
  { name: 'image', dtype: 'uint8', shape: [2, 2], pad: 0 },
  { name: 'tokens', dtype: 'int16', shape: [null], pad: 0 },
];

const item: fc.Arbitrary<AuditItem> = fc.record({
  opinion: fc.record({
    label: fc.nat(9),
    certainty: fc.double({ min: 0, max: 1, noNaN: true }),
    model: fc.string(),
    stage: fc.integer({ min: -1, max: 5 }),
    gear: fc.nat(20),
    revision: fc.nat(),
  }),
  sample: fc.tuple(
    fc.uint8Array({ minLength: 4, maxLength: 4 }).map((data) => ({ data, shape: [2, 2] })),
    fc.uint8Array({ maxLength: 20 }).map((bytes) => {
      const data = bytes.subarray(0, bytes.length & ~1);
      return { data, shape: [data.length / 2] };
    }),
  ),
});

test('an answer to be audited arrives as it was sent, ragged samples included', () => {
  fc.assert(
    fc.property(item, (sent) => {
      expect(decodeAuditItem(encodeAuditItem(sent, SPECS), SPECS)).toEqual(sent);
    }),
  );
});

test('its tensors are copies: the network buffer may be reused', () => {
  const sent = fc.sample(item, { numRuns: 1, seed: 2 })[0];
  const bytes = Uint8Array.from(encodeAuditItem(sent, SPECS));
  const arrived = decodeAuditItem(bytes, SPECS);
  bytes.fill(0xaa);
  expect(arrived.sample).toEqual(sent.sample);
});

test('an incomplete message is refused by the name of the field', () => {
  const good = decode<Record<string, unknown>>(encodeAuditItem(fc.sample(item, { numRuns: 1, seed: 1 })[0], SPECS));
  const read = (fields: Record<string, unknown>) => () => decodeAuditItem(encode({ ...good, ...fields }), SPECS);
  expect(read({ opinion: { ...(good.opinion as object), gear: 0.5 } })).toThrow('audit message: opinion');
  expect(read({ opinion: null })).toThrow('audit message: opinion');
  expect(read({ tensors: [] })).toThrow('audit message: tensors');
  const [, tokens] = good.tensors as unknown[];
  expect(read({ tensors: [{ data: new Uint8Array(3), shapes: null }, tokens] })).toThrow(/image has 3 bytes/);
  expect(() => decodeAuditItem(new Uint8Array([0x92, 1]), SPECS)).toThrow('audit message: not MessagePack');
});
