import { describe, expect, it } from 'vitest';
import { fromFloat16, toFloat16 } from '../../../../engine/tensor/float16.ts';

describe('float16', () => {
  it.each([
    [0, 0x0000],
    [-0, 0x8000],
    [1, 0x3c00],
    [-2, 0xc000],
    [65_504, 0x7bff],
    [2 ** -14, 0x0400],
    [2 ** -24, 0x0001],
    [1 / 3, 0x3555],
    [Number.POSITIVE_INFINITY, 0x7c00],
    [Number.NEGATIVE_INFINITY, 0xfc00],
    [Number.NaN, 0x7e00],
  ])('writes %f', (value, bits) => {
    expect(toFloat16(value)).toBe(bits);
  });

  it('reads back every number that it can write', () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      const value = fromFloat16(bits);
      if (!Number.isNaN(value)) expect(toFloat16(value)).toBe(bits);
    }
  });

  it('rounds to nearest, ties to even', () => {
    // Between 2048 and 4096, only every second whole number is representable.
    expect([2049, 2050.9, 2051, 2051.1].map((value) => fromFloat16(toFloat16(value)))).toEqual([2048, 2050, 2052, 2052]);
    expect([65_519, 65_520].map((value) => fromFloat16(toFloat16(value)))).toEqual([65_504, Number.POSITIVE_INFINITY]);
    expect(fromFloat16(toFloat16(2 ** -26))).toBe(0);
  });
});
