import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type NatsServer, startNatsServer } from '../../engine/bus/nats-server.ts';
import { writeImageFamily } from '../fixtures/image-family.ts';
import { type Cascade, type Ended, startCommand } from '../support/cascade.ts';
import { freePort } from '../support/free-port.ts';
import { masked } from '../support/masked.ts';

/** The package as users get it: built, packed, installed in their own project, and run from there. */

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** In a checkout the command would find TypeScript and its loader; here it must do without. */
const NEEDED = [
  /^(package\.json|README\.md|ARCHITECTURE\.md|LICENSE|CHANGELOG\.md)$/,
  /^docs\/[\w-]+\.md$/,
  /^docs\/clients\/(README\.md|\w+\.(ts|py|sh)|go\/(main\.go|go\.(mod|sum)))$/,
  /^actors\/cascade\.mjs$/,
  /^actors\/dashboard\/page\/[a-z]+\.(html|css|js)$/,
  /^dist\/(engine|plans|actors)\/.*\.(js|d\.ts)$/,
  /^conf\/fashion\/(deployment\.yaml|trace\.csv)$/,
  /^conf\/fashion\/models\/[\w-]+\.onnx$/,
  /^conf\/fashion\/data\/(LICENSE|[\w-]+\.npy)$/,
  /^conf\/digits\/(README\.md|deployment\.yaml|models\/[\w-]+\.onnx|data\/digits\.csv)$/,
  /^conf\/languages\/(README\.md|deployment\.yaml|models\/[\w-]+\.onnx|data\/(LICENSE|texts\.jsonl))$/,
  /^conf\/(fashion|digits|languages)\/training\/[\w-]+\.(md|py)$/,
  /^conf\/(synthetic\/[\w-]+|two-hosts)\/(deployment|cluster|kubernetes)\.yaml$/,
  /^conf\/nats\/[a-z]+\.conf$/,
];

// A space in the path: paths that come from URLs must be decoded.
const folder = mkdtempSync(join(tmpdir(), 'cascade package-'));
const project = join(folder, 'project');
const deployment = join(folder, 'image');
let files: readonly string[];

async function run(program: string, args: readonly string[], cwd: string): Promise<Ended> {
  const end = await startCommand(program, args, { cwd }).ended;
  expect(end.code, `${program} ${args.join(' ')}:\n${end.stderr}`).toBe(0);
  return end;
}

function startInstalled(...args: string[]): Cascade {
  return startCommand(join(project, 'node_modules', '.bin', 'cascade'), args, { cwd: project });
}

beforeAll(async () => {
  await run('npm', ['run', 'build'], ROOT);
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], ROOT);
  const [packed] = JSON.parse(stdout) as { filename: string; files: { path: string }[] }[];
  files = packed.files.map(({ path }) => path);
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), '{ "name": "project", "private": true, "type": "module" }\n');
  // The dependencies' install scripts are not needed, and download files that some networks block.
  const quietly = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund'];
  await run('npm', ['install', ...quietly, join(folder, packed.filename)], project);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('contains the files needed to run and to read, and nothing else', () => {
  expect(files.filter((path) => !NEEDED.some((pattern) => pattern.test(path)))).toEqual([]);
  for (const path of ['dist/actors/main.js', 'dist/actors/client/index.d.ts', 'conf/fashion/models/linear.onnx', 'LICENSE']) {
    expect(files).toContain(path);
  }
});

test('cascade shows its version and its commands; an unknown command is a usage error', async () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
  const [told, help, unknown] = await Promise.all([
    startInstalled('--version').ended,
    startInstalled('--help').ended,
    startInstalled('sevre').ended,
  ]);
  expect(told).toMatchObject({ code: 0, stdout: `${version}\n` });
  expect(help).toMatchObject({ code: 0, stdout: expect.stringContaining('serve [options] <deployment>') });
  expect(unknown).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining("unknown command 'sevre'") });
});

test('its types work in a strict project without any others', async () => {
  writeFileSync(
    join(project, 'typed.ts'),
    `import { CascadeError, connectCascade, type Result } from 'cascadeserve';

const client = await connectCascade({ servers: 'nats://127.0.0.1:4222', deployment: 'fashion' });
export const result: Result = await client.infer({ image: new Uint8Array(784), more: [[1, 2], [3, 4]] }, { deadlineMs: 500 });
export const label: number | undefined = result.label;
// @ts-expect-error: a label is a number
export const text: string = result.label;
export const isOurs = (error: unknown): boolean => error instanceof CascadeError && error.code === 'UNAVAILABLE';
await client.close();
`,
  );
  const strict = ['--noEmit', '--strict', '--skipLibCheck', 'false', '--module', 'nodenext', '--target', 'es2022', '--types', ''];
  const { stdout, code } = await startCommand(join(ROOT, 'node_modules', '.bin', 'tsc'), [...strict, 'typed.ts'], {
    cwd: project,
  }).ended;
  expect(stdout).toBe('');
  expect(code).toBe(0);
});

test('profiles, plans and serves from the build; a script sends requests with its client', async () => {
  writeImageFamily(deployment);
  writeFileSync(
    join(project, 'ask.js'),
    `import { connectCascade } from 'cascadeserve';

const client = await connectCascade({ servers: process.argv[2], deployment: 'image' });
const { id, label, model, exit } = await client.infer({ pixels: new Float32Array(3 * 8 * 8) }, { id: 'mine', deadlineMs: 30_000 });
console.log(JSON.stringify({ id, label, model, exit }));
await client.infer({ pictures: [1] }).catch((error) => console.log(error.code, error.message));
await client.close();
`,
  );
  for (const args of [
    ['profile', deployment, '--quick'],
    ['plan', deployment],
  ]) {
    const end = await startInstalled(...args).ended;
    expect(end.code, end.stderr).toBe(0);
  }
  const server: NatsServer = await startNatsServer();
  const serving = startInstalled('serve', deployment, '--nats', server.url, '--log-level', 'warn');
  try {
    expect(await serving.firstLine).toMatch(/^cascade image is ready/);
    const { stdout } = await run(process.execPath, ['ask.js', server.url], project);
    const [answer, refusal] = stdout.split('\n');
    expect(JSON.parse(answer)).toMatchObject({ id: 'mine', label: expect.any(Number), model: expect.any(String) });
    expect(refusal).toMatch(/^INVALID_ARGUMENT .*pictures.*pixels/);
  } finally {
    const end = await serving.stop();
    await server.stop();
    expect(end.code, end.stderr).toBe(0);
  }
});

test('each step leads a newcomer from a folder of models to answers', async () => {
  const folderName = 'my-models';
  writeImageFamily(join(project, folderName));
  rmSync(join(project, folderName, 'deployment.yaml'));
  const server = await startNatsServer({ jetstream: true });
  const [http, dashboard] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
  const steps: string[] = [];
  const note = (command: string, said: string): void => {
    const lines = masked(said, { [`${project}/`]: '', [server.url]: 'NATS', [http]: 'GATEWAY', [dashboard]: 'DASHBOARD' });
    steps.push(`$ ${masked(command, { [server.url]: 'NATS', [http]: 'GATEWAY', [dashboard]: 'DASHBOARD' })}\n${lines}\n`);
  };
  const step = async (...args: string[]): Promise<void> => {
    const { code, stdout, stderr } = await startInstalled(...args).ended;
    expect(code, `${args.join(' ')}:\n${stdout}${stderr}`).toBe(0);
    // Progress and the noise of this machine are not part of the path.
    const aside = stderr.replaceAll(/^(profiling|warning:) .*\n/gm, '');
    note(`npx cascade ${args.join(' ')}`, `${stdout}${aside}`);
  };
  const get = async (url: string, body?: string): Promise<void> => {
    const answer = await fetch(`http://${url}`, body === undefined ? {} : { method: 'POST', body });
    const text = await answer.text();
    expect(answer.status, text).toBe(200);
    note(
      `${body === undefined ? 'GET' : 'POST'} ${url}`,
      text.startsWith('<') ? (/<title>.*<\/title>/.exec(text)?.[0] ?? '') : text,
    );
  };
  const nats = ['--nats', server.url];
  await step('init', folderName);
  // As the draft asks, change the load to this newcomer's own, which any machine can carry.
  const file = join(project, folderName, 'deployment.yaml');
  writeFileSync(file, readFileSync(file, 'utf8').replace('qpsMax: 1000', 'qpsMax: 50'));
  await step('check', folderName, ...nats);
  await step('profile', folderName, '--quick');
  await step('plan', folderName);
  await step('explain', `${folderName}/plan.json`);
  await step('check', folderName, ...nats, '--http', http, '--dashboard', dashboard);
  const serve = ['serve', folderName, ...nats, '--http', http, '--dashboard', dashboard];
  const serving = startInstalled(...serve, '--log-level', 'warn');
  try {
    note(`npx cascade ${serve.join(' ')}`, await serving.firstLine);
    await step('load', folderName, ...nats, '--qps', '20', '--seconds', '2');
    await get(`${dashboard}/`);
    await get(`${dashboard}/healthz`);
    await get(`${http}/v2/health/ready`);
    await get(`${http}/v2/models/my-models`);
    const input = { name: 'pixels', shape: [1, 3, 8, 8], datatype: 'FP32', data: new Array(3 * 8 * 8).fill(0) };
    await get(`${http}/v2/models/my-models/infer`, JSON.stringify({ inputs: [input], outputs: [{ name: 'label' }] }));
  } finally {
    const end = await serving.stop();
    await server.stop();
    expect(end.code, end.stderr).toBe(0);
  }
  await expect(steps.join('\n')).toMatchFileSnapshot('__snapshots__/newcomer.txt');
}, 400_000);
