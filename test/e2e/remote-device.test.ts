import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Bus } from '../../engine/bus/bus.ts';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { type NatsServer, startNatsServer } from '../../engine/bus/nats-server.ts';
import type { GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import { readPlan } from '../../plans/domain/gear-plan/plan-file.ts';
import { readProfile } from '../../plans/domain/profile/profile-file.ts';
import { type Cascade, cascadeJson, profileAndPlan, runCascade, startCascade } from '../support/cascade.ts';
import { freePort } from '../support/free-port.ts';
import { expectAllAnswered } from '../support/report-fields.ts';
import { loadWhile, statusThat } from '../support/signal-under-load.ts';

/**
 * A cascade over a local model and one on another server, which is a gateway of ours with its own deployment; that server is killed under
 * load, and comes back.
 */
const fashion = resolve('conf/fashion');
const data = `{ inputs: { image: ${fashion}/data/images.npy }, labels: ${fashion}/data/labels.npy, validation: 0.1 }`;
const QPS = 50;

let root: string;
let nats: NatsServer;
let bus: Bus;
let upstream: Cascade;
let gateway: Cascade;
let serving: Cascade;
let port: number;
let upstreamFolder: string;
let folder: string;
let planned: GearPlan;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'cascade-remote-'));
  [upstreamFolder, folder] = [join(root, 'upstream'), join(root, 'front')];
  nats = await startNatsServer();
  bus = await connectNats({ servers: nats.url });
  port = await freePort();
  write(
    upstreamFolder,
    `name: upstream
models: [{ name: cnn-medium, file: ${fashion}/models/cnn-medium.onnx, maxBatch: 16 }]
data: ${data}
devices: [{ id: a, kind: cpu, memory: 512MiB }]
slo: { p95: 500ms }
load: { qpsMax: 100, ranges: 1 }
frontends: in-devices
nats: { servers: ["${nats.url}"] }
`,
  );
  await profileAndPlan(upstreamFolder);
  upstream = startCascade(['serve', upstreamFolder, '--log-level', 'warn']);
  await upstream.firstLine;
  gateway = await startGateway();
  write(
    folder,
    `name: front
models:
  - { name: linear, file: ${fashion}/models/linear.onnx, maxBatch: 16 }
  - { name: cnn-medium, remote: upstream, maxBatch: 16 }
data: ${data}
devices:
  - { id: here, kind: cpu, memory: 512MiB }
  - { id: there, kind: remote, url: "http://127.0.0.1:${port}", inFlight: 2 }
slo: { p95: 500ms }
deadline: 30s
load: { qpsMax: ${2 * QPS}, ranges: 1 }
nats: { servers: ["${nats.url}"] }
`,
  );
  await profileAndPlan(folder);
  planned = readPlan(join(folder, 'plan.json'));
  writeFileSync(join(folder, 'plan.json'), JSON.stringify(overBoth(planned)));
  serving = startCascade(['serve', folder, '--log-level', 'warn']);
  await serving.firstLine;
}, 400_000);

afterAll(async () => {
  const ends = [await serving?.stop(), await gateway?.stop(), await upstream?.stop()];
  await bus?.close();
  await nats?.stop();
  rmSync(root, { recursive: true });
  for (const end of ends) expect(end?.code, end?.stderr).toBe(0);
});

function write(into: string, deployment: string): void {
  mkdirSync(into);
  writeFileSync(join(into, 'deployment.yaml'), deployment);
}

/** The planner's choice depends on measured times; this plan has a cascade over both devices, and a gear for the loss of the server. */
function overBoth({ gears: [gear], beyond: _, contingencies: __, ...rest }: GearPlan): GearPlan {
  const { reach: ___, why: ____, ...same } = gear;
  const expected = { ...gear.expected, utilisation: {}, bottleneck: 'linear' };
  const alone = {
    ...same,
    expected,
    cascade: [{ model: 'linear' }],
    shares: { linear: { here: 1 } },
    minQueueLength: { linear: { here: 1 } },
    maxWaitMs: 5,
  };
  const both = {
    ...alone,
    cascade: [{ model: 'linear', threshold: 0.5 }, { model: 'cnn-medium' }],
    shares: { linear: { here: 1 }, 'cnn-medium': { there: 1 } },
    minQueueLength: { linear: { here: 1 }, 'cnn-medium': { there: 1 } },
  };
  return {
    ...rest,
    placement: [
      { model: 'linear', device: 'here' },
      { model: 'cnn-medium', device: 'there' },
    ],
    gears: [both],
    contingencies: [{ lost: 'there', alike: [], gears: [alone] }],
  };
}

async function startGateway(): Promise<Cascade> {
  const started = startCascade(['serve', upstreamFolder, '--role', 'gateway', '--http', String(port), '--log-level', 'warn']);
  await started.firstLine;
  return started;
}

const served = () => ({ bus, deployment: 'front', folder });

test('is measured and planned: each model on its own device', () => {
  const { models } = readProfile(join(folder, 'profile.json'));
  const kinds = Object.fromEntries(models.map(({ name, runtimes }) => [name, Object.keys(runtimes)]));
  expect(kinds).toEqual({ linear: ['cpu-1'], 'cnn-medium': [`remote:http://127.0.0.1:${port} in 2`] });
  const { placement } = planned;
  const possible = ['linear on here', 'cnn-medium on there'];
  expect(placement.length).toBeGreaterThan(0);
  for (const { model, device } of placement) expect(possible).toContain(`${model} on ${device}`);
});

test('check shows the models of the server', async () => {
  const { findings } = await cascadeJson<{ findings: { level: string; message: string }[] }>([
    'check',
    folder,
    '--nats',
    nats.url,
  ]);
  expect(findings.map(({ message }) => message)).toContain(
    `device there: cascadeserve at http://127.0.0.1:${port} has cnn-medium (upstream), which answers a sample of the data`,
  );
});

test('killed under load: each request ends once, the gear for the loss is used, and it comes back', async () => {
  const before = await statusThat(served(), ({ devices }) =>
    expect(devices.map(({ phase }) => phase)).toEqual(['ready', 'ready']),
  );
  const revision = before.revision;
  const report = await loadWhile(folder, QPS, async () => {
    await statusThat(served(), ({ qps }) => expect(qps).toBeGreaterThan(QPS / 2));
    gateway.process.kill('SIGKILL');
    await statusThat(served(), ({ gear, devices }) => {
      expect(devices.find(({ device }) => device === 'there')?.phase).not.toBe('ready');
      expect(gear).toMatchObject({ lost: 'there', cascade: 'linear' });
    });
    gateway = await startGateway();
    await statusThat(served(), ({ gear, devices }) => {
      expect(devices.find(({ device }) => device === 'there')?.phase).toBe('ready');
      expect(gear).toMatchObject({ lost: null, cascade: expect.stringContaining('cnn-medium') });
    });
  });
  expectAllAnswered(report);
  expect((await statusThat(served(), () => undefined)).revision).toBe(revision);
}, 240_000);

test('a deployment cannot be profiled without its server, and says why', async () => {
  gateway.process.kill('SIGKILL');
  await gateway.ended;
  const profiled = await runCascade(['profile', folder, '--out', join(root, 'profile.json')]);
  expect(profiled).toMatchObject({
    code: 2,
    stderr: expect.stringContaining(
      `model cnn-medium: http://127.0.0.1:${port} cannot be reached: http://127.0.0.1:${port}: connect ECONNREFUSED`,
    ),
  });
  gateway = await startGateway();
}, 120_000);
