import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromFloat16, toFloat16 } from '../../../../engine/tensor/float16.ts';
import { parseTensor } from '../../../../engine/tensor/parse-tensor.ts';
import { decodeStrings, encodeStrings } from '../../../../engine/tensor/strings.ts';
import { DTYPES, type Dtype, elements, type NumberType, type TensorSpec } from '../../../../engine/tensor/tensor.ts';

const spec = (dtype: Dtype, shape: readonly (number | null)[]): TensorSpec => ({ name: 'x', dtype, shape, pad: 0 });
const IMAGE = spec('uint8', [1, 2, 3]);
const IDS = spec('int64', [null]);
const FLOATS = spec('float32', [2]);

function refusal(of: TensorSpec, value: unknown): string {
  try {
    parseTensor(of, value, 'inputs.x');
  } catch (error) {
    expect(error).toMatchObject({ name: 'CascadeError', code: 'INVALID_ARGUMENT' });
    return (error as Error).message;
  }
  throw new Error('the value was accepted');
}

describe('parseTensor of overlong inputs', () => {
  const ids: TensorSpec = { ...IDS, maxShape: [3] };
  const picture: TensorSpec = { ...spec('uint8', [1, null, null]), maxShape: [1, 2, 3] };

  it('names axis, length and limit', () => {
    const words = 'inputs.x has length 4 in axis 0; at most 3 is accepted (inputs.x.maxLength of the deployment)';
    expect(refusal(ids, new Uint8Array(32))).toBe(words);
    expect(refusal(ids, [1, 2, 3, 4])).toBe(words);
    expect(refusal(picture, [[[1, 2, 3, 4]]])).toMatch(/^inputs\.x has length 4 in axis 2; at most 3 is accepted/);
  });

  it('does not read them: the length is reported before any value', () => {
    expect(refusal(ids, ['no number', 2, 3, 4])).toMatch(/has length 4/);
    expect(refusal(picture, [[[1], [2, 3], [4]]])).toMatch(/has length 3 in axis 1; at most 2/);
  });

  it('accepts the longest', () => {
    expect(parseTensor(ids, [1, 2, 3], 'inputs.x').shape).toEqual([3]);
    expect(
      parseTensor(
        picture,
        [
          [
            [1, 2, 3],
            [4, 5, 6],
          ],
        ],
        'inputs.x',
      ).shape,
    ).toEqual([1, 2, 3]);
  });
});

describe('parseTensor of a flat value with its shape', () => {
  const picture: TensorSpec = { ...spec('uint8', [1, null, null]), maxShape: [1, 8, 8] };

  it.each([[Uint8Array.of(1, 2, 3, 4, 5, 6)], [[1, 2, 3, 4, 5, 6]]])('takes %j', (data) => {
    const tensor = parseTensor(picture, { shape: [1, 2, 3], data }, 'inputs.x');
    expect(tensor).toEqual({ shape: [1, 2, 3], data: Uint8Array.of(1, 2, 3, 4, 5, 6) });
  });

  it.each<[string, unknown]>([
    ['inputs.x.data has 5 bytes; expected 6 (uint8[1, 2, 3], little-endian)', { shape: [1, 2, 3], data: new Uint8Array(5) }],
    ['inputs.x.data is missing; expected uint8[1, 2, 3]', { shape: [1, 2, 3] }],
    ['inputs.x.shape is [2, 2, 3]; expected the shape of uint8[1, ?, ?]', { shape: [2, 2, 3], data: [] }],
    ['inputs.x.shape is [1, 2]; expected', { shape: [1, 2], data: [] }],
    ['inputs.x.shape is [1, 1.5, -2]; expected', { shape: [1, 1.5, -2], data: [] }],
    ['inputs.x.shape is "all"; expected', { shape: 'all', data: [] }],
    ['inputs.x has length 9 in axis 2; at most 8 is accepted', { shape: [1, 2, 9], data: [] }],
    ['inputs.x has length 9007199254740991 in axis 1; at most 8', { shape: [1, Number.MAX_SAFE_INTEGER, 9], data: [] }],
  ])('says "%s"', (message, value) => {
    expect(refusal(picture, value)).toContain(message);
  });
});

describe('parseTensor of bytes', () => {
  it('is a view of them', () => {
    const bytes = Uint8Array.of(1, 2, 3, 4, 5, 6);
    const tensor = parseTensor(IMAGE, bytes, 'inputs.x');
    expect(tensor.data).toBe(bytes);
    expect(tensor.shape).toEqual([1, 2, 3]);
  });

  it('infers the length of one ragged axis from them', () => {
    expect(parseTensor(IDS, new Uint8Array(24), 'inputs.x').shape).toEqual([3]);
    expect(parseTensor(spec('float32', [null, 2]), new Uint8Array(24), 'inputs.x').shape).toEqual([3, 2]);
  });

  it('finds values that are not finite, at any alignment', () => {
    for (const [dtype, bad] of [
      ['float32', Number.NaN],
      ['float32', Number.NEGATIVE_INFINITY],
      ['float64', Number.POSITIVE_INFINITY],
    ] as const) {
      const width = DTYPES[dtype].bytes;
      const unaligned = new Uint8Array(2 * width + 1).subarray(1);
      const view = new DataView(unaligned.buffer, 1);
      if (dtype === 'float32') view.setFloat32(width, bad, true);
      else view.setFloat64(width, bad, true);
      expect(refusal(spec(dtype, [2]), unaligned)).toMatch(
        /^inputs\.x\[1\] \(counted flat\) is not finite.*; send finite numbers/,
      );
    }
    expect(refusal(spec('float16', [2]), Uint8Array.of(0, 0, 0, 0x7c))).toMatch(
      /^inputs\.x\[1\] \(counted flat\) is not finite;/,
    );
  });

  it.each<[Dtype, Uint8Array, Uint8Array]>([
    ['float16', new Uint8Array(Uint16Array.of(0x7e00, 0xfe01).buffer), new Uint8Array(Uint16Array.of(1, 0xfc00).buffer)],
    ['float32', new Uint8Array(Float32Array.of(1, Number.NaN).buffer), new Uint8Array(Float32Array.of(1, 1 / 0).buffer)],
    ['float64', new Uint8Array(Float64Array.of(1, Number.NaN).buffer), new Uint8Array(Float64Array.of(1, -1 / 0).buffer)],
  ])('accepts NaN in %s if the deployment allows it, but never infinity', (dtype, nan, infinite) => {
    const trees: TensorSpec = { ...spec(dtype, [2]), nan: true };
    expect(parseTensor(trees, nan, 'x').data).toBe(nan);
    expect(refusal(trees, infinite)).toMatch(/is not finite; send finite numbers$/);
    expect(refusal(spec(dtype, [2]), nan)).toContain('or `inputs.x.nan: allow` in the deployment');
  });

  it('refuses bytes that are not a bool', () => {
    expect(parseTensor(spec('bool', [2]), Uint8Array.of(0, 1), 'x').shape).toEqual([2]);
    expect(refusal(spec('bool', [2]), Uint8Array.of(0, 2))).toBe('inputs.x[1] (counted flat) is 2; expected 0 or 1 (bool)');
  });

  it('accepts every finite float', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { minLength: 1 }), (values) => {
        const bytes = new Uint8Array(Float64Array.from(values).buffer);
        expect(parseTensor(spec('float64', [null]), bytes, 'x').data).toBe(bytes);
      }),
    );
  });

  it.each<[string, TensorSpec, Uint8Array]>([
    ['inputs.x has 5 bytes; expected 6 (uint8[1, 2, 3], little-endian)', IMAGE, new Uint8Array(5)],
    ['inputs.x has 1.5 values; expected a multiple of 1 (int64[?])', IDS, new Uint8Array(12)],
    ['inputs.x is empty; expected at least 1 values (int64[?])', IDS, new Uint8Array(0)],
    [
      'inputs.x: a flat value of uint8[?, ?] does not say its shape; send { shape, data }, or nested lists',
      spec('uint8', [null, null]),
      new Uint8Array(4),
    ],
  ])('says "%s"', (message, of, bytes) => expect(refusal(of, bytes)).toBe(message));
});

describe('parseTensor of strings', () => {
  const TEXT = spec('string', [1]);

  it('takes a string, a list or their bytes', () => {
    const bytes = encodeStrings(['grüße']);
    for (const value of ['grüße', ['grüße'], bytes]) {
      expect(parseTensor(TEXT, value, 'x')).toEqual({ data: bytes, shape: [1] });
    }
    const { data, shape } = parseTensor(spec('string', [null, 2]), [['a', ''], ['b', 'c']], 'x'); // biome-ignore format: rows
    expect([decodeStrings(data), shape]).toEqual([
      ['a', '', 'b', 'c'],
      [2, 2],
    ]);
  });

  it.each<[string, TensorSpec, unknown]>([
    ['inputs.x[0] is 5; expected a string', TEXT, [5]],
    ['inputs.x is 5; expected string[1] as bytes or as a list of strings', TEXT, 5],
    ['inputs.x has 2 strings; expected 1 (string[1])', TEXT, ['a', 'b']],
    ['inputs.x has 2 strings; expected 1 (string[1])', TEXT, encodeStrings(['a', 'b'])],
    ['inputs.x is truncated; expected the bytes of each string after their count', TEXT, Uint8Array.of(200, 0, 0, 0, 65)],
    ['inputs.x is "a"; expected string[2] as bytes or as a list of strings', spec('string', [2]), 'a'],
    ['inputs.x is "a"; expected float32[2]', FLOATS, 'a'],
  ])('says "%s"', (message, of, value) => expect(refusal(of, value)).toContain(message));
});

describe('parseTensor of lists', () => {
  it('takes booleans, and 0 and 1, as bools', () => {
    expect(parseTensor(spec('bool', [4]), [true, false, 1, 0], 'x').data).toEqual(Uint8Array.of(1, 0, 1, 0));
    expect(parseTensor(spec('bool', []), true, 'x').data).toEqual(Uint8Array.of(1));
    expect(refusal(spec('bool', [1]), [2])).toBe('inputs.x[0] is 2; expected a whole number from 0 to 1 (bool)');
  });

  it('takes NaN, or null for it, if the deployment allows it', () => {
    const trees: TensorSpec = { ...FLOATS, nan: true };
    for (const missing of [Number.NaN, null]) {
      const { data } = parseTensor(trees, [1, missing], 'x');
      expect(new Float32Array(data.slice().buffer)).toEqual(Float32Array.of(1, Number.NaN));
    }
    expect(refusal(trees, [1, Number.POSITIVE_INFINITY])).toContain('expected a finite number that float32 can hold');
    expect(refusal(FLOATS, [1, Number.NaN])).toContain('or `inputs.x.nan: allow` in the deployment');
  });

  it('takes them flat or nested', () => {
    const flat = parseTensor(IMAGE, [1, 2, 3, 4, 5, 6], 'x');
    expect(flat).toEqual({ data: Uint8Array.of(1, 2, 3, 4, 5, 6), shape: [1, 2, 3] });
    expect(parseTensor(IMAGE, [[[1, 2, 3], [4, 5, 6]]], 'x')).toEqual(flat); // biome-ignore format: an image
  });

  it('takes ragged axes of any length', () => {
    expect(parseTensor(spec('uint8', [null, null]), [[1, 2], [3, 4], [5, 6]], 'x').shape).toEqual([3, 2]); // biome-ignore format: rows
    expect(parseTensor(spec('uint8', [null, 2]), [1, 2, 3, 4], 'x').shape).toEqual([2, 2]);
  });

  it('takes a number if there are no axes, and typed arrays of the right kind', () => {
    expect(parseTensor(spec('int16', []), -2, 'x')).toEqual({ data: Uint8Array.of(254, 255), shape: [] });
    expect(parseTensor(FLOATS, Float32Array.of(1, 2), 'x').data).toHaveLength(8);
  });

  it('round-trips every dtype', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...(Object.keys(DTYPES) as NumberType[])),
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1 }),
        (dtype, parts) => {
          const { integer, array } = DTYPES[dtype];
          const values = parts.map((part) =>
            integer === undefined ? fromFloat16(toFloat16(part)) : Math.round(integer[0] + part * (integer[1] - integer[0])),
          );
          const { data } = parseTensor(spec(dtype, [null]), values, 'x');
          const read = Array.from(new array(data.slice().buffer), Number);
          expect(dtype === 'float16' ? read.map(fromFloat16) : read).toEqual(values);
        },
      ),
    );
  });

  it('takes 64-bit integers beyond the range of a number', () => {
    const values = [-(2n ** 63n), 2n ** 63n - 1n, -1n];
    expect(new BigInt64Array(parseTensor(IDS, values, 'x').data.slice().buffer)).toEqual(BigInt64Array.from(values));
    expect(refusal(IDS, [2n ** 63n])).toContain('inputs.x[0] is 9223372036854775808; expected a whole number');
  });

  it.each<[string, TensorSpec, unknown]>([
    ['inputs.x has 5 numbers; expected 6 (uint8[1, 2, 3])', IMAGE, [1, 2, 3, 4, 5]],
    ['inputs.x[4] is 256; expected a whole number from 0 to 255 (uint8)', IMAGE, [1, 2, 3, 4, 256, 6]],
    ['inputs.x[0] is 0.5; expected a whole number from 0 to 255 (uint8)', IMAGE, [0.5, 2, 3, 4, 5, 6]],
    ['inputs.x[1] is "7"; expected a number (uint8)', IMAGE, [1, '7', 3, 4, 5, 6]],
    [
      'inputs.x[0][1][2] is null; expected a number (uint8)',
      IMAGE,
      [
        [
          [1, 2, 3],
          [4, 5, null],
        ],
      ],
    ],
    [
      'inputs.x[0][1] has length 2; expected 3 as in the first',
      IMAGE,
      [
        [
          [1, 2, 3],
          [4, 5],
        ],
      ],
    ],
    ['inputs.x[0][1] is 4; expected a list of 3', IMAGE, [[[1, 2, 3], 4]]],
    [
      'inputs.x has length 2 in axis 0; expected 1 (uint8[1, 2, 3])',
      IMAGE,
      [
        [1, 2, 3],
        [4, 5, 6],
      ],
    ],
    ['inputs.x is nested 2 deep; expected 3 (uint8[1, 2, 3]), or a flat list', IMAGE, [[1, 2]]],
    [
      'inputs.x[0][0][0] is a list of 1; expected a number (uint8)',
      IMAGE,
      [
        [
          [[1], 2, 3],
          [4, 5, 6],
        ],
      ],
    ],
    ['inputs.x[0] is a list of 1; expected a number (int64)', IDS, [[1]]],
    ['inputs.x[1] is missing; expected a number (int64)', IDS, [1, undefined]],
    ['inputs.x[0] is true; expected a number (int64)', IDS, [true]],
    ['inputs.x[0] is 9007199254740992; expected a whole number', IDS, [2 ** 53]],
    ['inputs.x is empty; expected at least 1 values (int64[?])', IDS, []],
    ['inputs.x is empty in axis 1; expected uint8[?, ?]', spec('uint8', [null, null]), [[]]],
    ['inputs.x[1] is NaN; expected a finite number that float32 can hold', FLOATS, [1, Number.NaN]],
    ['inputs.x[1] is 1e+39; expected a finite number that float32 can hold', FLOATS, [1, 1e39]],
    ['inputs.x[0] is 70000; expected a finite number that float16 can hold', spec('float16', [1]), [70_000]],
    ['inputs.x is an object; expected float32[2] as bytes or as a list of numbers', FLOATS, { 0: 1 }],
    ['inputs.x is missing; expected float32[2]', FLOATS, undefined],
  ])('says "%s"', (message, of, value) => expect(refusal(of, value)).toContain(message));

  it('survives any nesting', () => {
    let deep: unknown = 1;
    for (let i = 0; i < 200_000; i++) deep = [deep];
    expect(refusal(spec('uint8', [null, null, null]), deep)).toContain('inputs.x[0][0][0] is a list of 1');
  });

  it('does not trust a first row that promises more than there is', () => {
    const rows = [new Array(50_000).fill(1), ...new Array(50_000).fill([])];
    expect(refusal(spec('float64', [null, null]), rows)).toBe('inputs.x[1] has length 0; expected 50000 as in the first');
  });

  it('never shows more of a value than a few words', () => {
    expect(refusal(IDS, ['y'.repeat(100_000)]).length).toBeLessThan(200);
  });

  it('throws only its own refusal, whatever it is given', () => {
    const specs = fc.constantFrom(IMAGE, IDS, FLOATS, spec('float64', [null, null]), spec('uint64', []));
    fc.assert(
      fc.property(specs, fc.anything({ maxDepth: 4, withTypedArray: true, withBigInt: true }), (of, value) => {
        try {
          const { data, shape } = parseTensor(of, value, 'x');
          expect(data.length).toBe(elements(shape) * DTYPES[of.dtype as NumberType].bytes);
        } catch (error) {
          expect(error).toMatchObject({ name: 'CascadeError', code: 'INVALID_ARGUMENT' });
        }
      }),
    );
  });
});
