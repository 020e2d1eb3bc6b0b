import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import * as provision from '../../../../plans/commands/provision.ts';
import { runInProcess } from '../../../support/run-in-process.ts';
import { writeTiny } from '../../../support/tiny-deployment.ts';

const dir = mkdtempSync(join(tmpdir(), 'cascade-provision-'));

beforeAll(() => writeTiny(dir, { devices: ['cpu0'], load: '{ qpsMax: 2500, ranges: 2 }' }));

afterAll(() => rmSync(dir, { recursive: true }));

afterEach(() => {
  process.exitCode = undefined;
});

const run = (...args: string[]) => runInProcess([provision], ['provision', dir, ...args]);

test('says how many devices are needed, and gives the plan for them', async () => {
  const { stdout, stderr } = await run('--p95', '100ms', '--accuracy', '0.89', '--json', '-');
  const answer = JSON.parse(stdout);
  expect(stderr).toContain('warning: 500 validation samples are few');
  expect(answer.devices.length).toBeGreaterThan(1);
  expect(answer.plan.devices).toEqual(answer.devices.map(({ id }: { id: string }) => id));
  expect(answer.plan.expected.accuracy).toBeGreaterThanOrEqual(0.89);
  const [low, high] = answer.options[0].expected.accuracyInterval;
  expect(low).toBeLessThan(answer.plan.expected.accuracy);
  expect(high).toBeGreaterThan(answer.plan.expected.accuracy);
  const { short } = answer.options[0];
  expect(short.devices).toBe(answer.devices.length - 1);
  if (short.accuracy !== undefined) expect(short.accuracyInterval[1]).toBeGreaterThan(short.accuracy);
  expect(process.exitCode).toBeUndefined();
});

test('a goal that no number of devices meets gives a table and exit code 3', async () => {
  const { stdout: table } = await run('--p95', '100', '--accuracy', '0.99', '--max', '2');
  expect(table).toContain('no number of devices up to 2 meets p95 <= 100 ms and accuracy >= 99.00 %');
  expect(table).toMatch(/with 2: accuracy \d+\.\d\d % \(\d+\.\d - \d+\.\d %\)/);
  expect(process.exitCode).toBe(3);
});

test('warns of devices that share a core, since it counts on both', async () => {
  const yaml = join(dir, 'deployment.yaml');
  const alone = readFileSync(yaml, 'utf8');
  writeFileSync(
    yaml,
    alone.replace(
      /\{ id: cpu0,.*?\}/,
      '{ id: a, kind: cpu, cores: [0], memory: 1GiB }, { id: b, kind: cpu, cores: [0], memory: 1GiB }',
    ),
  );
  const { stderr } = await run('--p95', '100', '--accuracy', '0.99', '--max', '2').finally(() => writeFileSync(yaml, alone));
  expect(stderr).toContain('devices a and b are both pinned to core 0');
});

test('latency and accuracy are both required', async () => {
  await expect(run('--p95', '100')).rejects.toThrow('--accuracy');
});
