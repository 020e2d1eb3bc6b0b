import { expect, test } from 'vitest';
import { parseServerUrls, shownServers } from '../../../../engine/bus/server-urls.ts';

test.each([
  ['nats://127.0.0.1:4222', { servers: ['nats://127.0.0.1:4222'] }],
  ['127.0.0.1', { servers: ['127.0.0.1'] }],
  ['nats://joe:pass@host:4222', { servers: ['nats://host:4222'], user: 'joe', password: 'pass' }],
  ['tls://joe:p%40ss%3A@host', { servers: ['tls://host'], user: 'joe', password: 'p@ss:' }],
  ['joe:100%@host', { servers: ['host'], user: 'joe', password: '100%' }],
  ['nats://s3cret@host', { servers: ['nats://host'], token: 's3cret' }],
])('%s', (url, parts) => {
  expect(parseServerUrls([url])).toEqual(parts);
});

test('the credentials in one URL apply to all', () => {
  expect(parseServerUrls(['nats://a:1', 'nats://joe:pass@b:2'])).toEqual({
    servers: ['nats://a:1', 'nats://b:2'],
    user: 'joe',
    password: 'pass',
  });
  expect(shownServers(['nats://a:1', 'nats://joe:pass@b:2'])).toBe('nats://a:1, nats://b:2');
});
