import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { httpApp } from '../../actors/gateway/http/http-app.ts';
import { inferRoute } from '../../actors/gateway/http/infer-route.ts';
import { MAX_REQUEST_BYTES } from '../../actors/gateway/limits.ts';
import { RequestMemory } from '../../actors/gateway/request-memory.ts';
import { type HttpListener, listenHttp } from '../../actors/http/listen.ts';
import { gatewayContext } from '../support/gateway-context.ts';

const MEBIBYTE = Buffer.alloc(2 ** 20, ' ');
/** The same, in a body of unknown length. */
const CHUNK = Buffer.concat([Buffer.from(`${MEBIBYTE.length.toString(16)}\r\n`), MEBIBYTE, Buffer.from('\r\n')]);
/** A gateway's HTTP server on its own. */
let listener: HttpListener;
/** Its client. */
let socket: Socket;

async function listen(memory: RequestMemory): Promise<void> {
  const context = gatewayContext(memory, () => () => undefined);
  listener = await listenHttp(httpApp(context), { host: '127.0.0.1', port: 0 }, '--http', inferRoute(context));
  socket = connect(Number(new URL(listener.url).port), '127.0.0.1');
  await once(socket, 'connect');
}

afterEach(async () => {
  socket.destroy();
  await listener.close(0);
});

/** Resolves when all of it is sent. */
function write(data: string | Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(data, (error) => (error ? reject(error) : resolve()));
  });
}

const head = (length: string): string => `POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\n${length}\r\n\r\n`;

test('a client that sends its whole body before it reads learns that there is no memory for it, and may go on', async () => {
  await listen(new RequestMemory(1e6));
  const answer = async (): Promise<string> => String((await once(socket, 'data'))[0]);
  await write(head(`Content-Length: ${20 * MEBIBYTE.length}`));
  for (let i = 0; i < 20; i++) await write(MEBIBYTE);
  expect(await answer()).toMatch(/^HTTP\/1\.1 429 .*Retry-After: 1\r\n/s);
  const next = answer();
  await write(head('Content-Length: 2').concat('{}'));
  expect(await next).toMatch(/^HTTP\/1\.1 400 /);
});

test.each([
  ['of the length it says', `Content-Length: ${80 * MEBIBYTE.length}`, MEBIBYTE, ''],
  ['in chunks', 'Transfer-Encoding: chunked', CHUNK, '0\r\n\r\n'],
])('so does one whose body %s is too large', async (_, length, part, end) => {
  await listen(new RequestMemory());
  const answer = async (): Promise<string> => String((await once(socket, 'data'))[0]);
  await write(head(length));
  for (let i = 0; i < 80; i++) await write(part);
  await write(end);
  expect(await answer()).toMatch(/^HTTP\/1\.1 413 /);
  const next = answer();
  await write(head('Content-Length: 2').concat('{}'));
  expect(await next).toMatch(/^HTTP\/1\.1 400 /);
});

test('the rest of a body of unknown length is only read up to twice the size of the largest request', async () => {
  await listen(new RequestMemory(1e6));
  let told = '';
  socket.on('data', (data) => {
    told += String(data);
  });
  const closed = once(socket, 'close').catch(() => undefined);
  socket.on('error', () => undefined);
  await write(head('Transfer-Encoding: chunked'));
  let sent = 0;
  const sendAll = async (): Promise<void> => {
    for (; sent < 3 * MAX_REQUEST_BYTES; sent += MEBIBYTE.length) await write(CHUNK);
  };
  await expect(sendAll()).rejects.toThrow();
  await closed;
  expect(sent).toBeGreaterThanOrEqual(2 * MAX_REQUEST_BYTES - MEBIBYTE.length);
  expect(told).toMatch(/^HTTP\/1\.1 429 /);
});
