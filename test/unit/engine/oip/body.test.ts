import { expect, test } from 'vitest';
import { joinBody, splitBody } from '../../../../engine/oip/body.ts';
import { bytes, text } from '../../../support/bytes.ts';

test('splitBody reads what joinBody writes', () => {
  const { body, jsonLength } = joinBody({ ä: 1 }, [Uint8Array.of(1, 2), Uint8Array.of(3)]);
  const { json, binary } = splitBody(body, String(jsonLength));
  expect(json).toEqual({ ä: 1 });
  expect([...binary]).toEqual([1, 2, 3]);
});

test('without the header, the whole body is JSON', () => {
  expect(splitBody(bytes('{"a": [1]}'), undefined)).toEqual({ json: { a: [1] }, binary: new Uint8Array(0) });
});

test.each([
  ['', undefined, /the body is empty/],
  ['{', undefined, /not JSON/],
  ['{}', '3', /"3"; give the length of the JSON part, from 1 to the 2 bytes/],
  ['{}', '-1', /"-1"/],
  ['{}', '0', /"0"/],
  ['{}', '1e0', /"1e0"/],
  ['{}xy', undefined, /not JSON.*Inference-Header-Content-Length/],
])('refuses %j with the header %j', (body, header, message) => {
  expect(() => splitBody(bytes(body), header)).toThrow(message);
  expect(() => splitBody(bytes(body), header)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
});

test('the JSON is UTF-8', () => {
  expect(text(joinBody({ name: 'é' }, []).body)).toBe('{"name":"é"}');
});
