import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkDeployment } from '../../actors/check/check-deployment.ts';
import { describeCheck } from '../../actors/check/describe-check.ts';
import { type NatsServer, startNatsServer } from '../../engine/bus/nats-server.ts';
import { writeImageFamily } from '../fixtures/image-family.ts';
import { runCommandLine } from '../support/command-line.ts';

const dir = mkdtempSync(join(tmpdir(), 'cascade-check-'));
const nothing = join(dir, 'nothing');
let server: NatsServer;

beforeAll(async () => {
  server = await startNatsServer({ jetstream: true });
});

afterAll(async () => {
  await server?.stop();
  rmSync(dir, { recursive: true });
});

test('a sound deployment without a profile: lists what was checked, and the next step', async () => {
  writeImageFamily(join(dir, 'image'));
  const report = await checkDeployment(join(dir, 'image'), { nats: server.url });
  expect(report).toMatchObject({ deployment: 'image', verdict: 'warning' });
  expect(report.findings.filter(({ level }) => level !== 'ok')).toEqual([
    {
      level: 'warning',
      area: 'profile',
      message: `${join(dir, 'image', 'profile.json')} does not exist yet; make it with \`cascade profile\``,
    },
    {
      level: 'warning',
      area: 'plan',
      message: `${join(dir, 'image', 'plan.json')} does not exist yet; make it with \`cascade plan\``,
    },
  ]);
  const areas = new Set(report.findings.map(({ area }) => area));
  expect([...areas]).toEqual(['configuration', 'models', 'data', 'profile', 'plan', 'machine', 'nats', 'permissions']);
  expect(describeCheck(report, join(dir, 'image'))).toMatch(/\n0 problems, 2 warnings\nnext: cascade profile \S+image\n$/);
});

test.each([
  ['classes: names 6 classes, but the models output 5 class scores', 'classes: [a, b, c, d, e, f]\n', [0, 1, 2, 3, 4]],
  [
    'data.labels: without `classes`, the labels or the models name 4 classes: "a", "b", "c", "d", but',
    '',
    ['a', 'b', 'c', 'd', 'd'],
  ],
  ['data.labels: label 4 is 5; the models have classes 0 to 4.', '', [1, 2, 3, 4, 5]],
])('what `profile` would refuse after measuring is a problem: %s', async (message, more, classes) => {
  const folder = mkdtempSync(join(dir, 'classes-'));
  const file = writeImageFamily(folder);
  const labels = Array.from({ length: 400 }, (_, i) => `${classes[i % 5]}\n`);
  writeFileSync(join(folder, 'labels.csv'), `label\n${labels.join('')}`);
  const text = readFileSync(file, 'utf8').replace('inputs: data.npz', 'inputs: data.npz, labels: labels.csv');
  writeFileSync(file, `${text}${more}`);
  const { findings } = await checkDeployment(file, { nats: server.url });
  expect(findings.filter(({ level }) => level === 'problem')).toEqual([
    { level: 'problem', area: 'models', message: expect.stringContaining(message) },
  ]);
});

test('warnings are not failures: the deployment can serve', async () => {
  const { code, stdout } = await runCommandLine(['check', join(dir, 'image'), '--nats', server.url]);
  expect(stdout).toContain('0 problems, 2 warnings');
  expect(code).toBe(0);
});

test('checks whether the ports for serve are free, taken, or given twice', async () => {
  const taken = new URL(server.url).port;
  const ports = ['--http', '0', '--metrics', taken, '--dashboard', taken];
  const { code, stdout } = await runCommandLine(['check', join(dir, 'image'), '--nats', server.url, ...ports, '--json', '-']);
  expect(code).toBe(2);
  const { findings } = JSON.parse(stdout) as Awaited<ReturnType<typeof checkDeployment>>;
  expect(findings.filter(({ area }) => area === 'ports').map(({ level, message }) => `${level} ${message}`)).toEqual([
    'ok --http 127.0.0.1:0 is free',
    `problem --metrics 127.0.0.1:${taken}: another process listens on this port; choose another one, or 0 for any free port`,
    `problem --dashboard 127.0.0.1:${taken}: --metrics has this port; give each one of its own`,
  ]);
});

test('a problem in one area hides none in another; the exit code shows the worst', async () => {
  const file = writeImageFamily(join(dir, 'wrong'));
  const text = readFileSync(file, 'utf8')
    .replace('qpsMax: 200', 'qpsMax: none')
    .replace('cores: [0]', 'cores: [4095]')
    .replace('look.onnx', 'lok.onnx');
  writeFileSync(file, text);
  writeFileSync(join(dir, 'wrong', 'study.onnx'), 'no model');
  const { code, stdout } = await runCommandLine(['check', file, '--nats', 'nats://127.0.0.1:1', '--json', '-']);
  expect(code).toBe(2);
  const { findings } = JSON.parse(stdout) as Awaited<ReturnType<typeof checkDeployment>>;
  const problems = findings.filter(({ level }) => level === 'problem');
  expect(problems.map(({ area }) => area)).toEqual(['configuration', 'configuration', 'models', 'machine', 'nats']);
});

test('a folder without a deployment is one problem', async () => {
  const { code, stdout } = await runCommandLine(['check', nothing]);
  expect(code).toBe(2);
  expect(stdout).toBe(
    `problem  configuration  ${nothing} does not exist; name a deployment file, or a folder with deployment.yaml\n1 problem, 0 warnings\n`,
  );
});
