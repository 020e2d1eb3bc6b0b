import fc from 'fast-check';

/** Values of all kinds, to put where a valid one is expected. */
export const oddValue: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(null, true, '', 'x', '\u0000', 'a b', '>', '__proto__', '../../etc/passwd', 'é'.repeat(200)),
  fc.constantFrom(0, -1, 0.5, 1e308, -0, 2 ** 53, 4_294_967_296, Number.NaN, Number.POSITIVE_INFINITY),
  fc.constantFrom<unknown>([], {}, [[]], [null], { x: {} }, [1, 'two'], { length: 3 }),
  fc.uint8Array({ maxLength: 8 }),
);

/** A copy of a map in which one field is replaced, missing or unexpected. */
export function oddField(value: Readonly<Record<string, unknown>>): fc.Arbitrary<Record<string, unknown>> {
  const names = [...Object.keys(value), 'surprise'];
  return fc
    .tuple(fc.constantFrom(...names), fc.option(oddValue, { nil: undefined }))
    .map(([name, odd]) => (odd === undefined ? without(value, name) : { ...value, [name]: odd }));
}

function without(value: Readonly<Record<string, unknown>>, name: string): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).filter(([key]) => key !== name));
}

/** Bytes of which some are flipped, cut off, inserted or appended. */
export function damaged(bytes: Uint8Array): fc.Arbitrary<Uint8Array> {
  const at = fc.nat(Math.max(0, bytes.length - 1));
  return fc.oneof(
    fc.array(fc.tuple(at, fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 4 }).map((flips) => {
      const copy = bytes.slice();
      for (const [i, bits] of flips) if (i < copy.length) copy[i] ^= bits;
      return copy;
    }),
    at.map((end) => bytes.slice(0, end)),
    fc
      .tuple(at, fc.uint8Array({ minLength: 1, maxLength: 6 }))
      .map(([i, more]) => joined(bytes.slice(0, i), more, bytes.slice(i))),
    fc.uint8Array({ minLength: 1, maxLength: 12 }).map((more) => joined(bytes, more)),
  );
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}
