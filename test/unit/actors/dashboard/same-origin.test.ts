import { expect, test } from 'vitest';
import { isSameOrigin } from '../../../../actors/dashboard/same-origin.ts';

test.each([
  ['http://127.0.0.1:9465', '127.0.0.1:9465'],
  ['http://localhost:9465', 'localhost:9465'],
  ['http://[::1]:9465', '[::1]:9465'],
  ['http://ours:9465', 'ours:9465'],
])('%s is our page at %s', (origin, host) => {
  expect(isSameOrigin(origin, host, ['ours'])).toBe(true);
});

test.each([
  ['another site', 'https://elsewhere.example', '127.0.0.1:9465'],
  ['another port', 'http://127.0.0.1:80', '127.0.0.1:9465'],
  ['a site whose name leads here', 'http://elsewhere.example:9465', 'elsewhere.example:9465'],
  ['no browser', undefined, '127.0.0.1:9465'],
  ['a sandboxed frame', 'null', '127.0.0.1:9465'],
  ['no host', 'http://127.0.0.1:9465', undefined],
])('%s is not', (_, origin, host) => {
  expect(isSameOrigin(origin, host, ['ours'])).toBe(false);
});
