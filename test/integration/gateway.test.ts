import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { status } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createClient } from '../../actors/client/client.ts';
import { gatewayActor } from '../../actors/gateway/gateway.ts';
import { MAX_REQUEST_BYTES } from '../../actors/gateway/limits.ts';
import { outputsOf } from '../../actors/gateway/outputs.ts';
import { ServedModel } from '../../actors/gateway/served-model.ts';
import { type RunningActor, startActor } from '../../engine/actor/actor.ts';
import type { Bus } from '../../engine/bus/bus.ts';
import { realClock } from '../../engine/clock.ts';
import type { ErrorCode } from '../../engine/errors.ts';
import { silentLogger } from '../../engine/log.ts';
import { joinBody, splitBody } from '../../engine/oip/body.ts';
import { encode } from '../../plans/protocol/codec.ts';
import type { DeviceState } from '../../plans/protocol/control-messages.ts';
import { subjectsOf } from '../../plans/protocol/subjects.ts';
import { createLocalBus } from '../doubles/local-bus.ts';
import { eventually } from '../support/eventually.ts';
import { grpcClient, type InferenceGrpcClient } from '../support/grpc-client.ts';
import { deviceState } from '../support/plans.ts';
import { resultFor, type StubFrontend, type StubRequest, stubFrontend } from '../support/stub-frontend.ts';

/** The gateway alone, in front of a deployment that answers as each test says. */
const subjects = subjectsOf('test');
const LABEL = { name: 'label', datatype: 'INT64' };
let bus: Bus;
let frontend: StubFrontend;
let gateway: RunningActor;
let http: string;
let grpc: InferenceGrpcClient;
let answerTo: (request: StubRequest) => void;

/** The label is the first byte of the sample. */
const byFirstByte = ({ id, inputs, answer }: StubRequest): void => answer(resultFor(id, (inputs.x as Uint8Array)[0]));

beforeAll(async () => {
  bus = createLocalBus(realClock);
  answerTo = byFirstByte;
  frontend = await stubFrontend(bus, (request) => answerTo(request));
  const urls = new Promise<readonly string[]>((onReady) => {
    gateway = startActor(
      gatewayActor({
        name: 'gateway-test',
        subjects,
        client: createClient(bus, realClock, { deployment: 'test' }),
        model: new ServedModel(
          'test',
          [{ name: 'x', dtype: 'uint8', shape: [2] }],
          outputsOf({ task: 'classification', classes: 10, named: false }, []),
        ),
        warmUp: [{ x: Uint8Array.of(0, 0) }],
        http: { host: '127.0.0.1', port: 0 },
        grpc: { host: '127.0.0.1', port: 0 },
        onListening: () => undefined,
        onReady,
      }),
      { bus, clock: realClock, log: silentLogger },
    );
  });
  const [httpUrl, grpcUrl] = await urls;
  http = `${httpUrl}/v2`;
  grpc = grpcClient(grpcUrl);
});

afterEach(() => {
  answerTo = byFirstByte;
});

afterAll(async () => {
  grpc?.close();
  await gateway?.stop(5_000);
  await bus?.close();
});

const request = (data: readonly number[], rest: object = {}) => ({
  inputs: [{ name: 'x', datatype: 'UINT8', shape: [data.length / 2, 2], data }],
  ...rest,
});

function post(body: RequestInit['body'], init: RequestInit = {}, model = 'test'): Promise<Response> {
  return fetch(`${http}/models/${model}/infer`, { method: 'POST', body, ...init });
}

const grpcRequest = (data: readonly number[], rest: object = {}) => ({
  model_name: 'test',
  inputs: [{ name: 'x', datatype: 'UINT8', shape: [data.length / 2, 2], contents: { uint_contents: data } }],
  ...rest,
});

describe('the gateway', () => {
  test('answers a batch in the order of its samples, whatever the order of the answers', async () => {
    const waiting: StubRequest[] = [];
    answerTo = (sample) => {
      if (waiting.push(sample) === 3) for (const each of waiting.reverse()) byFirstByte(each);
    };
    const response = await post(JSON.stringify(request([7, 0, 8, 0, 9, 0], { id: 'mine', outputs: [{ name: 'label' }] })));
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(await response.json()).toEqual({
      model_name: 'test',
      model_version: '1',
      id: 'mine',
      outputs: [{ ...LABEL, shape: [3], data: [7, 8, 9] }],
    });
  });

  test('accepts and returns tensors as bytes', async () => {
    const input = { name: 'x', datatype: 'UINT8', shape: [2, 2], parameters: { binary_data_size: 4 } };
    const json = { inputs: [input], outputs: [{ name: 'label', parameters: { binary_data: true } }] };
    const { body, jsonLength } = joinBody(json, [Uint8Array.of(3, 0, 4, 0)]);
    const response = await post(body, { headers: { 'Inference-Header-Content-Length': String(jsonLength) } });
    expect(response.status).toBe(200);
    const answer = splitBody(
      new Uint8Array(await response.arrayBuffer()),
      response.headers.get('inference-header-content-length') ?? undefined,
    );
    expect(answer.json).toMatchObject({ outputs: [{ ...LABEL, shape: [2], parameters: { binary_data_size: 16 } }] });
    expect(new Uint8Array(answer.binary)).toEqual(new Uint8Array(BigInt64Array.of(3n, 4n).buffer));
  });

  test('accepts compressed bodies', async () => {
    const compressed = gzipSync(JSON.stringify(request([5, 0])));
    expect((await post(compressed, { headers: { 'Content-Encoding': 'gzip' } })).status).toBe(200);
    expect((await post(compressed, { headers: { 'Content-Encoding': 'br' } })).status).toBe(400);
    expect((await post('{}', { headers: { 'Content-Encoding': 'gzip' } })).status).toBe(400);
  });

  test('passes on deadline and outputs, but uses its own ids, because those of clients need not be unique', async () => {
    const ids: string[] = [];
    answerTo = (sample) => {
      ids.push(sample.id);
      expect(sample.deadlineMs).toBeLessThanOrEqual(20_000);
      expect(sample.scores).toBe(true);
      sample.answer({ ...resultFor(sample.id), scores: [0.25, 0.75] });
    };
    const asked = { id: 'same', parameters: { deadline_ms: 20_000 }, outputs: [{ name: 'scores' }] };
    const both = await Promise.all([0, 1].map(() => post(JSON.stringify(request([1, 0], asked)))));
    for (const response of both)
      expect(await response.json()).toMatchObject({ id: 'same', outputs: [{ shape: [1, 2], data: [0.25, 0.75] }] });
    expect(new Set(ids).size).toBe(2);
    for (const id of ids) expect(id).toMatch(/^same~/);
  });

  describe.each<[ErrorCode, number, status]>([
    ['INVALID_ARGUMENT', 400, status.INVALID_ARGUMENT],
    ['NOT_FOUND', 404, status.NOT_FOUND],
    ['RESOURCE_EXHAUSTED', 429, status.RESOURCE_EXHAUSTED],
    ['DEADLINE_EXCEEDED', 504, status.DEADLINE_EXCEEDED],
    ['INTERNAL', 500, status.INTERNAL],
  ])('reports the refusal %s', (code, httpStatus, grpcStatus) => {
    const refuse = ({ id, answer }: StubRequest): void =>
      answer({ id, error: { code, message: 'for a reason', ...(code === 'RESOURCE_EXHAUSTED' ? { retryAfterMs: 1_500 } : {}) } });

    test('as an HTTP status', async () => {
      answerTo = refuse;
      const response = await post(JSON.stringify(request([1, 0])));
      expect(response.status).toBe(httpStatus);
      expect(await response.json()).toEqual({ error: `${code}: for a reason` });
      expect(response.headers.get('retry-after')).toBe(code === 'RESOURCE_EXHAUSTED' ? '2' : null);
    });

    test('as a gRPC status', async () => {
      answerTo = refuse;
      const failing = grpc.call('ModelInfer', grpcRequest([1, 0]));
      await expect(failing).rejects.toMatchObject({ code: grpcStatus, details: 'for a reason' });
      const { metadata } = await failing.catch((error) => error);
      expect(metadata.get('grpc-retry-pushback-ms')).toEqual(code === 'RESOURCE_EXHAUSTED' ? ['1500'] : []);
    });
  });

  test('answers 503 if nobody can be reached, and 504 if nobody answers, within the deadline', async () => {
    answerTo = ({ id, answer }) => answer({ id, error: { code: 'UNAVAILABLE', message: 'no device' } });
    const unavailable = await post(JSON.stringify(request([1, 0], { parameters: { deadline_ms: 200 } })));
    expect(unavailable.status).toBe(503);
    expect(unavailable.headers.get('retry-after')).toBe('1');
    answerTo = () => undefined;
    const late = await post(JSON.stringify(request([1, 0], { parameters: { timeout: 100_000 } })));
    expect(late.status).toBe(504);
  });

  test('cancels the other samples when one fails', async () => {
    const before = frontend.cancellations.length;
    answerTo = ({ id, inputs, answer }) => {
      if ((inputs.x as Uint8Array)[0] === 2) answer({ id, error: { code: 'INVALID_ARGUMENT', message: 'no such word' } });
    };
    const response = await post(JSON.stringify(request([1, 0, 2, 0, 3, 0])));
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({ error: 'INVALID_ARGUMENT: sample 1: no such word' });
    await eventually(() => expect(frontend.cancellations.length).toBeGreaterThan(before));
  });

  test('cancels the request of an HTTP client that disconnects', async () => {
    const before = frontend.cancellations.length;
    const away = new AbortController();
    answerTo = () => away.abort();
    await expect(post(JSON.stringify(request([1, 0])), { signal: away.signal })).rejects.toThrow();
    await eventually(() => expect(frontend.cancellations.length).toBeGreaterThan(before));
  });

  test('refuses a name that is cut within an emoji, by gRPC', async () => {
    const name = `${'a'.repeat(79)}😀`;
    const wrong = { ...grpcRequest([1, 0]), inputs: [{ name, datatype: 'UINT8', shape: [1, 2] }] };
    const details = expect.stringContaining('\uFFFD): no such input');
    await expect(grpc.call('ModelInfer', wrong)).rejects.toMatchObject({ code: status.INVALID_ARGUMENT, details });
    expect(await grpc.stream('ModelStreamInfer', [wrong]).answers).toEqual([expect.objectContaining({ error_message: details })]);
  });

  test('answers a request whose id is cut within an emoji', async () => {
    expect((await post(JSON.stringify(request([1, 0], { id: `${'a'.repeat(79)}😀` })))).status).toBe(200);
  });

  test('answers each message of a gRPC stream, also those that fail, as soon as it can', async () => {
    const waiting: StubRequest[] = [];
    answerTo = (sample) => {
      if (waiting.push(sample) === 20) for (const each of waiting.reverse()) byFirstByte(each);
    };
    const messages = Array.from({ length: 20 }, (_, i) => grpcRequest([i, 0], { id: `m${i}`, outputs: [{ name: 'label' }] }));
    const wrong = { ...grpcRequest([1, 0]), id: 'wrong', model_name: 'other' };
    const answers = await grpc.stream('ModelStreamInfer', [...messages, wrong]).answers;
    expect(answers).toHaveLength(21);
    expect(answers).toContainEqual({
      error_message: expect.stringContaining('other'),
      infer_response: expect.objectContaining({ id: 'wrong', outputs: [] }),
    });
    for (let i = 0; i < 20; i++) {
      expect(answers).toContainEqual({
        error_message: '',
        infer_response: expect.objectContaining({
          id: `m${i}`,
          outputs: [expect.objectContaining({ contents: expect.objectContaining({ int64_contents: [i] }) })],
        }),
      });
    }
  });

  test('cancels the requests of a gRPC stream that is cancelled', async () => {
    const asked: StubRequest[] = [];
    const all = new Promise<void>((resolve) => {
      answerTo = (sample) => {
        if (asked.push(sample) === 3) resolve();
      };
    });
    const { answers, cancel } = grpc.stream(
      'ModelStreamInfer',
      [1, 2, 3].map((value) => grpcRequest([value, 0])),
    );
    await all;
    cancel();
    await expect(answers).rejects.toMatchObject({ code: status.CANCELLED });
    const isCancelled = ({ id, message }: StubRequest): boolean =>
      frontend.cancellations.some(({ token, ids }) => message.reply.endsWith(`.${token}`) && (ids === null || ids.includes(id)));
    await eventually(() => expect(asked.filter(isCancelled)).toHaveLength(3));
  });

  test('cancels the request of a gRPC client that cancels or times out', async () => {
    const before = frontend.cancellations.length;
    const asked = new Promise<void>((resolve) => {
      answerTo = () => resolve();
    });
    const { answer, cancel } = grpc.start('ModelInfer', grpcRequest([1, 0]));
    await asked;
    cancel();
    await expect(answer).rejects.toMatchObject({ code: status.CANCELLED });
    await eventually(() => expect(frontend.cancellations.length).toBeGreaterThan(before));
    const late = grpc.call('ModelInfer', grpcRequest([1, 0]), { deadline: Date.now() + 200 });
    await expect(late).rejects.toMatchObject({ code: status.DEADLINE_EXCEEDED });
  });

  test('refuses oversized bodies, with or without a declared length, and oversized messages', async () => {
    const told = await new Promise<string>((resolve, reject) => {
      const { hostname, port } = new URL(http);
      const socket = connect(Number(port), hostname, () =>
        socket.write(`POST /v2/models/test/infer HTTP/1.1\r\nHost: x\r\nContent-Length: ${MAX_REQUEST_BYTES + 1}\r\n\r\n`),
      );
      socket.once('data', (data) => {
        resolve(data.toString());
        socket.destroy();
      });
      socket.once('error', reject);
    });
    expect(told).toMatch(/^HTTP\/1\.1 413 /);
    expect(told).toMatch(/the body is larger than 67108864 bytes; send fewer samples/);
    const untold = await new Promise<number | undefined>((resolve, reject) => {
      const sent = httpRequest(`${http}/models/test/infer`, { method: 'POST' }, ({ statusCode }) => {
        resolve(statusCode);
        sent.destroy();
      });
      sent.on('error', reject);
      const chunk = Buffer.alloc(1024 * 1024);
      for (let written = 0; written <= MAX_REQUEST_BYTES; written += chunk.length) sent.write(chunk);
    });
    expect(untold).toBe(413);
    const bomb = gzipSync(Buffer.alloc(MAX_REQUEST_BYTES + 1));
    expect((await post(bomb, { headers: { 'Content-Encoding': 'gzip' } })).status).toBe(413);
    const oversized = grpc.call('ModelInfer', { model_name: 'test', raw_input_contents: [Buffer.alloc(MAX_REQUEST_BYTES)] });
    await expect(oversized).rejects.toMatchObject({ code: status.RESOURCE_EXHAUSTED });
  });

  test('refuses invalid requests, naming what is wrong', async () => {
    for (const [body, message] of [
      ['', /the body is empty/],
      ['{"inputs"', /the body is not JSON/],
      ['{"inputs": []}', /^INVALID_ARGUMENT: inputs: /],
      [JSON.stringify(request([1, 2, 3])), /shape \[1.5, 2\]/],
      [
        JSON.stringify(request([1, 0], { outputs: [{ name: 'probs' }] })),
        /outputs: "probs" is unknown; this model returns label/,
      ],
    ] as const) {
      const response = await post(body);
      expect(response.status, body).toBe(400);
      expect(((await response.json()) as { error: string }).error).toMatch(message);
    }
  });

  test('knows one model, one version, and its endpoints', async () => {
    expect((await post('{}', {}, 'other')).status).toBe(404);
    expect((await post('{}', {}, 'test/versions/2')).status).toBe(404);
    expect((await post(JSON.stringify(request([1, 0])), {}, 'test/versions/1')).status).toBe(200);
    for (const path of ['/models/other', '/models/other/ready', '/models/other/stats', '/models/test/versions/7', '/nowhere']) {
      const response = await fetch(`${http}${path}`);
      expect(response.status, path).toBe(404);
      expect(await response.json()).toHaveProperty('error');
    }
    const wrongMethod = await fetch(`${http}/models/test/infer`);
    expect([wrongMethod.status, wrongMethod.headers.get('allow')]).toEqual([405, 'POST']);
    for (const method of ['ModelReady', 'ModelMetadata', 'ModelStatistics'])
      await expect(grpc.call(method, { name: 'other' })).rejects.toMatchObject({ code: status.NOT_FOUND });
    await expect(grpc.call('ModelInfer', { ...grpcRequest([1, 0]), model_name: 'other' })).rejects.toMatchObject({
      code: status.NOT_FOUND,
    });
  });

  test('is ready only while it hears from a frontend and a warmed-up device', async () => {
    const ready = async () => (await fetch(`${http}/health/ready`)).status;
    expect((await fetch(`${http}/health/live`)).status).toBe(200);
    const response = await fetch(`${http}/models/test/ready`);
    expect(response.status).toBe(503);
    expect(await response.json()).toEqual({ name: 'test', ready: false, reason: 'no frontend sends heartbeats' });
    const tell = (phase: DeviceState['phase']): void => {
      bus.publish(subjects.load('f'), encode({ frontend: 'f', pid: 1, intervalMs: 100, arrivals: 0 }));
      bus.publish(subjects.state('d'), encode(deviceState({ device: 'd', phase })));
    };
    await eventually(async () => {
      tell('ready');
      expect(await ready()).toBe(200);
      expect(await grpc.call('ServerReady', {})).toEqual({ ready: true });
    });
    await eventually(async () => {
      tell('draining');
      expect(await ready()).toBe(503);
      expect(await grpc.call('ModelReady', { name: 'test' })).toEqual({ ready: false });
    });
  });
});
