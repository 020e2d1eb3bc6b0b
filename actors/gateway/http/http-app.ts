import type { HttpBindings } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import { packageVersion } from '../../../engine/process/package-info.ts';
import { EXTENSIONS, type GatewayContext, SERVER_NAME } from '../gateway-context.ts';
import { modelConfig } from '../model-config.ts';
import { VERSION } from '../served-model.ts';
import { errorAnswer } from './errors.ts';

type Env = { Bindings: HttpBindings };

/** The Open Inference Protocol over HTTP, except `infer` (see inferRoute). */
export function httpApp({ model, statistics, problem, draining, log }: GatewayContext): Pick<Hono, 'fetch'> {
  const app = new Hono<Env>();
  /** Answers whether a server or model is ready, and if not, why. */
  const readiness = (c: Context<Env>, head: object): Response => {
    const reason = problem();
    return reason === undefined ? c.json({ ...head, ready: true }) : c.json({ ...head, ready: false, reason }, 503);
  };

  app.use(async (c, next) => {
    await next();
    if (draining()) c.header('Connection', 'close');
  });
  app.get('/v2', (c) => c.json({ name: SERVER_NAME, version: packageVersion(), extensions: EXTENSIONS }));
  for (const path of ['/v2/health/live', '/healthz']) app.get(path, (c) => c.json({ live: true }));
  for (const path of ['/v2/health/ready', '/readyz']) app.get(path, (c) => readiness(c, {}));
  app.get('/v2/models/stats', (c) => c.json({ model_stats: [statistics.of(model.name, VERSION)] }));

  for (const path of ['/v2/models/:model', '/v2/models/:model/versions/:version']) {
    app.get(path, (c) => {
      checkModel(c);
      return c.json(model.metadata);
    });
    app.get(`${path}/ready`, (c) => {
      checkModel(c);
      return readiness(c, { name: model.name });
    });
    app.get(`${path}/stats`, (c) => {
      checkModel(c);
      return c.json({ model_stats: [statistics.of(model.name, VERSION)] });
    });
    app.get(`${path}/config`, (c) => {
      checkModel(c);
      return c.json(modelConfig(model.metadata));
    });
    app.all(`${path}/infer`, (c) => c.json({ error: `${c.req.method} ${c.req.path}: use POST` }, 405, { Allow: 'POST' }));
  }

  app.notFound((c) => c.json({ error: `${c.req.method} ${c.req.path}: there is no such endpoint; see docs/gateway.md` }, 404));
  app.onError((failure, c) => {
    const { status, error, headers } = errorAnswer(failure, log);
    return c.json({ error }, status, headers);
  });
  // Only Node's HTTP server calls this, and it passes these bindings.
  return { fetch: (request, env, context) => app.fetch(request, env as HttpBindings, context) };

  function checkModel(c: Context<Env>): void {
    model.check(c.req.param('model') ?? '', c.req.param('version'));
  }
}
