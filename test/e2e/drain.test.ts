import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { Status } from '../../actors/status.ts';
import { type NatsServer, startNatsServer } from '../../engine/nats-server.ts';
import type { Report } from '../../plans/report.ts';
import { type Cascade, cascadeJson, runCascade, startCascade } from '../support/cascade.ts';
import { expectNothingLost } from '../support/report-fields.ts';

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
  const end = await serving?.stop();
  await server?.stop();
  rmSync(folder, { recursive: true });
  expect(end?.code, end?.stderr).toBe(0);
});

const QPS = 300;
const SECONDS = 6;
/** A process starts, loads its models and is warm within a few seconds, on a machine that has other work too. */
const BACK_WITHIN_MS = 20_000;

const status = (): Promise<Status> => cascadeJson<Status>(['status', folder]);

/** Asks for the status until it is as expected; each question starts a process, so there is no need to wait in between. */
function statusThat(expectation: (status: Status) => void, timeout: number): Promise<void> {
  return vi.waitFor(async () => expectation(await status()), { timeout, interval: 1 });
}

/** Load for a few seconds; when the deployment measures it, a signal to a process. */
async function loadAndSignal(pid: number, signal: NodeJS.Signals): Promise<Report> {
  const load = cascadeJson<Report>(['load', folder, '--qps', String(QPS), '--seconds', String(SECONDS)]);
  let ended = false;
  const over = (): void => {
    ended = true;
  };
  load.then(over, over);
  await statusThat(({ qps }) => expect(qps, 'requests/s that the deployment measures').toBeGreaterThan(QPS / 2), BACK_WITHIN_MS);
  expect(ended, 'the load was over before the signal').toBe(false);
  process.kill(pid, signal);
  return load;
}

test('SIGTERM to a device process drains it without losing a request; it comes back', async () => {
  const before = (await status()).devices.find(({ device }) => device === 'a');
  expectNothingLost(await loadAndSignal(before!.pid, 'SIGTERM'));
  await statusThat(({ devices }) => {
    const after = devices.find(({ device }) => device === 'a');
    expect(after).toMatchObject({ phase: 'ready' });
    expect(after!.pid).not.toBe(before!.pid);
  }, BACK_WITHIN_MS);
}, 60_000);

test('SIGTERM to a frontend process drains it without losing a request; another takes its place', async () => {
  const before = await status();
  expect(before.frontends).toHaveLength(2);
  expectNothingLost(await loadAndSignal(before.frontends[0].pid, 'SIGTERM'));
  await statusThat(({ frontends }) => {
    expect(frontends).toHaveLength(2);
    expect(frontends.map(({ pid }) => pid)).not.toContain(before.frontends[0].pid);
  }, BACK_WITHIN_MS);
}, 60_000);
