import {
  type CallOptions,
  type ChannelOptions,
  type Client,
  credentials,
  Metadata,
  makeClientConstructor,
  type StatusObject,
} from '@grpc/grpc-js';
import { inferenceService } from '../../engine/oip/inference-service.ts';

/** A client of the service with untyped messages. */
export interface InferenceGrpcClient {
  /** @throws the client library's ServiceError, with `code`, `details` and `metadata`. */
  call(
    method: string,
    request: object,
    options?: CallOptions,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Record<string, unknown>>;
  /** The same, but can be cancelled. */
  start(method: string, request: object): { readonly answer: Promise<Record<string, unknown>>; cancel(): void };
  /** Sends messages in a stream, closes it, and waits for all answers. */
  stream(method: string, requests: readonly object[]): { readonly answers: Promise<unknown[]>; cancel(): void };
  /** Opens a stream for the test to write to; `ended` is the status with which it ends. */
  open(method: string): {
    readonly answers: readonly unknown[];
    readonly ended: Promise<StatusObject>;
    write(request: object): void;
  };
  close(): void;
}

/** @param url as a gateway prints it: `grpc://HOST:PORT`. */
export function grpcClient(url: string, options: ChannelOptions = {}): InferenceGrpcClient {
  const service = inferenceService();
  const client: Client = new (makeClientConstructor(service, 'inference'))(
    url.replace('grpc://', ''),
    credentials.createInsecure(),
    options,
  );
  const start = (method: string, request: object, options: CallOptions = {}, headers: Readonly<Record<string, string>> = {}) => {
    const metadata = new Metadata();
    for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
    const { path, requestSerialize, responseDeserialize } = service[method];
    let cancel = (): void => undefined;
    const answer = new Promise<Record<string, unknown>>((resolve, reject) => {
      const call = client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        metadata,
        options,
        (error, response) => (error === null ? resolve(response as Record<string, unknown>) : reject(error)),
      );
      cancel = () => call.cancel();
    });
    return { answer, cancel };
  };
  return {
    start,
    stream: (method, requests) => {
      const { path, requestSerialize, responseDeserialize } = service[method];
      const stream = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
      const answers: unknown[] = [];
      const all = new Promise<unknown[]>((resolve, reject) => {
        stream.on('data', (answer) => answers.push(answer));
        stream.on('end', () => resolve(answers));
        stream.on('error', reject);
      });
      for (const request of requests) stream.write(request);
      stream.end();
      return { answers: all, cancel: () => stream.cancel() };
    },
    open: (method) => {
      const { path, requestSerialize, responseDeserialize } = service[method];
      const stream = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
      const answers: unknown[] = [];
      stream.on('data', (answer) => answers.push(answer));
      // Told by its status as well.
      stream.on('error', () => undefined);
      const ended = new Promise<StatusObject>((resolve) => stream.on('status', resolve));
      return { answers, ended, write: (request) => stream.write(request) };
    },
    call: (method, request, options, headers) => start(method, request, options, headers).answer,
    close: () => client.close(),
  };
}
