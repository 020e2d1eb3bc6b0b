import type { IncomingMessage, ServerResponse } from 'node:http';
import { Observable } from 'rxjs';
import { JSON_LENGTH_HEADER } from '../../../engine/oip/body.ts';
import { TRACE_HEADER } from '../../../engine/tracing/tracing.ts';
import type { GatewayContext } from '../gateway-context.ts';
import { VERSION } from '../served-model.ts';
import { errorAnswer } from './errors.ts';
import { readBody } from './read-body.ts';
import { readInfer } from './read-infer.ts';
import { writeInfer } from './write-infer.ts';

/** Clients of proxies send the whole URL. */
const PATH = /^(?:https?:\/\/[^/?]+)?\/v2\/models\/([^/?]+)(?:\/versions\/([^/?]+))?\/infer(?:\?|$)/;
const JSON_LENGTH = JSON_LENGTH_HEADER.toLowerCase();

/**
 * `POST .../infer`, the hot path. Uses Node's own request and response, because Web requests and responses take as long as everything
 * else together.
 * @returns whether the request was for this route, which then answers it.
 */
export type InferRoute = (incoming: IncomingMessage, outgoing: ServerResponse) => boolean;

export function inferRoute({ model, inference, memory, draining, log }: GatewayContext): InferRoute {
  async function answer(incoming: IncomingMessage, outgoing: ServerResponse, name: string, version?: string): Promise<void> {
    model.check(name, version);
    const head = incoming.headers[JSON_LENGTH];
    await memory.with(async (take) => {
      const bytes = await readBody(incoming, take);
      const { call, isBinary } = readInfer(model.name, version, bytes, head as string | undefined);
      const traceparent = incoming.headers[TRACE_HEADER];
      const tensors = await inference.infer(
        typeof traceparent === 'string' ? { ...call, traceparent } : call,
        disconnected$(outgoing),
      );
      const named = { model_name: model.name, model_version: VERSION, id: call.id };
      const { body, jsonLength } = writeInfer(named, tensors, isBinary);
      if (typeof body === 'string') send(outgoing, 200, body, JSON_TYPE);
      else send(outgoing, 200, body, { 'Content-Type': 'application/octet-stream', [JSON_LENGTH_HEADER]: String(jsonLength) });
    });
  }

  function send(
    outgoing: ServerResponse,
    status: number,
    body: string | Uint8Array,
    headers: Readonly<Record<string, string>>,
  ): void {
    if (outgoing.destroyed) return;
    outgoing.writeHead(status, {
      ...headers,
      ...(draining() ? { Connection: 'close' } : {}),
      'Content-Length': typeof body === 'string' ? Buffer.byteLength(body) : body.length,
    });
    outgoing.end(body);
  }

  return (incoming, outgoing) => {
    const { method, url = '' } = incoming;
    const found = method === 'POST' ? PATH.exec(url) : null;
    if (found === null) return false;
    answer(incoming, outgoing, decoded(found[1]), found[2] && decoded(found[2])).catch((failure) => {
      const { status, error, headers } = errorAnswer(failure, log);
      send(outgoing, status, JSON.stringify({ error }), { ...JSON_TYPE, ...headers });
    });
    return true;
  };
}

/** A part with invalid encoding stays as it is, and will not match any name. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

const JSON_TYPE = { 'Content-Type': 'application/json' };

/** Emits when the client disconnects before it has its answer. */
function disconnected$(outgoing: ServerResponse): Observable<void> {
  return new Observable((subscriber) => {
    const onClose = (): void => {
      if (!outgoing.writableFinished) subscriber.next();
    };
    if (outgoing.destroyed) onClose();
    outgoing.on('close', onClose);
    return () => outgoing.off('close', onClose);
  });
}
