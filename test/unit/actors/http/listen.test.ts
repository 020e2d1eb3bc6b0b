import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { text } from 'node:stream/consumers';
import { Hono } from 'hono';
import { expect, onTestFinished, test } from 'vitest';
import { listenHttp } from '../../../../actors/http/listen.ts';

test('serves on any free port, says which, and closes even with a stream open; names a port that is taken', async () => {
  const app = new Hono();
  app.get('/', (context) => context.text('here'));
  app.get(
    '/stream',
    () => new Response(new ReadableStream({ start: (stream) => stream.enqueue(new TextEncoder().encode('a')) })),
  );
  const listener = await listenHttp(app, { host: '127.0.0.1', port: 0 }, '--metrics');
  expect(listener.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  expect(await (await fetch(listener.url)).text()).toBe('here');
  const port = Number(new URL(listener.url).port);
  await expect(listenHttp(app, { host: '127.0.0.1', port }, '--metrics')).rejects.toThrow(
    `--metrics 127.0.0.1:${port}: another process listens on this port`,
  );
  const stream = await fetch(`${listener.url}/stream`);
  await listener.close(10);
  await expect(stream.text()).rejects.toThrow();
  await expect(fetch(listener.url)).rejects.toThrow();
});

const hasIpv6 = Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ address }) => address === '::1'));

test.each(['127.0.0.1', 'localhost', ...(hasIpv6 ? ['::1', '::'] : [])])(
  'answers a request without the header Host, which HTTP/1.0 allows, on %s',
  async (host) => {
    const app = new Hono();
    app.get('/', (context) => context.text('here'));
    const listener = await listenHttp(app, { host, port: 0 }, '--metrics');
    onTestFinished(() => listener.close(0));
    const socket = connect(Number(new URL(listener.url).port), host);
    socket.write('GET / HTTP/1.0\r\n\r\n');
    expect(await text(socket)).toMatch(/^HTTP\/1.1 200 .*here$/s);
  },
);
