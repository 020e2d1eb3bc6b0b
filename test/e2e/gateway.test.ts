import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createClient } from '../../actors/client/client.ts';
import { realClock } from '../../engine/clock.ts';
import { joinBody } from '../../engine/oip/body.ts';
import { loadLabelledData } from '../../plans/data/load-labelled-data.ts';
import { loadDeployment } from '../../plans/domain/deployment/read-deployment.ts';
import { runCascade } from '../support/cascade.ts';
import { type ServedFashion, serveFashion } from '../support/fashion.ts';
import { freePort } from '../support/free-port.ts';
import { grpcClient } from '../support/grpc-client.ts';

/** `cascade serve --http --grpc` with real models: clients of the Open Inference Protocol get the same as clients of NATS. */
const SAMPLES = 8;
let served: ServedFashion;
let http: string;
let grpcUrl: string;
let images: Uint8Array[];
let labels: number[];

beforeAll(async () => {
  const [httpPort, grpcPort] = [await freePort(), await freePort()];
  const args = ['--http', String(httpPort), '--grpc', String(grpcPort)];
  served = await serveFashion('gateway', 'in-devices', { qpsMax: 400, ranges: 2 }, args);
  http = `http://127.0.0.1:${httpPort}`;
  grpcUrl = `grpc://127.0.0.1:${grpcPort}`;
  expect(served.firstLine).toContain(`or ask ${http} or ${grpcUrl}`);
  const data = loadLabelledData(loadDeployment(join(served.folder, 'deployment.yaml')));
  images = Array.from({ length: SAMPLES }, (_, i) => data.sample(i)[0].data);
  const client = createClient(served.bus, realClock, { deployment: 'gateway' });
  labels = await Promise.all(images.map(async (image) => (await client.infer({ image })).label ?? -1));
});

afterAll(() => served?.close());

const shape = [SAMPLES, 1, 28, 28];
const named = { name: 'image', datatype: 'UINT8', shape };

test('is ready when serve is, and describes its inputs and outputs', async () => {
  const ready = await fetch(`${http}/v2/health/ready`);
  expect([ready.status, await ready.json()]).toEqual([200, { ready: true }]);
  const metadata = (await (await fetch(`${http}/v2/models/gateway`)).json()) as { outputs: { name: string }[] };
  expect(metadata).toMatchObject({
    name: 'gateway',
    versions: ['1'],
    inputs: [{ name: 'image', datatype: 'UINT8', shape: [-1, 1, 28, 28] }],
  });
  expect(metadata.outputs.map(({ name }) => name)).toEqual(expect.arrayContaining(['label', 'certainty', 'model', 'scores']));
});

test('gives the same answers over HTTP, in JSON and in bytes, as plain NATS', async () => {
  const url = `${http}/v2/models/gateway/infer`;
  const outputs = [{ name: 'label' }, { name: 'scores' }];
  const json = { id: 'a', outputs, inputs: [{ ...named, data: images.flatMap((image) => [...image]) }] };
  const asJson = await fetch(url, { method: 'POST', body: JSON.stringify(json) });
  const answer = await asJson.json();
  expect(asJson.status, JSON.stringify(answer)).toBe(200);
  expect(answer).toMatchObject({
    id: 'a',
    outputs: [
      { name: 'label', shape: [SAMPLES], data: labels },
      { name: 'scores', shape: [SAMPLES, 10] },
    ],
  });
  const input = { ...named, parameters: { binary_data_size: SAMPLES * 784 } };
  const { body, jsonLength } = joinBody({ outputs, inputs: [input] }, images);
  const headers = { 'Inference-Header-Content-Length': String(jsonLength) };
  const asBytes = await fetch(url, { method: 'POST', body, headers });
  expect(await asBytes.json()).toMatchObject({ outputs: [{ data: labels }, {}] });
});

test('gives the same over gRPC, and counts its work', async () => {
  const client = grpcClient(grpcUrl);
  const request = { model_name: 'gateway', id: 'b', outputs: [{ name: 'label' }] };
  const raw = await client.call('ModelInfer', { ...request, inputs: [named], raw_input_contents: [Buffer.concat(images)] });
  const [bytes] = raw.raw_output_contents as Buffer[];
  expect(Array.from(new BigInt64Array(Uint8Array.from(bytes).buffer), Number)).toEqual(labels);
  const contents = { uint_contents: images.flatMap((image) => [...image]) };
  expect(await client.call('ModelInfer', { ...request, inputs: [{ ...named, contents }] })).toMatchObject({
    model_name: 'gateway',
    model_version: '1',
    id: 'b',
    outputs: [{ name: 'label', datatype: 'INT64', shape: [SAMPLES], contents: { int64_contents: labels } }],
  });
  expect(await client.call('ModelStatistics', { name: 'gateway' })).toMatchObject({
    model_stats: [{ inference_count: 4 * SAMPLES, inference_stats: { success: { count: 4 }, fail: { count: 0 } } }],
  });
  client.close();
});

test('an address that is taken, or does not fit the role, is a usage error', async () => {
  const { port } = new URL(http);
  const taken = await runCascade(['serve', served.folder, '--role', 'gateway', '--http', port, '--log-level', 'warn']);
  expect(taken).toMatchObject({ code: 2, stderr: expect.stringContaining(`--http 127.0.0.1:${port}: another process listens`) });
  const grpcPort = new URL(grpcUrl.replace('grpc', 'http')).port;
  const takenGrpc = await runCascade(['serve', served.folder, '--role', 'gateway', '--grpc', grpcPort, '--log-level', 'warn']);
  expect(takenGrpc).toMatchObject({
    code: 2,
    stderr: expect.stringContaining(`--grpc 127.0.0.1:${grpcPort}: another process listens`),
  });
  const role = await runCascade(['serve', served.folder, '--role', 'frontend', '--http', '0']);
  expect(role).toMatchObject({
    code: 2,
    stderr: '--http: role frontend has no gateway; use it with --role gateway, or without a role\n',
  });
});
