import { copyFileSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, type TestContext, test } from 'vitest';
import { type NatsServer, startNatsServer } from '../../engine/bus/nats-server.ts';
import { type Cascade, profileAndPlan, startCascade, startCommand } from '../support/cascade.ts';
import { fashionOnTwoDevices } from '../support/fashion.ts';
import { freePort } from '../support/free-port.ts';
import { onPath } from '../support/programs.ts';

/** The examples in docs/clients, run unchanged against a running deployment. */
const EXAMPLES = resolve('docs/clients');
/** Time to install from a package index, compile, and run a client on a busy machine. */
const PATIENT_MS = 400_000;

const folder = mkdtempSync(join(tmpdir(), 'cascade-clients-'));
let server: NatsServer;
let serving: Cascade;
let env: Record<string, string>;

beforeAll(async () => {
  server = await startNatsServer({ jetstream: true });
  const gateway = `127.0.0.1:${await freePort()}`;
  const deployment = fashionOnTwoDevices('fashion', server.url, { qpsMax: 100, ranges: 2 });
  writeFileSync(join(folder, 'deployment.yaml'), `${deployment}durable: {}\n`);
  await profileAndPlan(folder);
  serving = startCascade(['serve', folder, '--http', gateway, '--log-level', 'warn']);
  expect(await serving.firstLine).toMatch(/^cascade fashion is ready/);
  env = { NATS_URL: server.url, GATEWAY: gateway, GATEWAY_URL: `http://${gateway}` };
});

afterAll(async () => {
  const end = await serving?.stop();
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
  expect(end?.code, end?.stderr).toBe(0);
});

/** The output of an example, line by line. */
async function linesOf(program: string, args: readonly string[], more: { cwd?: string; env?: Record<string, string> } = {}) {
  const { code, stdout, stderr } = await startCommand(program, args, { ...more, env: { ...env, ...more.env } }).ended;
  expect(code, `${program} ${args.join(' ')}:\n${stdout}${stderr}`).toBe(0);
  return stdout.trimEnd().split('\n');
}

/** Skips the test, saying why, if something is not available here. */
function without(context: TestContext, what: string, why: string): never {
  process.stderr.write(`${context.task.name}: skipped, as there is no ${what} (${why})\n`);
  return context.skip(`no ${what}`) as never;
}

/** The path where Python finds these packages. */
async function pythonPackages(context: TestContext, requirement: string): Promise<string> {
  const target = join(folder, requirement.replaceAll(/\W/g, '-'));
  const args = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--target', target, requirement];
  if (onPath('python3') === undefined) return without(context, 'python3', 'not on the PATH');
  const { code, stderr } = await startCommand('python3', args).ended;
  return code === 0 ? target : without(context, requirement, `pip: ${stderr.trim().split('\n').at(-1)}`);
}

const LABEL = String.raw`label \d by [\w-]+`;
const FRAME = ['grey-0', 'grey-128', 'grey-255'];
const line = (pattern: string) => expect.stringMatching(new RegExp(`^${pattern}$`));
const durable = (id: string) => line(`durable: ${id}, which cascade_fashion_durable has stored, ${LABEL}`);

test('TypeScript with our own client', { timeout: PATIENT_MS }, async () => {
  const source = readFileSync(join(EXAMPLES, 'client.ts'), 'utf8');
  const library = pathToFileURL(resolve('actors/client/index.ts')).href;
  const script = source.replace("'cascadeserve'", `'${library}'`);
  expect(script).not.toBe(source);
  writeFileSync(join(folder, 'client.ts'), script);
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n');
  symlinkSync(resolve('node_modules'), join(folder, 'node_modules'));
  const lines = await linesOf(process.execPath, ['--import', 'tsx', 'client.ts'], { cwd: folder });
  expect(lines).toEqual([
    line(`request: ${LABEL}`),
    ...FRAME.map((id) => line(`frame: ${id} ${LABEL}`)),
    durable('typescript-1'),
  ]);
});

/** The common output of the clients that only know NATS. */
const plainNats = (name: string) => [
  line(`request: ${LABEL}`),
  line(`opaque: ${LABEL}`),
  ...FRAME.map((id) => line(`frame: ${id} ${LABEL}`)),
  line(`results: ${name}-1 ${LABEL}`),
  durable(`${name}-2`),
];

test('Python with nats-py', { timeout: PATIENT_MS }, async (context) => {
  const PYTHONPATH = await pythonPackages(context, 'nats-py==2.15.0');
  expect(await linesOf('python3', [join(EXAMPLES, 'client.py')], { env: { PYTHONPATH } })).toEqual(plainNats('python'));
});

test('Go with nats.go', { timeout: PATIENT_MS }, async (context) => {
  if (onPath('go') === undefined) return without(context, 'go', 'not on the PATH');
  for (const file of ['main.go', 'go.mod', 'go.sum']) copyFileSync(join(EXAMPLES, 'go', file), join(folder, file));
  const program = join(folder, 'client');
  const vendored = { GOFLAGS: '-buildvcs=false', GOTOOLCHAIN: 'local' };
  const download = await startCommand('go', ['mod', 'download'], { cwd: folder, env: vendored }).ended;
  if (download.code !== 0) return without(context, 'nats.go', download.stderr.trim());
  await linesOf('go', ['build', '-o', program, '.'], { cwd: folder, env: vendored });
  expect(await linesOf(program, [])).toEqual(plainNats('go'));
});

test('the NATS command line', { timeout: PATIENT_MS }, async (context) => {
  if (onPath('nats') === undefined)
    return without(context, 'nats', 'Debian has no package of it; go install github.com/nats-io/natscli/nats@v0.5.0');
  const lines = (await linesOf('sh', [join(EXAMPLES, 'nats.sh')])).filter((text) => text.startsWith('{'));
  const answers = lines.map((text) => JSON.parse(text) as Record<string, unknown>);
  const [request, ...others] = answers;
  const result = (id: unknown) => expect.objectContaining({ id, label: expect.any(Number), model: expect.any(String) });
  expect(request).toEqual(result(expect.any(String)));
  expect(others.slice(0, 3)).toEqual(expect.arrayContaining(FRAME.map(result)));
  expect(others.slice(3)).toEqual([
    result(expect.any(String)),
    result('cli-1'),
    expect.objectContaining({ stream: 'cascade_fashion_durable' }),
    result('cli-2'),
  ]);
});

test('curl and the gateway', { timeout: PATIENT_MS }, async (context) => {
  if (onPath('curl') === undefined) return without(context, 'curl', 'not on the PATH');
  const [ready, metadata, json, bytes] = (await linesOf('sh', [join(EXAMPLES, 'gateway.sh')])).map((text) => JSON.parse(text));
  expect(ready).toEqual({ ready: true });
  expect(metadata).toMatchObject({ name: 'fashion', inputs: [{ name: 'image', datatype: 'UINT8' }] });
  expect(json).toMatchObject({ id: 'curl-1', outputs: [{ name: 'label', data: [expect.any(Number)] }, { name: 'model' }] });
  expect(bytes).toMatchObject({ id: 'curl-3', outputs: [{ name: 'label', shape: [3] }] });
});

test("Triton's client and the gateway", { timeout: PATIENT_MS }, async (context) => {
  const PYTHONPATH = await pythonPackages(context, 'tritonclient[http]==2.73.0');
  const lines = await linesOf('python3', [join(EXAMPLES, 'triton.py')], { env: { PYTHONPATH } });
  expect(lines).toEqual(['ready: True', ...FRAME.map(() => line(`infer: ${LABEL}`))]);
});

test('the page about the examples names each one', () => {
  const page = readFileSync(join(EXAMPLES, 'README.md'), 'utf8');
  for (const file of ['client.ts', 'client.py', 'go/main.go', 'nats.sh', 'gateway.sh', 'triton.py']) {
    expect(page).toContain(`[${file}](${file})`);
  }
});
