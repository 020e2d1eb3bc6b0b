import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Status } from '../../actors/status.ts';
import type { Bus } from '../../engine/bus/bus.ts';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { type NatsServer, startNatsServer } from '../../engine/nats-server.ts';
import { subjectsOf } from '../../engine/wire/subjects.ts';
import type { Report } from '../../plans/report.ts';
import { type Cascade, runCascade, startCascade } from '../support/cascade.ts';
import { eventually } from '../support/eventually.ts';
import { expectAllAnswered } from '../support/report-fields.ts';

/** Two devices and two frontends, each its own process, with the real models: what one leaves, the others take. */
let folder: string;
let server: NatsServer;
let bus: Bus;
let serving: Cascade;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cascade-drain-'));
  const fashion = resolve('conf/fashion');
  const cores = availableParallelism() > 1 ? [0, 1] : [0, 0];
  server = await startNatsServer();
  bus = await connectNats({ servers: server.url });
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
  await bus?.close();
  await server?.stop();
  rmSync(folder, { recursive: true });
  expect(end?.code, end?.stderr).toBe(0);
});

const QPS = 100;
/** Longer than any of it takes: the load ends when what it is for has happened. */
const SECONDS = 600;
/** A process starts, loads its models and is warm within a few seconds, on a machine that has other work too within this. */
const BACK_WITHIN_MS = 60_000;
/** A question without an answer is asked again. */
const STATUS_WITHIN_MS = 5_000;
const TEST_MS = 3 * BACK_WITHIN_MS;

/** Asks for the status until it is as expected. */
function statusThat(expectation: (status: Status) => void): Promise<Status> {
  return eventually(
    async () => {
      const { data } = await bus.request(subjectsOf('drain').status, new Uint8Array(), { timeoutMs: STATUS_WITHIN_MS });
      const told = JSON.parse(Buffer.from(data).toString()) as Status;
      expectation(told);
      return told;
    },
    { timeout: BACK_WITHIN_MS, interval: 100 },
  );
}

/** A signal to a process under a load, which goes on until the deployment is as expected. */
async function signalUnderLoad(pid: number, signal: NodeJS.Signals, expectation: (status: Status) => void): Promise<Report> {
  const load = startCascade(['load', folder, '--qps', String(QPS), '--seconds', String(SECONDS), '--json', '-']);
  try {
    await statusThat(({ qps }) => expect(qps, 'requests/s that the deployment measures').toBeGreaterThan(QPS / 2));
    process.kill(pid, signal);
    await statusThat(expectation);
  } finally {
    load.process.kill('SIGINT');
  }
  const { code, stdout, stderr } = await load.ended;
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as Report;
}

test(
  'SIGTERM to a device process drains it without losing a request; it comes back',
  async () => {
    const { devices: atFirst } = await statusThat(({ devices }) => expect(devices).toHaveLength(2));
    const before = atFirst.find(({ device }) => device === 'a');
    const report = await signalUnderLoad(before!.pid, 'SIGTERM', ({ devices }) => {
      const after = devices.find(({ device }) => device === 'a');
      expect(after).toMatchObject({ phase: 'ready' });
      expect(after!.pid).not.toBe(before!.pid);
    });
    expectAllAnswered(report);
  },
  TEST_MS,
);

test(
  'SIGTERM to a frontend process drains it without losing a request; another takes its place',
  async () => {
    const before = await statusThat(({ frontends }) => expect(frontends).toHaveLength(2));
    const report = await signalUnderLoad(before.frontends[0].pid, 'SIGTERM', ({ frontends }) => {
      expect(frontends).toHaveLength(2);
      expect(frontends.map(({ pid }) => pid)).not.toContain(before.frontends[0].pid);
    });
    expectAllAnswered(report);
  },
  TEST_MS,
);
