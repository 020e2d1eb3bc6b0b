import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test, vi } from 'vitest';
import { fromEnvironment } from '../../../../../plans/domain/deployment/from-environment.ts';
import { loadDeployment } from '../../../../../plans/domain/deployment/read-deployment.ts';

const dir = mkdtempSync(join(tmpdir(), 'cascade-secrets-'));
afterAll(() => rmSync(dir, { recursive: true }));
afterEach(() => vi.unstubAllEnvs());
writeFileSync(join(dir, 'small.onnx'), '');

function load({ name = 'small', nats = '{}' }: { name?: string; nats?: string }) {
  writeFileSync(
    join(dir, 'deployment.yaml'),
    `name: '${name}'
models: [ { name: a, file: '\${MODEL_FILE}' } ]
devices: [ { id: cpu0, kind: cpu, memory: 1GiB } ]
slo: { p95: 0.1s }
load: { qpsMax: 400 }
nats: ${nats}
`,
  );
  return loadDeployment(dir);
}

test.each([
  ['{ password: 8271 }', 'nats.password: a number is not a string'],
  ['{ token: [ 8271 ] }', 'nats.token: a list is not a string'],
  ['{ servers: "nats://joe:8271@host" }', 'nats.servers: a string is not a list'],
  ['{ servers: [ { joe: 8271 } ] }', 'nats.servers[0]: a mapping is not a string'],
  ['8271', 'nats: a number is not a mapping'],
  ['[ { password: 8271 } ]', 'nats: a list is not a mapping'],
])('a message about nats: %s does not reveal it', (nats, message) => {
  vi.stubEnv('MODEL_FILE', 'small.onnx');
  let thrown: unknown;
  try {
    load({ nats });
  } catch (error) {
    thrown = error;
  }
  expect(String(thrown)).toContain(message);
  expect(String(thrown)).not.toContain('8271');
});

test('every string may refer to variables; a command that does not connect needs none of those in nats', () => {
  vi.stubEnv('MODEL_FILE', 'small.onnx');
  vi.stubEnv('STAGE', 'test');
  const nats = `{ servers: [ "nats://\${HOST}" ], password: "\${PASSWORD}", credsFile: "\${HOME_OF}/creds", tls: { ca: "\${CA}" } }`;
  const deployment = load({ name: `small-\${STAGE}`, nats });
  expect(deployment.name).toBe('small-test');
  expect(deployment.models[0].file).toBe(join(dir, 'small.onnx'));
  expect(deployment.nats).toMatchObject({
    servers: [`nats://\${HOST}`],
    password: `\${PASSWORD}`,
    credsFile: `\${HOME_OF}/creds`,
    tls: { ca: `\${CA}` },
  });
});

test('an escaped variable in the path of a file for nats stays as it is until the command connects', () => {
  vi.stubEnv('MODEL_FILE', 'small.onnx');
  const creds = join(dir, `\${HOST}.creds`);
  writeFileSync(creds, '');
  const { credsFile } = load({ nats: `{ credsFile: "$\${HOST}.creds" }` }).nats;
  expect(fromEnvironment('nats.credsFile', credsFile)).toBe(creds);
});

test('an unset variable is named with its position', () => {
  expect(() => load({})).toThrow(
    /deployment\.yaml:2:28 models\[0\]\.file: the environment variable MODEL_FILE is not set; set it, or write the value/,
  );
});
