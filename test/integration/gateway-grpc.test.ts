import { type ClientHttp2Session, type ClientHttp2Stream, connect, type IncomingHttpHeaders } from 'node:http2';
import { gzipSync } from 'node:zlib';
import { compressionAlgorithms, status } from '@grpc/grpc-js';
import { afterEach, expect, test } from 'vitest';
import type { SharedClient } from '../../actors/client/client.ts';
import { listenGrpc } from '../../actors/gateway/grpc/grpc-server.ts';
import type { Listener } from '../../actors/gateway/listener.ts';
import { RequestMemory } from '../../actors/gateway/request-memory.ts';
import { inferenceService } from '../../engine/oip/inference-service.ts';
import { eventually } from '../support/eventually.ts';
import { gatewayContext } from '../support/gateway-context.ts';
import { grpcClient, type InferenceGrpcClient } from '../support/grpc-client.ts';
import { resultFor } from '../support/stub-frontend.ts';

/** The gRPC server of a gateway alone, which answers each sample when the test says so. */
let listener: Listener;
let client: InferenceGrpcClient;

async function listen(memory = new RequestMemory()): Promise<{ answerAll(): void; asked: number }> {
  const waiting: (() => void)[] = [];
  const state = {
    asked: 0,
    answerAll: () => {
      for (const answer of waiting.splice(0)) answer();
    },
  };
  const send: SharedClient['send'] = ({ id = '' }, onAnswer) => {
    state.asked++;
    waiting.push(() => onAnswer(resultFor(id)));
    return () => undefined;
  };
  listener = await listenGrpc(gatewayContext(memory, send), { host: '127.0.0.1', port: 0 });
  client = grpcClient(listener.url);
  return state;
}

afterEach(async () => {
  client.close();
  await listener.close(0);
});

const request = (id: string, bytes = 2): object => ({
  model_name: 'm',
  id,
  inputs: [{ name: 'x', datatype: 'UINT8', shape: [bytes / 2, 2] }],
  raw_input_contents: [new Uint8Array(bytes)],
});

test('refuses a request that does not fit into the memory for requests', async () => {
  await listen(new RequestMemory(1_000));
  const message = expect.stringContaining('use all the memory');
  const refused = client.call('ModelInfer', request('a', 2_000));
  await expect(refused).rejects.toMatchObject({ code: status.RESOURCE_EXHAUSTED, details: message });
  // The rest of a stream cannot be read without the message.
  const ended = client.stream('ModelStreamInfer', [request('a', 2_000)]).answers;
  await expect(ended).rejects.toMatchObject({ code: status.RESOURCE_EXHAUSTED, details: message });
});

test('refuses messages that do not fit before they are whole; memory is free again when the connection is closed', async () => {
  const memory = new RequestMemory(100_000);
  await listen(memory);
  const session = connectHttp2();
  const calls = Array.from({ length: 5 }, () => sendBytes(session, 40_000, 50_000));
  // The other two would fit, but their parts may arrive between those of the others.
  await eventually(() => expect(calls.filter(({ isClosed }) => isClosed()).length).toBeGreaterThanOrEqual(3));
  session.destroy();
  const told = await Promise.all(calls.map((call) => call.told));
  expect(told.filter((code) => code === status.RESOURCE_EXHAUSTED).length).toBeGreaterThanOrEqual(3);
  await eventually(() => memory.with(async (take) => take(100_000)));
});

test('refuses a message of a stream before it is whole, and ends the stream', async () => {
  await listen(new RequestMemory(1_000));
  const session = connectHttp2();
  expect(await sendBytes(session, 2_000, 3_000, { method: 'ModelStreamInfer' }).told).toBe(status.RESOURCE_EXHAUSTED);
  session.destroy();
});

test('a stream whose messages are answered has room for more, up to a message that does not fit', async () => {
  const deployment = await listen(new RequestMemory(1_000));
  const stream = client.open('ModelStreamInfer');
  for (let i = 1; i <= 10; i++) {
    stream.write(request(String(i), 600));
    await eventually(() => expect(deployment.asked).toBe(300 * i));
    deployment.answerAll();
    await eventually(() => expect(stream.answers).toHaveLength(i));
  }
  // It arrives whole, in one part.
  stream.write(request('large', 2_000));
  expect(await stream.ended).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
  expect(deployment.asked).toBe(3_000);
});

test('a stream ends with its refusal, even if earlier messages are answered before its client reads it', async () => {
  const deployment = await listen(new RequestMemory(10_000));
  const session = connectHttp2();
  const { stream, told } = startCall(session, { method: 'ModelStreamInfer' });
  const { requestSerialize } = inferenceService().ModelStreamInfer;
  const write = (bytes: number): void => void stream.write(framed(requestSerialize(request('a', bytes))));
  // More answers than a client gets before it reads.
  for (const asked of [2_000, 4_000]) {
    write(4_000);
    await eventually(() => expect(deployment.asked).toBe(asked));
    deployment.answerAll();
  }
  write(2);
  await eventually(() => expect(deployment.asked).toBe(4_001));
  write(12_000);
  await new Promise((resolve) => session.ping(resolve));
  deployment.answerAll();
  stream.resume();
  expect(await told).toBe(status.RESOURCE_EXHAUSTED);
  session.destroy();
});

test('answers a compressed request, and refuses compressed streams', async () => {
  const deployment = await listen();
  const compressing = grpcClient(listener.url, { 'grpc.default_compression_algorithm': compressionAlgorithms.gzip });
  const answer = compressing.call('ModelInfer', request('a'));
  await eventually(() => expect(deployment.asked).toBe(1));
  deployment.answerAll();
  expect(await answer).toMatchObject({ id: 'a' });
  await expect(compressing.stream('ModelStreamInfer', [request('b')]).answers).rejects.toMatchObject({
    code: status.UNIMPLEMENTED,
    details: 'compressed streams (grpc-encoding: gzip) are not accepted; send the messages as they are',
  });
  compressing.close();
});

test('refuses compressed messages that could become more than fits, before they are decoded', async () => {
  await listen(new RequestMemory(100_000_000));
  const session = connectHttp2();
  const bomb = gzipSync(Buffer.alloc(48 * 1024 * 1024));
  const calls = Array.from({ length: 14 }, () => sendBytes(session, bomb, bomb.length, { 'grpc-encoding': 'gzip' }));
  // One fits, and waits for the end of its stream.
  await eventually(() => expect(calls.filter(({ isClosed }) => isClosed())).toHaveLength(13));
  session.destroy();
  const told = await Promise.all(calls.map((call) => call.told));
  expect(told.filter((code) => code === status.RESOURCE_EXHAUSTED)).toHaveLength(13);
});

function connectHttp2(): ClientHttp2Session {
  // The server may be the first to close it.
  return connect(listener.url.replace('grpc:', 'http:')).on('error', () => undefined);
}

/** Calls a method with the beginning of a message, a compressed one if it has content, and reads what is answered. */
function sendBytes(
  session: ClientHttp2Session,
  content: number | Buffer,
  length: number,
  headers: Record<string, string> = {},
): { readonly told: Promise<status | undefined>; readonly isClosed: () => boolean } {
  const { stream, told } = startCall(session, headers);
  const isCompressed = typeof content !== 'number';
  stream.write(framed(isCompressed ? content : Buffer.alloc(content), { isCompressed, length }));
  stream.resume();
  return { told, isClosed: () => stream.closed };
}

/** `told`: the status, undefined if the server sends none. */
function startCall(
  session: ClientHttp2Session,
  { method = 'ModelInfer', ...headers }: Record<string, string>,
): { readonly stream: ClientHttp2Stream; readonly told: Promise<status | undefined> } {
  const stream = session.request({
    ':method': 'POST',
    ':path': `/inference.GRPCInferenceService/${method}`,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  });
  stream.on('error', () => undefined);
  const told = new Promise<status | undefined>((resolve) => {
    const onHeaders = (given: IncomingHttpHeaders): void => {
      if (given['grpc-status'] !== undefined) resolve(Number(given['grpc-status']));
    };
    stream.on('response', onHeaders);
    stream.on('trailers', onHeaders);
    stream.on('close', () => resolve(undefined));
  });
  return { stream, told };
}

function framed(content: Buffer, { isCompressed = false, length = content.length } = {}): Buffer {
  const head = Buffer.of(isCompressed ? 1 : 0, 0, 0, 0, 0);
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, content]);
}

test('ends streams when it stops: idle ones at once, others when their messages are answered; new messages are refused', async () => {
  const deployment = await listen();
  const idle = client.open('ModelStreamInfer');
  const busy = client.open('ModelStreamInfer');
  idle.write(request('first'));
  busy.write(request('second'));
  await eventually(() => expect(deployment.asked).toBe(2));
  deployment.answerAll();
  busy.write(request('third'));
  await eventually(() => expect([deployment.asked, idle.answers.length]).toEqual([3, 1]));

  const closed = listener.close(60_000);
  const unavailable = { code: status.UNAVAILABLE, details: expect.stringContaining('draining') };
  expect(await idle.ended).toMatchObject(unavailable);
  busy.write(request('late'));
  await eventually(() => expect(busy.answers).toHaveLength(2));
  expect(busy.answers[1]).toMatchObject({
    error_message: expect.stringContaining('draining'),
    infer_response: { id: 'late', outputs: [] },
  });
  deployment.answerAll();
  expect(await busy.ended).toMatchObject(unavailable);
  expect(busy.answers[2]).toMatchObject({ error_message: '', infer_response: { id: 'third' } });
  expect(deployment.asked).toBe(3);
  await closed;
});
