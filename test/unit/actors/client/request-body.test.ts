import { expect, it } from 'vitest';
import { encodeRequest, frameOf, withDeadline } from '../../../../actors/client/request-body.ts';
import { decode } from '../../../../plans/protocol/codec.ts';
import { bodyFormat, decodeUntrusted } from '../../../../plans/protocol/untrusted.ts';

const INPUTS = {
  image: new Uint8Array([1, 2, 3]),
  text: [
    [1, 2.5],
    [3, -4],
  ],
};

it.each([1, 127, 128, 65_535, 65_536, 600_000])('carries a deadline of %d ms', (deadlineMs) => {
  const body = withDeadline(encodeRequest('x', INPUTS, { scores: true }), deadlineMs);
  expect(decode(body)).toEqual({ id: 'x', inputs: { ...INPUTS, image: expect.anything() }, scores: true, deadlineMs });
});

it('carries strings and booleans', () => {
  const inputs = { text: 'grüße', words: [['a', 'b']], mask: [true, false] };
  expect(decode(encodeRequest('x', inputs))).toMatchObject({ inputs });
});

it('rounds the deadline up, and never to zero', () => {
  const deadline = (ms: number): unknown => decode<{ deadlineMs: number }>(withDeadline(encodeRequest('x', {}), ms)).deadlineMs;
  expect([12.1, 0.2, -5].map(deadline)).toEqual([13, 1, 1]);
});

it('does not touch the bytes of an earlier attempt', () => {
  const body = encodeRequest('x', INPUTS);
  const first = withDeadline(body, 500);
  const before = first.slice();
  withDeadline(body, 100);
  frameOf([body, body], [1, 2]);
  expect(first).toEqual(before);
});

it.each([1, 15, 16, 512])('frames %d requests, each with its own deadline', (n) => {
  const bodies = Array.from({ length: n }, (_, i) => encodeRequest(`r${i}`, INPUTS));
  const frame = frameOf(
    bodies,
    bodies.map((_, i) => i + 1),
  );
  const requests = decode<{ id: string; deadlineMs: number }[]>(frame);
  expect(requests.map(({ id, deadlineMs }) => [id, deadlineMs])).toEqual(bodies.map((_, i) => [`r${i}`, i + 1]));
});

it('passes the check on untrusted bodies, without a content type', () => {
  const body = withDeadline(encodeRequest('x', { ...INPUTS, doubles: new Float64Array([1, 2]) }, { scores: true }), 500);
  for (const data of [body, frameOf([body, body], [1, 2])]) {
    expect(bodyFormat(data, undefined)).toBe('msgpack');
    expect(decodeUntrusted(data, 'msgpack')).toBeDefined();
  }
});

it('sends the bytes of a typed array, even if it views part of a buffer', () => {
  const whole = new Float32Array([0, 1, 2, 3]);
  const { inputs } = decode<{ inputs: { x: Uint8Array } }>(encodeRequest('x', { x: whole.subarray(1, 3) }));
  expect(new Uint8Array(inputs.x)).toEqual(new Uint8Array(new Float32Array([1, 2]).buffer));
});

it('refuses an input that is undefined, by name', () => {
  const inputs = { image: undefined } as unknown as Record<string, number>;
  expect(() => encodeRequest('x', inputs)).toThrow(/inputs\.image: undefined/);
});
