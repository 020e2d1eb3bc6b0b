import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { deflateSync, gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { BodyTooLarge, readBody } from '../../../../../actors/gateway/http/read-body.ts';
import { MAX_REQUEST_BYTES } from '../../../../../actors/gateway/limits.ts';
import { CascadeError } from '../../../../../engine/errors.ts';

function incoming(body: Buffer, encoding?: string): IncomingMessage {
  const headers = encoding === undefined ? {} : { 'content-encoding': encoding };
  return Object.assign(Readable.from([body]), { headers, complete: true }) as unknown as IncomingMessage;
}

const free = (): void => undefined;

test.each([
  [undefined, (body: Buffer) => body],
  ['gzip', gzipSync],
  ['deflate', deflateSync],
  ['', (body: Buffer) => body],
  ['Identity', (body: Buffer) => body],
  ['GZIP', gzipSync],
])('reads a body with the encoding %s', async (encoding, encode) => {
  for (const body of [Buffer.from('{}'), Buffer.alloc(1_000_000, 'abc')])
    expect(Buffer.from(await readBody(incoming(encode(body), encoding), free)).equals(body)).toBe(true);
});

test('accounts for what a body becomes while it is decoded, and stops when that is refused', async () => {
  const whole = Buffer.alloc(16 * 1024 * 1024);
  const bomb = gzipSync(whole);
  let taken = 0;
  const full = new CascadeError('RESOURCE_EXHAUSTED', 'full');
  const take = (bytes: number): void => {
    expect(bytes).toBeLessThan(whole.length / 16);
    if (taken + bytes > whole.length / 2) throw full;
    taken += bytes;
  };
  await expect(readBody(incoming(bomb, 'gzip'), take)).rejects.toBe(full);
  expect(taken).toBeGreaterThan(whole.length / 4);
});

test('refuses a body that is too large once it is decoded, cut off, or not encoded', async () => {
  const bomb = gzipSync(Buffer.alloc(MAX_REQUEST_BYTES + 1));
  await expect(readBody(incoming(bomb, 'gzip'), free)).rejects.toThrow(BodyTooLarge);
  const wrong = {
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining('does not match its header Content-Encoding: gzip'),
  };
  await expect(readBody(incoming(gzipSync('{"inputs": []}').subarray(0, 20), 'gzip'), free)).rejects.toMatchObject(wrong);
  await expect(readBody(incoming(Buffer.from('{}'), 'gzip'), free)).rejects.toMatchObject(wrong);
  await expect(readBody(incoming(Buffer.from('{}'), 'br'), free)).rejects.toThrow('"br"; use gzip, deflate or none');
});
