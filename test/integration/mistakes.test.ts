import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unzipSync, zipSync } from 'fflate';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type NatsServer, startNatsServer } from '../../engine/bus/nats-server.ts';
import { writeImageFamily } from '../fixtures/image-family.ts';
import { npyFile } from '../fixtures/npy-writer.ts';
import { runCommandLine } from '../support/command-line.ts';
import { modelOf } from '../support/folders.ts';
import { credentialsOf, PASSWORDS } from '../support/roles.ts';

/**
 * Deliberate mistakes and the whole output for each: the snapshot is meant to be read. `check` is shown with its
 * problems and warnings only.
 */

const root = mkdtempSync(join(tmpdir(), 'cascade-mistakes-'));
const servers: { open?: NatsServer; secure?: NatsServer; small?: NatsServer } = {};
let http: Server;

/** A synthetic family, profiled and planned in a moment. */
const SYNTHETIC = `name: made-up
synthetic:
  models:
    - { name: small, accuracy: 0.8, fixed: 1ms, perSample: 0.1ms, memory: 100MiB }
    - { name: large, accuracy: 0.9, fixed: 4ms, perSample: 1ms, memory: 400MiB }
  samples: 400
devices: [ { id: d0, kind: emulated, like: cpu-1, memory: 1GiB } ]
slo: { p95: 100ms }
load: { qpsMax: 200, ranges: 2 }
`;

beforeAll(async () => {
  writeImageFamily(join(root, 'image'));
  const madeUp = join(root, 'made-up');
  cpSync(join(root, 'image'), madeUp, { recursive: true });
  writeFileSync(join(madeUp, 'deployment.yaml'), SYNTHETIC);
  for (const command of ['profile', 'plan']) expect(await runCommandLine([command, madeUp])).toMatchObject({ code: 0 });
  const conf = join(root, 'nats');
  cpSync('conf/nats', conf, { recursive: true });
  writeFileSync(join(conf, 'small.conf'), 'max_payload: 600\n');
  Object.assign(process.env, PASSWORDS, { CASCADE_STORE_DIR: join(root, 'store') });
  servers.open = await startNatsServer({ jetstream: true });
  servers.secure = await startNatsServer({ configFile: join(conf, 'server.conf') });
  servers.small = await startNatsServer({ configFile: join(conf, 'small.conf') });
  http = createServer((_, response) => response.end('no NATS'));
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
});

afterAll(async () => {
  for (const server of Object.values(servers)) await server.stop();
  http.close();
  rmSync(root, { recursive: true });
});

interface Mistake {
  readonly what: string;
  readonly of?: 'image' | 'made-up';
  /** Makes the mistake in a copy of the deployment. */
  readonly make?: (change: Change) => void;
  /** `@` is the deployment, `OPEN`, `SECURE` and `SMALL` are NATS servers. */
  readonly run: string;
}

interface Change {
  readonly path: (file: string) => string;
  /** In deployment.yaml. */
  readonly replace: (from: string, to: string) => void;
  readonly append: (yaml: string) => void;
  readonly json: (file: string, edit: (value: JsonObject) => void) => void;
}

// biome-ignore lint/suspicious/noExplicitAny: plans and profiles are damaged in ways that their types forbid
type JsonObject = any;

const check = 'check @ --nats OPEN';
/** Data in separate files, so that each can be replaced. */
function unpacked({ path, replace }: Change): void {
  for (const [name, content] of Object.entries(unzipSync(readFileSync(path('data.npz'))))) writeFileSync(path(name), content);
  replace('inputs: data.npz', 'inputs: { pixels: pixels.npy }, labels: labels.npy');
}

function as(role: 'client' | 'internal', { append }: Change): void {
  const { user, password, inboxPrefix } = credentialsOf(role);
  append(`nats: { user: ${user}, password: ${password}, inboxPrefix: ${inboxPrefix} }`);
}

const MISTAKES: readonly Mistake[] = [
  // configuration
  { what: 'not YAML', make: ({ append }) => append('classes: [a, b'), run: check },
  { what: 'an empty file', make: ({ path }) => writeFileSync(path('deployment.yaml'), ''), run: check },
  { what: 'a misspelt key', make: ({ replace }) => replace('scores:', 'score:'), run: check },
  { what: 'no SLO', make: ({ replace }) => replace('slo: { accuracy: 0.8 }', ''), run: check },
  { what: 'two SLOs', make: ({ replace }) => replace('{ accuracy: 0.8 }', '{ accuracy: 0.8, p95: 9 }'), run: check },
  { what: 'an accuracy in percent', make: ({ replace }) => replace('accuracy: 0.8', 'accuracy: 80'), run: check },
  { what: 'an invalid time', make: ({ append }) => append('deadline: soon'), run: check },
  { what: 'an invalid memory size', make: ({ replace }) => replace('512MiB', 'lots'), run: check },
  { what: 'a name with a dot', make: ({ replace }) => replace('name: image', 'name: my.image'), run: check },
  { what: 'two models with the same name', make: ({ replace }) => replace('name: look', 'name: glance'), run: check },
  { what: 'an unknown kind of device', make: ({ replace }) => replace('kind: cpu', 'kind: gpu'), run: check },
  { what: 'a core named twice', make: ({ replace }) => replace('[0]', '[0, 0]'), run: check },
  { what: 'a core that does not exist', make: ({ replace }) => replace('[0]', '[4095]'), run: check },
  { what: 'a host without devices', run: 'check @ --nats OPEN --host mars' },
  { what: 'an unknown certainty', make: ({ append }) => append('certainty: sure'), run: check },
  { what: 'a task without its required options', make: ({ append }) => append('task: regression'), run: check },
  { what: 'an unset variable', make: ({ append }) => append(`prefix: "\${CASCADE_NO_SUCH}"`), run: check },
  { what: 'a deadline above its maximum', make: ({ append }) => append('deadline: { default: 9s, max: 1s }'), run: check },
  { what: 'an empty list of models', make: ({ replace }) => replace('models:', 'models: []\nmodles:'), run: check },
  // models
  { what: 'a missing model', make: ({ replace }) => replace('look.onnx', 'lok.onnx'), run: check },
  { what: 'text instead of a model', make: ({ path }) => writeFileSync(path('look.onnx'), 'import torch\n'), run: check },
  {
    what: 'a pointer instead of a model',
    make: ({ path }) => writeFileSync(path('look.onnx'), 'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n'),
    run: check,
  },
  { what: 'half a model', make: ({ path }) => truncateSync(path('study.onnx'), 3_000), run: check },
  { what: 'an empty model', make: ({ path }) => writeFileSync(path('look.onnx'), ''), run: check },
  { what: 'models with different inputs', make: ({ path }) => writeFileSync(path('look.onnx'), modelOf()), run: check },
  {
    what: 'an operator that does not exist',
    make: ({ path }) =>
      writeFileSync(
        path('look.onnx'),
        modelOf({
          inputs: [{ name: 'pixels', type: 'float32', shape: ['batch', 3, 8, 8] }],
          outputs: [{ name: 'scores', type: 'float32', shape: ['batch', 5] }],
          op: 'NoSuchOperator',
        }),
      ),
    run: check,
  },
  { what: 'settings for an unknown input', make: ({ append }) => append('inputs: { pixel: { pad: 0 } }'), run: check },
  { what: 'a missing output', make: ({ append }) => append('output: logit'), run: check },
  // data
  { what: 'missing data', make: ({ replace }) => replace('data.npz', 'dat.npz'), run: check },
  { what: 'an invalid archive', make: ({ path }) => writeFileSync(path('data.npz'), 'PK no'), run: check },
  {
    what: 'an archive without the input',
    make: ({ path }) => {
      const { 'labels.npy': labels, 'pixels.npy': pixels } = unzipSync(readFileSync(path('data.npz')));
      writeFileSync(path('data.npz'), zipSync({ 'labels.npy': labels, 'images.npy': pixels }));
    },
    run: check,
  },
  {
    what: 'samples and labels with the wrong shape',
    make: (change) => {
      unpacked(change);
      writeFileSync(change.path('pixels.npy'), npyFile([2, 5], new Float32Array(10)));
      writeFileSync(change.path('labels.npy'), npyFile([2, 2, 2], new Int32Array(8)));
    },
    run: check,
  },
  {
    what: 'fewer labels than samples',
    make: (change) => {
      unpacked(change);
      writeFileSync(change.path('labels.npy'), npyFile([3], new Int32Array(3)));
    },
    run: check,
  },
  {
    what: 'no labels',
    make: (change) => {
      unpacked(change);
      change.replace(', labels: labels.npy', '');
    },
    run: check,
  },
  { what: 'no data', make: ({ replace }) => replace('data: {', 'drift: {}\ndatum: {'), run: check },
  { what: 'classes that do not match the labels', make: ({ append }) => append('classes: [a, b]'), run: check },
  // profile and plan
  { of: 'made-up', what: 'no profile', make: ({ path }) => rmSync(path('profile.json')), run: 'serve @ --nats OPEN' },
  { of: 'made-up', what: 'half a profile', make: ({ path }) => truncateSync(path('profile.json'), 999), run: check },
  { of: 'made-up', what: 'an old profile', make: ({ json }) => json('profile.json', (p) => (p.schema = 1)), run: check },
  { of: 'made-up', what: 'a damaged profile', make: ({ json }) => json('profile.json', (p) => delete p.labels), run: check },
  { of: 'made-up', what: 'a profile of another deployment', make: ({ replace }) => replace('made-up', 'real'), run: check },
  { of: 'made-up', what: 'a profile of other models', make: ({ replace }) => replace('0.9,', '0.95,'), run: check },
  { of: 'made-up', what: 'no plan', make: ({ path }) => rmSync(path('plan.json')), run: 'serve @ --nats OPEN' },
  { of: 'made-up', what: 'half a plan', make: ({ path }) => truncateSync(path('plan.json'), 999), run: check },
  { of: 'made-up', what: 'an old plan', make: ({ json }) => json('plan.json', (p) => (p.schema = 1)), run: check },
  { of: 'made-up', what: 'an empty plan', make: ({ path }) => writeFileSync(path('plan.json'), '{}'), run: check },
  {
    of: 'made-up',
    what: 'a plan with an unknown model and an unknown device',
    make: ({ json }) =>
      json('plan.json', (p) => {
        p.placement.push({ model: 'huge', device: 'd9' });
      }),
    run: check,
  },
  {
    of: 'made-up',
    what: 'a plan with invalid shares',
    make: ({ json }) =>
      json('plan.json', (p) => {
        for (const gear of p.gears) for (const model of Object.keys(gear.shares)) gear.shares[model] = { d0: 0.5 };
      }),
    run: check,
  },
  { of: 'made-up', what: 'a plan for another goal', make: ({ replace }) => replace('100ms }', '50ms }'), run: check },
  { of: 'made-up', what: 'a plan for a lower load', make: ({ replace }) => replace('qpsMax: 200', 'qpsMax: 300'), run: check },
  { of: 'made-up', what: 'a damaged calibration', make: (c) => writeFileSync(c.path('calibration.json'), '{}'), run: check },
  { of: 'made-up', what: 'an SLO out of reach', run: 'plan @ --p95 0.5' },
  { of: 'made-up', what: 'explain without a plan', run: 'explain @/nothing.json' },
  { of: 'made-up', what: 'explain of a folder', run: 'explain @' },
  // NATS, permissions, ports
  { of: 'made-up', what: 'nobody listening on that port', run: 'check @ --nats nats://127.0.0.1:1' },
  { of: 'made-up', what: 'a port of another protocol', run: 'check @ --nats HTTP' },
  { of: 'made-up', what: 'an invalid port', run: 'check @ --nats nats://127.0.0.1:70000' },
  { of: 'made-up', what: 'a host that does not exist', run: 'check @ --nats nats://no-such-host.invalid:4222' },
  { of: 'made-up', what: 'no credentials', run: 'check @ --nats SECURE' },
  {
    of: 'made-up',
    what: 'a wrong password',
    make: ({ append }) => append('nats: { user: internal, password: wrong }'),
    run: 'check @ --nats SECURE',
  },
  {
    of: 'made-up',
    what: 'a password in an unset variable',
    make: ({ append }) => append(`nats: { user: internal, password: "\${CASCADE_NO_SUCH}" }`),
    run: 'check @ --nats SECURE',
  },
  { of: 'made-up', what: 'missing credentials', make: (c) => c.append('nats: { credsFile: a.creds }'), run: check },
  { of: 'made-up', what: 'a user with few permissions', make: (c) => as('client', c), run: 'check @ --nats SECURE' },
  {
    of: 'made-up',
    what: 'an inbox that is not ours',
    make: (c) => c.append('nats: { user: internal, password: secret-of-internal }'),
    run: 'check @ --nats SECURE',
  },
  { of: 'made-up', what: 'TLS with a server without TLS', make: ({ append }) => append('nats: { tls: {} }'), run: check },
  { of: 'made-up', what: 'a server without JetStream', make: ({ append }) => append('durable: {}'), run: 'check @ --nats SMALL' },
  { what: 'samples above the message size', run: 'check @ --nats SMALL' },
  { of: 'made-up', what: 'the status of a deployment that is not running', run: 'status @ --nats OPEN' },
  { of: 'made-up', what: 'a plan pushed to nobody', run: 'push-plan @ @/plan.json --nats OPEN' },
  { of: 'made-up', what: 'a gear pinned on a deployment that is not running', run: 'pin-gear @ 0 --nats OPEN' },
  { of: 'made-up', what: 'load on a deployment that is not running', run: 'load @ --qps 5 --seconds 1 --nats OPEN' },
  // files and command lines
  { of: 'made-up', what: 'a file in a missing folder', run: 'plan @ --out @/absent/plan.json' },
  { of: 'made-up', what: 'a folder instead of a file', run: 'check @ --json @' },
  { of: 'made-up', what: 'a missing trace', run: 'simulate @ --trace @/absent.csv' },
  { of: 'made-up', what: 'a load without an end', run: 'simulate @ --qps 5' },
  { what: 'an init over a deployment', run: 'init @' },
  { what: 'a command that does not exist', run: 'sreve @' },
  { what: 'a command without a deployment', run: 'check' },
];

test.each(MISTAKES.map((mistake, i) => [mistake.what, mistake, i] as const))('%s', async (_, { of = 'image', make, run }, i) => {
  const folder = join(root, String(i));
  cpSync(join(root, of), folder, { recursive: true });
  const file = join(folder, 'deployment.yaml');
  make?.({
    path: (name) => join(folder, name),
    replace: (from, to) => {
      const text = readFileSync(file, 'utf8');
      expect(text).toContain(from);
      writeFileSync(file, text.replace(from, to));
    },
    append: (yaml) => writeFileSync(file, `${readFileSync(file, 'utf8')}${yaml}\n`),
    json: (name, edit) => {
      const value: JsonObject = JSON.parse(readFileSync(join(folder, name), 'utf8'));
      edit(value);
      writeFileSync(join(folder, name), JSON.stringify(value));
    },
  });
  const urls = { OPEN: servers.open!.url, SECURE: servers.secure!.url, SMALL: servers.small!.url, HTTP: httpUrl() };
  const args = run.split(' ').map((word) => (urls as Record<string, string>)[word] ?? word.replace('@', folder));
  const { code, stdout, stderr } = await runCommandLine(args);
  // Warnings are left out if there is a problem.
  const beside = code === 2 ? /^(ok {5}|warning {2}|next: |[┌│└])/ : /^(ok {5}|next: |[┌│└])/;
  // On a busy machine the load generator lags, and says so.
  const hidden = (line: string): boolean => beside.test(line) || line.startsWith('VOID (');
  const lines = `${stderr}${stdout}`.split('\n').filter((line) => !hidden(line));
  const masked = Object.entries(urls)
    .reduce(
      (text, [name, url]) => text.replaceAll(url, `nats://${name}`).replaceAll(url.replace('nats://', ''), name),
      lines.join('\n'),
    )
    .replaceAll(folder, 'DIR')
    .replaceAll(root, 'ROOT')
    .replaceAll(/\b[0-9a-f]{8}\b/g, 'DIGEST')
    .replaceAll(/this process may use cores? [\d, ]+/g, 'this process may use cores N');
  expect(masked).not.toMatch(/\n {4}at |TypeError|undefined/);
  expect(`$ cascade ${run}\n${masked}exit code ${code}`).toMatchSnapshot();
});

function httpUrl(): string {
  return `nats://127.0.0.1:${(http.address() as AddressInfo).port}`;
}
