import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import { JSON_LENGTH_HEADER, splitBody } from '../../engine/oip/body.ts';

/** A small server of the Open Inference Protocol that a test controls. It answers in JSON unless `infer` gives bytes. */
export interface OipServer {
  readonly url: string;
  readonly port: number;
  /** Bodies of the inference requests so far. */
  readonly asked: readonly InferBody[];
  /** Its answer to `/ready` and inferences: status and body. */
  ready: { status: number; body?: unknown };
  infer: (
    body: InferBody,
    count: number,
  ) => { status: number; body?: unknown; headers?: Record<string, string> } | 'silence' | 'hang up';
  metadata: unknown;
  /** Extensions of the protocol that it says it has. */
  extensions: readonly string[];
  /** Headers of the last request. */
  readonly headers: IncomingMessage['headers'];
  stop(): Promise<void>;
}

export interface InferBody {
  readonly inputs: readonly {
    readonly name: string;
    readonly datatype: string;
    readonly shape: readonly number[];
    readonly data: readonly number[];
  }[];
  readonly outputs?: readonly { readonly name: string; readonly parameters?: { readonly binary_data?: boolean } }[];
}

/** A model `m` that returns its input `x` FP32[-1, 2] as `scores`. */
export const ECHO_METADATA = {
  name: 'm',
  platform: 'test',
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }],
  outputs: [{ name: 'scores', datatype: 'FP32', shape: [-1, 2] }],
};

export const echo = ({ inputs: [{ shape, data }] }: InferBody) => ({
  status: 200,
  body: { model_name: 'm', outputs: [{ name: 'scores', datatype: 'FP32', shape, data }] },
});

/** @param tls uses TLS with these options. */
export async function startOipServer(port = 0, tls?: ServerOptions): Promise<OipServer> {
  const asked: InferBody[] = [];
  const state = {
    asked,
    ready: { status: 200 } as OipServer['ready'],
    infer: echo as OipServer['infer'],
    metadata: ECHO_METADATA as unknown,
    extensions: [] as readonly string[],
    headers: {} as IncomingMessage['headers'],
  };
  const onRequest = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    state.headers = request.headers;
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const jsonLength = request.headers[JSON_LENGTH_HEADER.toLowerCase()] as string | undefined;
    answer(request.url ?? '', Buffer.concat(chunks), jsonLength, response);
  };
  const server = tls === undefined ? createServer(onRequest) : createTlsServer(tls, onRequest);
  const answer = (path: string, body: Buffer, jsonLength: string | undefined, response: ServerResponse): void => {
    const say = (status: number, content: unknown = {}, headers: Record<string, string> = {}): void => {
      response.writeHead(status, { 'Content-Type': 'application/json', ...headers });
      response.end(content instanceof Uint8Array ? content : JSON.stringify(content));
    };
    if (path === '/v2') say(200, { name: 'test', version: '1', extensions: state.extensions });
    else if (!path.startsWith('/v2/models/m')) say(404, { error: `no model at ${path}` });
    else if (path.endsWith('/ready')) say(state.ready.status, state.ready.body);
    else if (path.endsWith('/infer')) {
      const given = splitBody(body, jsonLength).json as InferBody;
      asked.push(given);
      const told = state.infer(given, asked.length);
      if (told === 'hang up') response.destroy();
      else if (told !== 'silence') say(told.status, told.body, told.headers);
    } else say(200, state.metadata);
  };
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const address = server.address() as { port: number };
  return Object.assign(state, {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${address.port}`,
    port: address.port,
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  });
}
