import { describe, expect, it } from 'vitest';
import { fields, varints } from '../../../../engine/backend/protobuf.ts';

/** Field 1 as a varint. */
const varint = (value: bigint): Uint8Array => {
  const out = [8];
  let rest = BigInt.asUintN(64, value);
  for (; rest >= 128n; rest >>= 7n) out.push(Number(rest & 127n) | 128);
  return Uint8Array.from([...out, Number(rest)]);
};

describe('fields', () => {
  it.each([0n, 1n, 127n, 128n, 2n ** 48n, 2n ** 49n + 5n, 2n ** 53n - 1n, -1n, -128n, -(2n ** 40n)])(
    'read the integer %s',
    (value) => {
      expect([...fields(varint(value))]).toMatchObject([{ number: 1, value: Number(value), raw: varint(value) }]);
    },
  );

  it('read packed integers', () => {
    const packed = Buffer.concat([1n, -1n, 300n].map((value) => varint(value).subarray(1)));
    expect(varints(packed)).toEqual([1, -1, 300]);
  });

  it.each([
    ['an integer', Uint8Array.of(8, 0x80)],
    ['one that never ends', Uint8Array.of(8, ...new Array<number>(11).fill(0xff), 1)],
    ['bytes', Uint8Array.of(10, 5, 1)],
    ['bytes of negative length', Uint8Array.of(10, ...varint(-1n).subarray(1))],
  ])('say that %s is truncated', (_, bytes) => {
    expect(() => [...fields(bytes)]).toThrow('it is cut off');
  });
});
