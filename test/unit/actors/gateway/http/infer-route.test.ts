import type { IncomingMessage, ServerResponse } from 'node:http';
import { expect, test } from 'vitest';
import type { GatewayContext } from '../../../../../actors/gateway/gateway-context.ts';
import { inferRoute } from '../../../../../actors/gateway/http/infer-route.ts';
import { CascadeError } from '../../../../../engine/errors.ts';

/** The models that were asked for, as [name, version], and whether the route took the request. */
function asked(url: string, method = 'POST'): { readonly taken: boolean; readonly models: unknown[] } {
  const models: unknown[] = [];
  const check = (...model: unknown[]): never => {
    models.push(model);
    throw new CascadeError('NOT_FOUND', 'no such model');
  };
  const context = { model: { check }, draining: () => false } as unknown as GatewayContext;
  const outgoing = { writeHead: () => undefined, end: () => undefined } as unknown as ServerResponse;
  const taken = inferRoute(context)({ method, url, headers: {} } as unknown as IncomingMessage, outgoing);
  return { taken, models };
}

test.each([
  ['/v2/models/m/infer', ['m', undefined]],
  ['/v2/models/a%20b/versions/1/infer?x=1', ['a b', '1']],
  ['http://host:8000/v2/models/m/infer', ['m', undefined]],
  ['https://[::1]:8000/v2/models/m/versions/2/infer', ['m', '2']],
])('takes POST %s', (url, model) => {
  expect(asked(url)).toEqual({ taken: true, models: [model] });
});

test.each([
  ['/v2/models/m/infer', 'GET'],
  ['/v2/models/m/inferred', 'POST'],
  ['/x/v2/models/m/infer', 'POST'],
  ['http://host/x/v2/models/m/infer', 'POST'],
])('leaves %s %s to the other routes', (url, method) => {
  expect(asked(url, method)).toEqual({ taken: false, models: [] });
});
