import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { deploymentInputs } from '../../../../../plans/data/load-labelled-data.ts';
import { deviceClass } from '../../../../../plans/domain/deployment/deployment.ts';
import { isOnServersOnly } from '../../../../../plans/domain/deployment/model-entry.ts';
import { loadDeployment } from '../../../../../plans/domain/deployment/read-deployment.ts';
import { profileDigest } from '../../../../../plans/domain/profile/profile-digest.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cascade-remote-'));
  writeFileSync(join(folder, 'here.onnx'), '');
});
afterAll(() => rmSync(folder, { recursive: true }));

function deployment({
  models = '[{ name: a, remote: there-a }, { name: b, remote: { name: there-b, version: 3 } }]',
  devices = '[{ id: s, kind: remote, url: "http://server:8000" }]',
  inputs = '{ x: { datatype: FP32, shape: [any, 16] } }',
} = {}): ReturnType<typeof loadDeployment> {
  writeFileSync(
    join(folder, 'deployment.yaml'),
    `name: test
models: ${models}
devices: ${devices}
inputs: ${inputs}
slo: { p95: 100ms }
load: { qpsMax: 10 }
`,
  );
  return loadDeployment(folder);
}

test('models on a server need neither files nor memory', () => {
  const read = deployment();
  expect(read.models.map(({ file, remote }) => [file, remote])).toEqual([
    ['remote:there-a', { name: 'there-a' }],
    ['remote:there-b, version 3', { name: 'there-b', version: '3' }],
  ]);
  expect(read.models.every(isOnServersOnly)).toBe(true);
  expect(read.devices).toMatchObject([
    { kind: 'remote', models: ['a', 'b'], memoryBytes: Number.MAX_SAFE_INTEGER, inFlight: 1, timeoutMs: 5_000, headers: {} },
  ]);
  expect(deploymentInputs(read)).toMatchObject([{ name: 'x', dtype: 'float32', shape: [null, 16] }]);
});

test('another server, concurrency or remote model needs a new profile', () => {
  const digests = [
    deployment(),
    deployment({ devices: '[{ id: s, kind: remote, url: "http://other:8000" }]' }),
    deployment({ devices: '[{ id: s, kind: remote, url: "http://server:8000", inFlight: 2 }]' }),
    deployment({ models: '[{ name: a, remote: there-a }, { name: b, remote: { name: there-b, version: 4 } }]' }),
  ].map((read) => profileDigest(read));
  expect(new Set(digests).size).toBe(4);
  expect(deviceClass(deployment().devices[0])).toBe('remote:http://server:8000');
});

describe('mistakes', () => {
  const server = (rest: string): string => `[{ id: s, kind: remote, ${rest} }]`;
  test.each([
    [
      { devices: server('url: server') },
      'devices[0].url: "server" is not a URL; write a URL such as http://triton:8000 or grpc://triton:8001',
    ],
    [{ devices: server('url: "ftp://server"') }, 'devices[0].url: "ftp://server" is neither http, https, grpc nor grpcs'],
    [{ devices: server('url: "grpc://server"') }, 'devices[0].url: "grpc://server" has no port'],
    [{ devices: server('url: "http://u:p@server"') }, 'devices[0].url: holds a user name; give credentials in `headers`'],
    [{ devices: server('url: "http://server/v2"') }, 'leave out what begins with /v2'],
    [
      { devices: server('url: "http://server", tls: {}') },
      'devices[0].tls: needs https:// or grpcs://; the url is http://server',
    ],
    [{ devices: server('url: "https://server", tls: { cert: here.onnx }') }, 'devices[0].tls: has only one of cert and key'],
    [{ devices: server('url: "https://server", tls: { ca: no.pem }') }, 'devices[0].tls.ca: no.pem does not exist'],
    [{ devices: server('url: "http://server", models: [a, c]') }, 'devices[0].models[1]: c is not a model; the models are a, b'],
    [{ devices: server('url: "http://server", models: [a]') }, 'models[1].remote: no device of kind remote has model b'],
    [
      { models: '[{ name: a, file: here.onnx }]', devices: server('url: "http://server"') },
      'devices[0]: no model has a name on a server; write `remote: NAME`',
    ],
    [
      {
        models: '[{ name: a, file: here.onnx }, { name: b, remote: b }]',
        devices: server('url: "http://server", models: [a, b]'),
      },
      'devices[0].models[0]: a has no `remote`, the name that the server knows it by',
    ],
    [
      { models: '[{ name: a }, { name: b, remote: b }]' },
      'models[0].file: is missing; name an ONNX file, or what a server calls the model',
    ],
    [{ models: '[{ name: a, remote: 3 }]' }, 'models[0].remote: 3 does not name a model of a server'],
    [{ inputs: '{ x: { datatype: BF16, shape: [1] } }' }, 'inputs.x.datatype: "BF16" is not one of BOOL, UINT8'],
    [
      {
        devices: '[{ id: s, kind: remote, url: "http://server" }, { id: t, kind: remote, url: "http://server", models: [a] }]',
      },
      'devices[1].models: has a, but another device with this url has a, b; give both the same models',
    ],
  ])('%j', (parts, message) => {
    expect(() => deployment(parts)).toThrow(message);
  });

  test('inputs that are described partly or not at all', () => {
    expect(() => deploymentInputs(deployment({ inputs: '{}' }))).toThrow(
      'inputs: all models are only on servers, so the inputs of a sample are unknown here; declare them as the servers do',
    );
    expect(() => deploymentInputs(deployment({ inputs: '{ x: { datatype: FP32 } }' }))).toThrow(
      'inputs.x: has only one of datatype and shape; write both or neither',
    );
  });
});
