import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Bus } from '../../engine/bus/bus.ts';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { type NatsServer, startNatsServer } from '../../engine/nats-server.ts';
import { subjectsOf } from '../../engine/wire/subjects.ts';
import { readPlan } from '../../plans/plan-file.ts';
import { type Cascade, profileAndPlan, startCascade } from '../support/cascade.ts';
import { listen } from '../support/listen.ts';
import { expectAllAnswered } from '../support/report-fields.ts';
import { BACK_WITHIN_MS, type Served, signalUnderLoad, statusThat } from '../support/signal-under-load.ts';

/** Two device processes that take requests themselves. */
const NAME = 'indevices';
let folder: string;
let server: NatsServer;
let bus: Bus;
let serving: Cascade;
let served: Served;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cascade-in-devices-'));
  const fashion = resolve('conf/fashion');
  server = await startNatsServer();
  bus = await connectNats({ servers: server.url });
  served = { bus, deployment: NAME, folder };
  writeFileSync(
    join(folder, 'deployment.yaml'),
    `name: ${NAME}
models:
  - { name: linear, file: ${fashion}/models/linear.onnx }
  - { name: cnn-small, file: ${fashion}/models/cnn-small.onnx }
data: { inputs: { image: ${fashion}/data/images.npy }, labels: ${fashion}/data/labels.npy, validation: 0.5 }
devices:
  - { id: a, kind: cpu, cores: [0], memory: 512MiB }
  - { id: b, kind: cpu, cores: [0], memory: 512MiB }
slo: { p95: 200ms }
load: { qpsMax: 1000, ranges: 2 }
frontends: in-devices
nats: { servers: ["${server.url}"] }
`,
  );
  await profileAndPlan(folder);
  serving = startCascade(['serve', folder, '--log-level', 'error']);
  expect(await serving.firstLine).toMatch(/^cascade indevices is ready: a frontend in each of devices a, b, /);
}, 240_000);

afterAll(async () => {
  const end = await serving?.stop();
  await bus?.close();
  await server?.stop();
  rmSync(folder, { recursive: true });
  expect(end?.code, end?.stderr).toBe(0);
});

test('each device process is a frontend, too', async () => {
  const { devices, frontends } = await statusThat(served, (status) => expect(status.frontends).toHaveLength(2));
  expect(frontends.map(({ pid }) => pid).sort()).toEqual(devices.map(({ pid }) => pid).sort());
});

test('what a frontend sends to the device of its process does not go through the server', async () => {
  await statusThat(served, (status) => expect(status.frontends).toHaveLength(2));
  const { root } = subjectsOf(NAME);
  const [{ model }] = readPlan(join(folder, 'plan.json')).gears[0].cascade;
  const work = await listen(bus, `${root}.work.*.${model}`);
  const asked = 200;
  for (let i = 0; i < asked; i++) {
    const { data } = await bus.request(`${root}.infer`, Buffer.from(JSON.stringify({ inputs: { image: Array(784).fill(0) } })), {
      timeoutMs: 10_000,
    });
    expect(JSON.parse(Buffer.from(data).toString())).toHaveProperty('label');
  }
  await bus.flush();
  // About half of them go to the other device.
  expect(work.messages.length).toBeGreaterThan(0);
  expect(work.messages.length).toBeLessThan(asked);
});

test.each(['SIGTERM', 'SIGKILL'] as const)(
  '%s to such a process under load: every request is answered, and it comes back',
  async (signal) => {
    const before = await statusThat(served, (status) => expect(status.frontends).toHaveLength(2));
    const { pid } = before.devices[0];
    const report = await signalUnderLoad(served, pid, signal, (status) => {
      expect(status.devices.filter(({ phase }) => phase === 'ready')).toHaveLength(2);
      expect(status.frontends).toHaveLength(2);
      expect(status.frontends.map((frontend) => frontend.pid)).not.toContain(pid);
    });
    expectAllAnswered(report);
  },
  3 * BACK_WITHIN_MS,
);
