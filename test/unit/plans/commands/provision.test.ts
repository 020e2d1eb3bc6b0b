import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import * as provision from '../../../../plans/commands/provision.ts';
import { deviceClass, loadDeployment } from '../../../../plans/deployment.ts';
import { profileDigest } from '../../../../plans/profile-digest.ts';
import { writeProfile } from '../../../../plans/profile-file.ts';
import { syntheticProfile } from '../../../../plans/synthetic.ts';

const dir = mkdtempSync(join(tmpdir(), 'cascade-provision-'));

beforeAll(() => {
  for (const name of ['small', 'large']) writeFileSync(join(dir, `${name}.onnx`), name);
  writeFileSync(
    join(dir, 'deployment.yaml'),
    `name: tiny
models: [ { name: small, file: small.onnx }, { name: large, file: large.onnx } ]
devices: [ { id: cpu0, kind: cpu, memory: 1GiB } ]
slo: { p95: 100ms }
load: { qpsMax: 2500, ranges: 2 }
`,
  );
  const deployment = loadDeployment(dir);
  const profile = syntheticProfile({
    seed: 1,
    samples: 500,
    deviceClasses: { [deviceClass(deployment.devices[0])]: 1 },
    models: [
      { name: 'small', accuracy: 0.8, fixedMs: 0.1, perSampleMs: 0.05, memoryBytes: 1e6 },
      { name: 'large', accuracy: 0.9, fixedMs: 1, perSampleMs: 1, memoryBytes: 1e7 },
    ],
  });
  writeProfile(join(dir, 'profile.json'), { ...profile, deployment: 'tiny', digest: profileDigest(deployment) });
});

afterAll(() => rmSync(dir, { recursive: true }));

afterEach(() => {
  process.exitCode = undefined;
});

async function run(...args: string[]): Promise<string> {
  let stdout = '';
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    stdout += String(text);
    return true;
  });
  const program = new Command('cascade').exitOverride().configureOutput({ writeErr: () => undefined });
  provision.register(program);
  try {
    await program.parseAsync(['provision', dir, ...args], { from: 'user' });
  } finally {
    spy.mockRestore();
  }
  return stdout;
}

test('says how many devices it takes, and gives the plan for them', async () => {
  const answer = JSON.parse(await run('--p95', '100ms', '--accuracy', '0.89', '--json', '-'));
  expect(answer.devices.length).toBeGreaterThan(1);
  expect(answer.plan.devices).toEqual(answer.devices.map(({ id }: { id: string }) => id));
  expect(answer.plan.expected.accuracy).toBeGreaterThanOrEqual(0.89);
  expect(answer.options[0].short.devices).toBe(answer.devices.length - 1);
  expect(process.exitCode).toBeUndefined();
});

test('a goal that no number of devices meets ends with exit code 3, as a table', async () => {
  const table = await run('--p95', '100', '--accuracy', '0.99', '--max', '2');
  expect(table).toContain('no number of devices up to 2 meets p95 <= 100 ms and accuracy >= 99.00 %');
  expect(table).toContain('with 2: accuracy');
  expect(process.exitCode).toBe(3);
});

test('latency and accuracy must both be said', async () => {
  await expect(run('--p95', '100')).rejects.toThrow('--accuracy');
});
