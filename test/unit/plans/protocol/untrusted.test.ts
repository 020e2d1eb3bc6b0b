import fc from 'fast-check';
import { pack } from 'msgpackr';
import { describe, expect, test } from 'vitest';
import { CascadeError } from '../../../../engine/errors.ts';
import { acceptedFormat, answerFormat, BODY_LIMITS, bodyFormat, decodeUntrusted } from '../../../../plans/protocol/untrusted.ts';

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const json = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('the format of a body', () => {
  test('is detected from its first byte if there is no content type', () => {
    expect(bodyFormat(json('{"a":1}'), undefined)).toBe('json');
    expect(bodyFormat(json(' [1]'), undefined)).toBe('json');
    expect(bodyFormat(pack({ a: 1 }), undefined)).toBe('msgpack');
    expect(bodyFormat(pack([1]), undefined)).toBe('msgpack');
  });

  test('is what the content type says, ignoring parameters and case', () => {
    expect(bodyFormat(bytes(1), 'Application/JSON; charset=utf-8')).toBe('json');
    expect(bodyFormat(json('{'), 'application/msgpack')).toBe('msgpack');
  });

  test('other content types are refused by name', () => {
    expect(() => bodyFormat(bytes(1), 'text/xml')).toThrow(/"text\/xml" is not supported; use application\/json/);
  });
});

describe('the encoding of an answer', () => {
  test.each([
    ['application/json', 'json'],
    ['Application/JSON; charset=utf-8', 'json'],
    ['application/msgpack', 'msgpack'],
    ['application/x-msgpack', 'msgpack'],
    ['text/html, application/msgpack, application/json', 'msgpack'],
    ['application/msgpack;q=0.5, application/json;q=0.9', 'json'],
    ['application/json;q=0, application/msgpack', 'msgpack'],
    ['application/json;q=0.5, */*', undefined],
    ['*/*', undefined],
    [' ', undefined],
    [undefined, undefined],
  ] as const)('is what Accept asks for: %j', (accept, format) => {
    expect(acceptedFormat(accept)).toBe(format);
  });

  test.each([
    'text/xml',
    'json',
    'application/json;q=0',
    'application/json;q=2',
    'application/json;q=',
    `${'a/b,'.repeat(300)}*/*`,
  ])('refuses %j', (accept) => {
    expect(() => acceptedFormat(accept)).toThrow(/^Accept "[^"]{1,80}": answers are application\/json or application\/msgpack$/);
  });

  test('is that of the request, or MessagePack for raw bytes, unless the request asks for another', () => {
    const opaque = 'application/octet-stream';
    expect(answerFormat(json('{}'), undefined, undefined)).toBe('json');
    expect(answerFormat(pack({}), undefined, '*/*')).toBe('msgpack');
    expect(answerFormat(json('{}'), opaque, undefined)).toBe('msgpack');
    expect(answerFormat(json('{}'), opaque, 'application/json')).toBe('json');
    expect(answerFormat(json('{}'), undefined, 'application/msgpack')).toBe('msgpack');
  });

  test('is guessed from the body for an error about the headers', () => {
    expect(answerFormat(json('{}'), undefined, 'text/xml')).toBe('json');
    expect(answerFormat(pack({}), 'text/xml', undefined)).toBe('msgpack');
  });
});

describe('MessagePack from untrusted senders', () => {
  test('reads back what a packer writes', () => {
    fc.assert(
      fc.property(
        // msgpackr reads the key `__proto__` under another name, on purpose; requests with it are refused as unknown fields.
        fc.object({
          key: fc.string().filter((key) => key !== '__proto__'),
          maxDepth: 3,
          values: [fc.string(), fc.integer(), fc.double(), fc.boolean(), fc.constant(null)],
        }),
        (value) => {
          const decoded = decodeUntrusted(pack(value), 'msgpack');
          expect(pack(decoded)).toEqual(pack(value));
        },
      ),
    );
  });

  test('refuses every strict prefix of a body as truncated', () => {
    const whole = pack({ id: 'a', inputs: { image: new Uint8Array(300), more: [1.5, 'text', -7, 70_000, { x: null }] } });
    for (let length = 1; length < whole.length; length++) {
      expect(() => decodeUntrusted(whole.subarray(0, length), 'msgpack')).toThrow(/truncated/);
    }
  });

  test('refuses a list that announces more elements than the body has bytes, before allocating anything', () => {
    expect(() => decodeUntrusted(bytes(0xdd, 0x00, 0x0f, 0x00, 0x00, 0x01), 'msgpack')).toThrow(/truncated/);
    expect(() => decodeUntrusted(bytes(0xdd, 0xff, 0xff, 0xff, 0xff), 'msgpack')).toThrow(/more than 1000000 elements/);
  });

  test('refuses nesting beyond the limit, extensions and trailing bytes', () => {
    const nested = [...new Array(BODY_LIMITS.depth + 1).fill(0x91), 0xc0];
    expect(() => decodeUntrusted(bytes(...nested), 'msgpack')).toThrow(/nested deeper than 16/);
    expect(() => decodeUntrusted(bytes(...new Array(BODY_LIMITS.depth - 1).fill(0x91), 0xc0), 'msgpack')).not.toThrow();
    expect(() => decodeUntrusted(bytes(0xd4, 0x01, 0x00), 'msgpack')).toThrow(/extensions are not accepted/);
    expect(() => decodeUntrusted(bytes(0xc0, 0xc0), 'msgpack')).toThrow(/1 bytes after its end at byte 1/);
  });

  test('returns a value or INVALID_ARGUMENT for any bytes, and nothing else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.constantFrom('msgpack' as const, 'json' as const), (data, format) => {
        try {
          decodeUntrusted(data, format);
        } catch (error) {
          expect(error).toBeInstanceOf(CascadeError);
          expect((error as CascadeError).code).toBe('INVALID_ARGUMENT');
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('JSON from untrusted senders', () => {
  test('does not count brackets inside strings as nesting', () => {
    expect(decodeUntrusted(json(`{"a":"${'['.repeat(100)}\\"{"}`), 'json')).toEqual({ a: `${'['.repeat(100)}"{` });
  });

  test('refuses deep nesting, too many elements, bad syntax, bad UTF-8 and an empty body with a message', () => {
    expect(() => decodeUntrusted(json('['.repeat(100_000)), 'json')).toThrow(/nested deeper/);
    expect(() => decodeUntrusted(json(`[${'0,'.repeat(BODY_LIMITS.items)}0]`), 'json')).toThrow(/more than 1000000 elements/);
    expect(() => decodeUntrusted(json('{"a":'), 'json')).toThrow(/not valid JSON/);
    expect(() => decodeUntrusted(bytes(0x22, 0xff, 0x22), 'json')).toThrow(/not valid JSON/);
    expect(() => decodeUntrusted(bytes(), 'json')).toThrow(/empty body/);
  });
});
