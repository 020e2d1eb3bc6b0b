import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { firstValueFrom, lastValueFrom, type Observable } from 'rxjs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createClient } from '../../actors/client/client.ts';
import { gatewayActor } from '../../actors/gateway/gateway.ts';
import { outputsOf } from '../../actors/gateway/outputs.ts';
import { ServedModel } from '../../actors/gateway/served-model.ts';
import { type RunningActor, startActor } from '../../engine/actor/actor.ts';
import type { Backend } from '../../engine/backend/backend.ts';
import { createRemoteBackend, type RemoteOptions } from '../../engine/backend/remote-backend.ts';
import type { Bus } from '../../engine/bus/bus.ts';
import { realClock } from '../../engine/clock.ts';
import { silentLogger } from '../../engine/log.ts';
import { JSON_LENGTH_HEADER, joinBody } from '../../engine/oip/body.ts';
import type { OipClientOptions } from '../../engine/oip/oip-client.ts';
import { openOipClient } from '../../engine/oip/open-client.ts';
import type { Sample } from '../../engine/tensor/tensor.ts';
import { subjectsOf } from '../../plans/protocol/subjects.ts';
import { createLocalBus } from '../doubles/local-bus.ts';
import { hasOpenssl, writeCertificates } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { startOipGrpcServer } from '../support/oip-grpc-server.ts';
import { ECHO_METADATA, echo, type OipServer, startOipServer } from '../support/oip-server.ts';
import { resultFor, stubFrontend } from '../support/stub-frontend.ts';

const SPECS = [{ name: 'x', dtype: 'float32', shape: [2] }] as const;
const MODEL = { name: 'family-name', file: 'remote:m', remote: { name: 'm' } };

let server: OipServer;
const open: Backend[] = [];

beforeEach(async () => {
  server = await startOipServer();
});
afterEach(async () => {
  for (const backend of open.splice(0)) await backend.close();
  await server.stop();
});

function backend(url = server.url, options: Partial<RemoteOptions> = {}): Backend {
  const { timeoutMs = 20_000 } = options;
  const made = createRemoteBackend({
    client: openOipClient({ url, timeoutMs, headers: { Authorization: 'Bearer t' }, tls: {} }),
    clock: realClock,
    url,
    inFlight: 1,
    timeoutMs,
    inputs: {},
    specs: SPECS,
    ...options,
  });
  open.push(made);
  return made;
}

const sample = (...values: number[]): Sample => [{ data: new Uint8Array(Float32Array.from(values).buffer), shape: [2] }];
const BATCH = [sample(1, 2), sample(3, 5), sample(8, 13)];

async function loaded(options: Partial<RemoteOptions> = {}): Promise<Backend> {
  const made = backend(server.url, options);
  await firstValueFrom(made.load(MODEL));
  return made;
}

/** The error's code, if it has one, and message. */
async function failure(work: Observable<unknown>): Promise<{ name: string; code?: string; message: string }> {
  return lastValueFrom(work, { defaultValue: undefined }).then(
    () => {
      throw new Error('it did not fail');
    },
    (error) => error,
  );
}

describe('our own gateway as the server', () => {
  let bus: Bus;
  let gateway: RunningActor;
  let urls: readonly string[];

  beforeAll(async () => {
    bus = createLocalBus(realClock);
    // It answers with the sample's own values as scores.
    await stubFrontend(bus, ({ id, inputs, answer }) => {
      const values = new Float32Array(new Uint8Array(inputs.x as Uint8Array).buffer);
      answer({ ...resultFor(id), scores: [...values] });
    });
    urls = await new Promise((onReady) => {
      gateway = startActor(
        gatewayActor({
          name: 'gateway-test',
          subjects: subjectsOf('test'),
          client: createClient(bus, realClock, { deployment: 'test' }),
          model: new ServedModel('m', SPECS, outputsOf({ task: 'classification', classes: 2, named: false }, [])),
          warmUp: [{ x: Float32Array.of(0, 0) }],
          http: { host: '127.0.0.1', port: 0 },
          grpc: { host: '127.0.0.1', port: 0 },
          onListening: () => undefined,
          onReady,
        }),
        { bus, clock: realClock, log: silentLogger },
      );
    });
  });
  afterAll(async () => {
    await gateway?.stop(5_000);
    await bus?.close();
  });

  test.each([
    ['HTTP', 0],
    ['gRPC', 1],
  ])('answers over %s, and says what it refuses and that it is not ready', async (_, which) => {
    const whole = backend(urls[which]);
    // Readiness is about heartbeats, and nobody sends any here, so the gateway is asked directly.
    const client = openOipClient({ url: urls[which], timeoutMs: 20_000, headers: {}, tls: {} });
    expect((await client.metadata({ name: 'm' })).inputs).toEqual([{ name: 'x', datatype: 'FP32', shape: [-1, 2] }]);
    const inputs = [
      { name: 'x', dtype: 'float32' as const, shape: [3, 2], data: new Uint8Array(Float32Array.of(1, 2, 3, 5, 8, 13).buffer) },
    ];
    const [scores] = await client.infer({ name: 'm' }, inputs, ['scores']);
    expect([scores.shape, ...new Float32Array(new Uint8Array(scores.data).buffer)]).toEqual([[3, 2], 1, 2, 3, 5, 8, 13]);
    const refused = client.infer({ name: 'm' }, [{ ...inputs[0], shape: [6] }], []);
    await expect(refused).rejects.toMatchObject({ problem: 'refused', message: expect.stringContaining('shape [6]') });
    await expect(client.metadata({ name: 'other' })).rejects.toMatchObject({ problem: 'unknown' });
    await expect(client.requireReady({ name: 'm' })).rejects.toMatchObject({ problem: 'unavailable' });
    client.close();
    expect(await failure(whole.load(MODEL))).toMatchObject({
      name: 'ConfigError',
      message: expect.stringContaining('is not ready'),
    });
  });
});

describe('a batch', () => {
  test('is answered like the server does, over JSON, with the extra parameters of the deployment', async () => {
    const on = await loaded();
    const output = await firstValueFrom(on.run('family-name', BATCH));
    expect(output).toMatchObject({ classes: 2, scores: Float32Array.of(1, 2, 3, 5, 8, 13) });
    expect(server.asked).toEqual([
      { inputs: [{ name: 'x', datatype: 'FP32', shape: [3, 2], data: [1, 2, 3, 5, 8, 13] }], outputs: [{ name: 'scores' }] },
    ]);
    expect(server.headers.authorization).toBe('Bearer t');
  });

  test('is split into the configured number of concurrent requests, and comes back in order', async () => {
    const on = await loaded({ inFlight: 2 });
    const output = await firstValueFrom(on.run('family-name', BATCH, ['scores']));
    expect(server.asked.map(({ inputs }) => inputs[0].shape)).toEqual([
      [2, 2],
      [1, 2],
    ]);
    expect(output.scores).toEqual(Float32Array.of(1, 2, 3, 5, 8, 13));
    expect(output.outputs).toMatchObject([{ name: 'scores', shape: [2] }]);
  });

  test('is padded if the server fixes its size', async () => {
    server.metadata = { ...ECHO_METADATA, inputs: [{ ...ECHO_METADATA.inputs[0], shape: [2, 2] }] };
    const on = await loaded();
    expect((await firstValueFrom(on.run('family-name', BATCH))).scores).toEqual(Float32Array.of(1, 2, 3, 5, 8, 13));
    expect(server.asked.map(({ inputs }) => inputs[0].data)).toEqual([
      [1, 2, 3, 5],
      [8, 13, 8, 13],
    ]);
  });

  test('for a model without metadata has the inputs of the family', async () => {
    server.metadata = { name: 'm', inputs: [], outputs: [] };
    const on = await loaded();
    expect((await firstValueFrom(on.run('family-name', BATCH))).scores).toEqual(Float32Array.of(1, 2, 3, 5, 8, 13));
  });

  test('is answered in bytes if the server offers them: FP16 cannot be sent as JSON', async () => {
    server.extensions = ['binary_tensor_data'];
    server.metadata = { ...ECHO_METADATA, outputs: [{ name: 'scores', datatype: 'FP16', shape: [-1, 2] }] };
    // Like Triton: `binary_data_output` of the request does not count for outputs that are named.
    server.infer = ({ outputs = [] }) => {
      if (!outputs.every(({ parameters }) => parameters?.binary_data === true))
        return { status: 400, body: { error: 'sending FP16 data via JSON is not supported. Please use binary data' } };
      const scores = new Uint8Array(Uint16Array.of(0x3c00, 0x4000, 0x4200, 0x4500, 0x4800, 0x4a80).buffer);
      const described = { name: 'scores', datatype: 'FP16', shape: [3, 2], parameters: { binary_data_size: scores.length } };
      const { body, jsonLength } = joinBody({ outputs: [described] }, [scores]);
      return { status: 200, body, headers: { [JSON_LENGTH_HEADER]: String(jsonLength) } };
    };
    const on = await loaded();
    expect((await firstValueFrom(on.run('family-name', BATCH))).scores).toEqual(Float32Array.of(1, 2, 3, 5, 8, 13));
  });

  test('waits for a busy server, for as long as it says', async () => {
    server.infer = (body, count) => (count < 3 ? { status: 429, headers: { 'Retry-After': '0' } } : echo(body));
    const on = await loaded();
    expect((await firstValueFrom(on.run('family-name', BATCH))).classes).toBe(2);
    expect(server.asked).toHaveLength(3);
  });
});

describe('loading a model reports', () => {
  const told = async (made: Backend, model: object = MODEL): Promise<string> => {
    const error = await failure(made.load(model as typeof MODEL));
    expect(error.name, error.message).toBe('ConfigError');
    return error.message.replace(/127\.0\.0\.1:\d+/g, 'HOST');
  };

  test('a server that does not exist', async () => {
    expect(await told(backend(`http://127.0.0.1:${await freePort()}`))).toContain(
      'model family-name: http://HOST cannot be reached: http://HOST: connect ECONNREFUSED',
    );
    expect(await told(backend(`grpc://127.0.0.1:${await freePort()}`))).toContain(
      'model family-name: grpc://HOST cannot be reached: grpc://HOST ModelReady: UNAVAILABLE',
    );
  });

  test('a server that does not speak TLS', async () => {
    expect(await told(backend(server.url.replace('http:', 'https:')))).toMatch(
      /cannot be reached: .*; does the server speak TLS\? If not, write http:\/\//,
    );
  });

  test('a model that the server does not have', async () => {
    expect(await told(backend(), { ...MODEL, remote: { name: 'other', version: '3' } })).toBe(
      'model family-name: http://HOST has no model other, version 3,: GET /v2/models/other/versions/3/ready: HTTP 404: no model at /v2/models/other/versions/3/ready; write its name there as `remote`',
    );
  });

  test('a model that is not ready, or forbidden to us', async () => {
    server.ready = { status: 503, body: { error: 'loading' } };
    expect(await told(backend())).toBe(
      'model family-name: m is not ready on http://HOST: GET /v2/models/m/ready: HTTP 503: loading',
    );
    server.ready = { status: 401 };
    expect(await told(backend())).toContain('rejected our credentials for m: GET /v2/models/m/ready: HTTP 401');
  });

  test('a server of another protocol', async () => {
    server.metadata = { inputs: 3 };
    expect(await told(backend())).toContain('the answer to /v2/models/m does not follow the Open Inference Protocol: inputs:');
  });

  test.each([
    [
      'an input with another name',
      { inputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 2] }] },
      'takes input y float32[2]; the samples have x float32[2]',
    ],
    [
      'an input with another type',
      { inputs: [{ name: 'x', datatype: 'INT64', shape: [-1, 2] }] },
      'takes input x int64[2]; the samples have x float32[2]',
    ],
    [
      'a datatype that cannot be sent',
      { inputs: [{ name: 'x', datatype: 'BF16', shape: [-1, 2] }] },
      'input x is BF16, which cannot be sent',
    ],
    [
      'an input with another shape',
      { inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 3] }] },
      'takes input x float32[3]; the samples have x float32[2]',
    ],
    ['no scores', { outputs: [{ name: 'label', datatype: 'INT64', shape: [-1] }] }, 'has no output of class scores'],
  ])('%s', async (_, metadata, message) => {
    server.metadata = { ...ECHO_METADATA, ...metadata };
    expect(await told(backend())).toContain(`model m of http://HOST: ${message}`);
  });

  test('an output that the model does not have', async () => {
    expect(await told(backend(), { ...MODEL, remote: { name: 'm', output: 'logits' } })).toContain(
      'has no output logits; its outputs are scores float32[batch, 2]',
    );
    expect(await told(backend(server.url, { auxiliary: { name: 'sure', holds: 'the certainty' } }))).toContain(
      'has no output sure for the certainty; its outputs are scores',
    );
  });
});

describe('the error of a batch', () => {
  const code = async (on: Backend, batch = BATCH): Promise<string | undefined> =>
    (await failure(on.run('family-name', batch))).code;

  test('blames the sample if it is alone and others were answered', async () => {
    const on = await loaded();
    const refuse = (): ReturnType<OipServer['infer']> => ({ status: 400, body: { error: 'no such token' } });
    server.infer = refuse;
    expect(await code(on, [sample(1, 2)])).toBe('INTERNAL');
    server.infer = echo;
    await firstValueFrom(on.run('family-name', BATCH));
    server.infer = refuse;
    expect(await code(on)).toBe('INTERNAL');
    expect(await failure(on.run('family-name', [sample(1, 2)]))).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('no such token'),
    });
  });

  test('blames the batch while the server is ready; a server that fails again and again is lost', async () => {
    const on = await loaded();
    await firstValueFrom(on.run('family-name', BATCH));
    server.infer = () => ({ status: 500, body: { error: 'out of memory' } });
    const codes = [];
    for (let i = 0; i < 8; i++) codes.push(await code(on));
    expect(codes).toEqual([...new Array(7).fill('INTERNAL'), 'UNAVAILABLE']);
  });

  test('blames the server if it says that it is not ready', async () => {
    const on = await loaded();
    await firstValueFrom(on.run('family-name', BATCH));
    server.ready = { status: 503 };
    server.infer = () => ({ status: 503 });
    expect(await code(on)).toBe('UNAVAILABLE');
  });

  test.each(['silence', 'hang up'] as const)('blames the server after %s', async (behaviour) => {
    const on = await loaded({ timeoutMs: 500 });
    server.infer = () => behaviour;
    expect(await code(on)).toBe('UNAVAILABLE');
  });

  test('blames the answer if it breaks the protocol', async () => {
    const on = await loaded();
    for (const outputs of [
      [{ name: 'other', datatype: 'FP32', shape: [3, 2], data: [1, 2, 3, 4, 5, 6] }],
      [{ name: 'scores', datatype: 'FP32', shape: [3, 2], data: [1, 2, 3] }],
      [{ name: 'scores', datatype: 'FP32', shape: [2, 2], data: [1, 2, 3, 4] }],
      [{ name: 'scores', datatype: 'FP32', shape: [4, 2], data: [1, 2, 3, 4, 5, 6, 7, 8] }],
      [{ name: 'scores', datatype: 'FP32', shape: [3, 2], data: ['a', 2, 3, 4, 5, 6] }],
      'none',
    ]) {
      server.infer = () => ({ status: 200, body: { outputs } });
      expect(await code(on), JSON.stringify(outputs)).toBe('INTERNAL');
    }
  });

  test.each([
    ['answers that are not of the protocol', '<html>'],
    ['outputs of the wrong shape', { outputs: [{ name: 'scores', datatype: 'FP32', shape: [1, 2], data: [1, 2] }] }],
  ])('blames the server after eight %s in a row', async (_, body) => {
    const on = await loaded();
    await firstValueFrom(on.run('family-name', BATCH));
    server.infer = () => ({ status: 200, body });
    const codes = [];
    for (let i = 0; i < 8; i++) codes.push(await code(on));
    expect(codes).toEqual([...new Array(7).fill('INTERNAL'), 'UNAVAILABLE']);
  });

  test.each([
    ['UNAVAILABLE', status.UNAVAILABLE, 'Exceeds maximum queue size'],
    ['DEADLINE_EXCEEDED', status.DEADLINE_EXCEEDED, 'upstream request timeout'],
  ])(
    'over gRPC: blames the batch if a server that is ready answers %s, and the server if it is gone',
    async (_, told, details) => {
      const remote = await startOipGrpcServer();
      const on = backend(remote.url);
      await firstValueFrom(on.load(MODEL));
      expect((await firstValueFrom(on.run('family-name', BATCH))).scores).toEqual(Float32Array.of(1, 2, 3, 5, 8, 13));
      remote.failure = { code: told, details };
      expect(await failure(on.run('family-name', BATCH))).toMatchObject({
        code: 'INTERNAL',
        message: expect.stringContaining(details),
      });
      remote.stop();
      expect(await code(on)).toBe('UNAVAILABLE');
    },
  );

  test('names a requested output that does not exist', async () => {
    expect(await failure((await loaded()).run('family-name', BATCH, ['hidden']))).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: 'model family-name has no output hidden; its outputs are scores',
    });
  });
});

describe.runIf(hasOpenssl)('over TLS', () => {
  let folder: string;
  let secured: OipServer;
  const pem = (name: string): Buffer => readFileSync(join(folder, name));
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'cascade-remote-tls-'));
    writeCertificates(folder);
    secured = await startOipServer(0, {
      ca: pem('ca.pem'),
      cert: pem('server.pem'),
      key: pem('server.key'),
      requestCert: true,
    });
  });
  afterAll(async () => {
    await secured?.stop();
    rmSync(folder, { recursive: true });
  });
  const over = (tls: OipClientOptions['tls']): Backend =>
    backend(secured.url, { client: openOipClient({ url: secured.url, timeoutMs: 20_000, headers: {}, tls }) });

  test('a certificate from an unknown authority is refused, saying what to do', async () => {
    expect((await failure(over({}).load(MODEL))).message).toMatch(
      /cannot be reached: .*; name the authority of its certificate in tls\.ca$/,
    );
  });

  test('a server that wants a certificate gets ours, or refuses', async () => {
    expect((await failure(over({ ca: pem('ca.pem') }).load(MODEL))).name).toBe('ConfigError');
    const ours = over({ ca: pem('ca.pem'), cert: pem('client.pem'), key: pem('client.key') });
    await firstValueFrom(ours.load(MODEL));
    expect((await firstValueFrom(ours.run('family-name', BATCH))).classes).toBe(2);
  });
});

test('a server that disappears while nothing runs is reported as lost, and awaited until it is back', async () => {
  const on = await loaded();
  const lost = failure(on.lost$!);
  await server.stop();
  expect(await lost).toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('ECONNREFUSED') });
  const reasons: string[] = [];
  const again = backend(server.url, { onWaiting: (model, reason) => void reasons.push(`${model}: ${reason}`) });
  const back = firstValueFrom(again.load(MODEL));
  await eventually(() => expect(reasons[0]).toMatch(/^family-name: .*ECONNREFUSED/));
  server = await startOipServer(server.port);
  server.ready = { status: 503, body: { error: 'loading' } };
  await eventually(() => expect(reasons.at(-1)).toContain('loading'));
  server.ready = { status: 200 };
  expect((await back).inputs).toMatchObject([{ name: 'x', dtype: 'float32', shape: [2] }]);
});
