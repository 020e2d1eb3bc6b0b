import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Bus } from '../../engine/bus/bus.ts';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { type NatsServer, startNatsServer } from '../../engine/nats-server.ts';
import { type Cascade, profileAndPlan, startCascade } from '../support/cascade.ts';
import { fashionOnTwoDevices } from '../support/fashion.ts';
import { expectAllAnswered } from '../support/report-fields.ts';
import { BACK_WITHIN_MS, type Served, signalUnderLoad, statusThat } from '../support/signal-under-load.ts';

/** Two devices and two frontends, each its own process, with the real models: what one leaves, the others take. */
let folder: string;
let server: NatsServer;
let bus: Bus;
let serving: Cascade;
let served: Served;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cascade-drain-'));
  server = await startNatsServer();
  bus = await connectNats({ servers: server.url });
  served = { bus, deployment: 'drain', folder };
  const deployment = fashionOnTwoDevices('drain', server.url, { qpsMax: 1_200, ranges: 4 });
  writeFileSync(join(folder, 'deployment.yaml'), `${deployment}frontends: 2\n`);
  await profileAndPlan(folder);
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

const TEST_MS = 3 * BACK_WITHIN_MS;

test(
  'SIGTERM to a device process drains it without losing a request; it comes back',
  async () => {
    const { devices: atFirst } = await statusThat(served, ({ devices }) => expect(devices).toHaveLength(2));
    const before = atFirst.find(({ device }) => device === 'a');
    const report = await signalUnderLoad(served, before!.pid, 'SIGTERM', ({ devices }) => {
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
    const before = await statusThat(served, ({ frontends }) => expect(frontends).toHaveLength(2));
    const report = await signalUnderLoad(served, before.frontends[0].pid, 'SIGTERM', ({ frontends }) => {
      expect(frontends).toHaveLength(2);
      expect(frontends.map(({ pid }) => pid)).not.toContain(before.frontends[0].pid);
    });
    expectAllAnswered(report);
  },
  TEST_MS,
);
