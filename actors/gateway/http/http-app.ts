import type { ServerResponse } from 'node:http';
import type { HttpBindings } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import { Observable } from 'rxjs';
import { CascadeError } from '../../../engine/errors.ts';
import { JSON_LENGTH_HEADER } from '../../../engine/oip/body.ts';
import { packageVersion } from '../../../engine/process/package-info.ts';
import { TRACE_HEADER } from '../../../engine/tracing/tracing.ts';
import { EXTENSIONS, type GatewayDoor, SERVER_NAME } from '../door.ts';
import { modelConfig } from '../model-config.ts';
import { VERSION } from '../served-model.ts';
import { httpStatus, retryAfterSeconds } from './http-status.ts';
import { BodyRoom, BodyTooLarge } from './read-body.ts';
import { readInfer } from './read-infer.ts';
import { writeInfer } from './write-infer.ts';

type Env = { Bindings: HttpBindings };

/** The Open Inference Protocol by HTTP. */
export function httpApp({ model, inference, statistics, problem, draining, log }: GatewayDoor): Pick<Hono, 'fetch'> {
  const app = new Hono<Env>();
  const room = new BodyRoom();
  /** Answers that a server or model is ready, or why it is not. */
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
    app.post(`${path}/infer`, async (c) => {
      checkModel(c);
      return room.with(c.env.incoming, async (bytes) => {
        const { call, isBinary } = readInfer(model.name, c.req.param('version'), bytes, c.req.header(JSON_LENGTH_HEADER));
        const traceparent = c.req.header(TRACE_HEADER);
        const tensors = await inference.infer(traceparent === undefined ? call : { ...call, traceparent }, gone$(c.env.outgoing));
        const head = { model_name: model.name, model_version: VERSION, id: call.id };
        const { body, jsonLength } = writeInfer(head, tensors, isBinary);
        if (typeof body === 'string') return c.body(body, 200, { 'Content-Type': 'application/json' });
        return c.body(body, 200, { 'Content-Type': 'application/octet-stream', [JSON_LENGTH_HEADER]: String(jsonLength) });
      });
    });
    app.all(`${path}/infer`, (c) => c.json({ error: `${c.req.method} ${c.req.path}: use POST` }, 405, { Allow: 'POST' }));
  }

  app.notFound((c) => c.json({ error: `${c.req.method} ${c.req.path}: there is no such endpoint; see docs/gateway.md` }, 404));
  app.onError((error, c) => {
    if (error instanceof BodyTooLarge) return c.json({ error: error.message }, 413, { Connection: 'close' });
    if (!(error instanceof CascadeError)) {
      log.error({ err: error }, 'a request failed by a defect of the gateway');
      return c.json({ error: 'INTERNAL: the gateway failed; its log says why' }, 500);
    }
    const seconds = retryAfterSeconds(error);
    return c.json(
      { error: `${error.code}: ${error.message}` },
      httpStatus(error),
      seconds === undefined ? {} : { 'Retry-After': String(seconds) },
    );
  });
  // Node's HTTP server gives these bindings, and nobody else serves it.
  return { fetch: (request, env, context) => app.fetch(request, env as HttpBindings, context) };

  function checkModel(c: Context<Env>): void {
    model.check(c.req.param('model') ?? '', c.req.param('version'));
  }
}

/** The client has gone before it had its answer. (The request's signal would cost an AbortController for each.) */
function gone$(outgoing: ServerResponse): Observable<void> {
  return new Observable((subscriber) => {
    const onClose = (): void => {
      if (!outgoing.writableFinished) subscriber.next();
    };
    if (outgoing.destroyed) onClose();
    outgoing.on('close', onClose);
    return () => outgoing.off('close', onClose);
  });
}
