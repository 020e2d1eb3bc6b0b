/**
 * A client in its own process: several callers, each with one request in flight, over raw sockets (gRPC: with its library). It waits
 * for `{ "ms": N }` on its channel, runs for that time and replies with its results.
 *
 * Usage: fork(closed-loop.ts, [JSON of ClosedLoopConfig])
 */
import { encode } from '../../../../plans/protocol/codec.ts';
import { grpcClient } from '../../../support/grpc-client.ts';
import { HTTP_FORMATS, type HttpFormatName } from '../generator/http-formats.ts';
import { openHttp } from '../generator/http-pool.ts';
import { openNats } from '../generator/nats-text.ts';
import type { AnswerSink, Transport } from '../generator/transport.ts';

export interface ClosedLoopConfig {
  /** `nats://`, `http://` or `grpc://`. */
  readonly url: string;
  readonly subject: string;
  readonly format?: HttpFormatName;
  readonly concurrency: number;
}

export interface ClosedLoopResult {
  readonly requests: number;
  readonly seconds: number;
  /** Of each request. */
  readonly latenciesMs: readonly number[];
  /** Processor time of this process. */
  readonly cpuMs: number;
}

const config = JSON.parse(process.argv[2]) as ClosedLoopConfig;
const image = new Uint8Array(784);
const sentAt = new Map<number, number>();
let latenciesMs: number[] = [];
let until = 0;
let next = 0;
let finish = (): void => undefined;

const sink: AnswerSink = {
  answered(request) {
    latenciesMs.push(performance.now() - sentAt.get(request)!);
    sentAt.delete(request);
    // The transport has its connection back only once this returns.
    if (performance.now() < until) queueMicrotask(ask);
    else if (sentAt.size === 0) finish();
  },
  failed(_, error) {
    throw new Error(error);
  },
};

const transport = await open();

function ask(): void {
  const request = next++;
  sentAt.set(request, performance.now());
  transport.send(request, request + 1);
}

async function open(): Promise<Transport> {
  const { url, subject, format = 'bytes', concurrency } = config;
  if (url.startsWith('nats:')) {
    const body = encode({ inputs: { image } });
    return openNats(url, subject, () => body, sink);
  }
  if (url.startsWith('http:')) {
    const body = HTTP_FORMATS[format].body(image);
    return openHttp(url, HTTP_FORMATS[format], () => body, sink, { open: concurrency, most: concurrency });
  }
  const client = grpcClient(url);
  const message = {
    model_name: 'gateway',
    inputs: [{ name: 'image', datatype: 'UINT8', shape: [1, 1, 28, 28] }],
    outputs: [{ name: 'label' }, { name: 'model' }],
    raw_input_contents: [image],
  };
  return {
    send: (request) => void client.call('ModelInfer', message).then(() => sink.answered(request, 0, '', -1)),
    waited: 0,
    close: () => client.close(),
  };
}

process.on('message', async ({ ms }: { readonly ms: number }) => {
  latenciesMs = [];
  const before = process.cpuUsage();
  const begin = performance.now();
  until = begin + ms;
  await new Promise<void>((resolve) => {
    finish = resolve;
    for (let i = 0; i < config.concurrency; i++) ask();
  });
  const { user, system } = process.cpuUsage(before);
  const seconds = (performance.now() - begin) / 1_000;
  process.send?.({
    requests: latenciesMs.length,
    seconds,
    latenciesMs,
    cpuMs: (user + system) / 1_000,
  } satisfies ClosedLoopResult);
});
process.on('disconnect', () => process.exit(0));
process.send?.('ready');
