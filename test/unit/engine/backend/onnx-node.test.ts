import { expect, test } from 'vitest';
import { listAttribute } from '../../../../engine/backend/onnx-node.ts';

test('a packed list may have more integers than a call takes arguments', () => {
  const count = 200_000;
  // Field 8, packed: its length as a varint of three bytes, then ones.
  const packed = new Uint8Array(4 + count).fill(1);
  packed.set([(8 << 3) | 2, (count & 0x7f) | 0x80, ((count >> 7) & 0x7f) | 0x80, count >> 14]);
  expect(listAttribute(packed)).toHaveLength(count);
});
