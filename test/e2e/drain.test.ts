import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Status } from '../../actors/status.ts';
import { type NatsServer, startNatsServer } from '../../engine/nats-server.ts';
import type { Report } from '../../plans/report.ts';
import { type Cascade, cascadeJson, runCascade, startCascade } from '../support/cascade.ts';

/** Two devices and two frontends, each its own process, with the real models: what one leaves, the others take. */
let folder: string;
let server: NatsServer;
let serving: Cascade;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cascade-drain-'));
  const fashion = resolve('conf/fashion');
  const cores = availableParallelism() > 1 ? [0, 1] : [0, 0];
  server = await startNatsServer();
  writeFileSync(
    join(folder, 'deployment.yaml'),
    `name: drain
models:
  - { name: linear, file: ${fashion}/models/linear.onnx }
  - { name: cnn-small, file: ${fashion}/models/cnn-small.onnx }
  - { name: cnn-medium, file: ${fashion}/models/cnn-medium.onnx, maxBatch: 16 }
data: { inputs: { image: ${fashion}/data/images.npy }, labels: ${fashion}/data/labels.npy, validation: 0.5 }
devices:
  - { id: a, kind: cpu, cores: [${cores[0]}], memory: 512MiB }
  - { id: b, kind: cpu, cores: [${cores[1]}], memory: 512MiB }
slo: { p95: 200ms }
load: { qpsMax: 1200, ranges: 4 }
frontends: 2
nats: { servers: [${server.url}] }
`,
  );
  for (const command of ['profile', 'plan']) {
    const { code, stderr } = await runCascade([command, folder]);
    expect(code, stderr).toBe(0);
  }
  serving = startCascade(['serve', folder, '--log-level', 'warn']);
  expect(await serving.firstLine).toMatch(/^cascade drain is ready: 2 frontend\(s\), devices a, b/);
}, 240_000);

afterAll(async () => {
  serving.process.kill('SIGTERM');
  const { code } = await serving.ended;
  await server.stop();
  rmSync(folder, { recursive: true });
  expect(code).toBe(0);
});

const QPS = 300;
const SECONDS = 6;

/** Load for a few seconds; after one of them, a signal to a process. */
async function loadAndSignal(pid: number, signal: NodeJS.Signals): Promise<Report> {
  const load = cascadeJson<Report>(['load', folder, '--qps', String(QPS), '--seconds', String(SECONDS)]);
  await underLoad();
  process.kill(pid, signal);
  return load;
}

/** Resolves when the deployment measures the load. */
async function underLoad(): Promise<void> {
  for (;;) {
    const { qps } = await cascadeJson<Status>(['status', folder]);
    if (qps > QPS / 2) return;
  }
}

test('SIGTERM to a device process drains it without losing a request; it comes back', async () => {
  const before = (await cascadeJson<Status>(['status', folder])).devices.find(({ device }) => device === 'a');
  const report = await loadAndSignal(before!.pid, 'SIGTERM');
  expect(report).toMatchObject({ errors: 0, lost: 0, duplicates: 0, rejected: 0 });
  expect(report.completed).toBe(report.offered);
  const after = (await cascadeJson<Status>(['status', folder])).devices.find(({ device }) => device === 'a');
  expect(after).toMatchObject({ phase: 'ready' });
  expect(after!.pid).not.toBe(before!.pid);
});

test('SIGTERM to a frontend process drains it without losing a request; another takes its place', async () => {
  const before = await cascadeJson<Status>(['status', folder]);
  expect(before.frontends).toHaveLength(2);
  const report = await loadAndSignal(before.frontends[0].pid, 'SIGTERM');
  expect(report).toMatchObject({ errors: 0, lost: 0, duplicates: 0, rejected: 0 });
  expect(report.completed).toBe(report.offered);
  const after = await cascadeJson<Status>(['status', folder]);
  expect(after.frontends).toHaveLength(2);
  expect(after.frontends.map(({ pid }) => pid)).not.toContain(before.frontends[0].pid);
});
