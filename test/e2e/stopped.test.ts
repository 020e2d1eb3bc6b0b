import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Bus } from '../../engine/bus/bus.ts';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { type NatsServer, startNatsServer } from '../../engine/bus/nats-server.ts';
import type { Report } from '../../plans/report/report.ts';
import { type Cascade, cascadeJson, startCascade } from '../support/cascade.ts';
import { writeEmulatedPair } from '../support/emulated-pair.ts';
import { type Served, statusThat } from '../support/signal-under-load.ts';

/** Emulated devices on two hosts, so that each is its own process, and two frontends: one of each is stopped under load. */
let folder: string;
let server: NatsServer;
let bus: Bus;
let served: Served;
let main: Cascade;
let other: Cascade;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cascade-stopped-'));
  server = await startNatsServer();
  bus = await connectNats({ servers: server.url });
  served = { bus, deployment: 'stopped', folder };
  await writeEmulatedPair(folder, {
    name: 'stopped',
    nats: `{ servers: [${server.url}] }`,
    hosts: ['local', 'other'],
    frontends: 2,
  });
  other = startCascade(['serve', folder, '--role', 'host', '--host', 'other', '--log-level', 'warn']);
  main = startCascade(['serve', folder, '--log-level', 'warn']);
  await Promise.all([other.firstLine, main.firstLine]);
});

afterAll(async () => {
  const ends = await Promise.all([main?.stop(), other?.stop()]);
  await bus?.close();
  await server?.stop();
  rmSync(folder, { recursive: true });
  for (const end of ends) expect(end?.code, end?.stderr).toBe(0);
});

const QPS = 200;
const SECONDS = 10;

/** Load during which one process is stopped and never continued; its supervisor must notice. */
async function loadAndStop(pid: number): Promise<Report> {
  // The load measured below must be this one.
  await statusThat(served, ({ qps }) => expect(qps, 'requests/s before the load').toBe(0));
  const load = cascadeJson<Report>(['load', folder, '--qps', String(QPS), '--seconds', String(SECONDS)]);
  let ended = false;
  const over = (): void => {
    ended = true;
  };
  load.then(over, over);
  await statusThat(served, ({ qps }) => expect(qps, 'requests/s that the deployment measures').toBeGreaterThan(QPS / 2));
  expect(ended, 'the load was over before the signal').toBe(false);
  process.kill(pid, 'SIGSTOP');
  return load;
}

/** Each request ended once, with a result; duplicate answers were dropped and counted. */
function expectAllAnswered(report: Report): void {
  expect(report).toMatchObject({ completed: report.offered, rejected: 0, errors: 0, lost: 0 });
  expect(report.offered).toBeGreaterThan(0.8 * QPS * SECONDS);
  expect(report.duplicates).toBeGreaterThanOrEqual(0);
}

test('a device process that is stopped is killed and comes back; its requests are answered elsewhere', async () => {
  const { devices: atFirst } = await statusThat(served, ({ devices }) => expect(devices).toHaveLength(2));
  const before = atFirst.find(({ device }) => device === 'b')!;
  expectAllAnswered(await loadAndStop(before.pid));
  await statusThat(served, ({ devices }) => {
    const after = devices.find(({ device }) => device === 'b');
    expect(after).toMatchObject({ phase: 'ready' });
    expect(after!.pid).not.toBe(before.pid);
  });
  expect(other.stderr()).toContain(`process ${before.pid} ended with SIGKILL: killed, as it made no progress`);
});

test('a frontend process that is stopped is killed, and another takes its place; its clients ask again', async () => {
  const before = await statusThat(served, ({ frontends }) => expect(frontends).toHaveLength(2));
  const { pid } = before.frontends[0];
  expectAllAnswered(await loadAndStop(pid));
  await statusThat(served, ({ frontends }) => {
    expect(frontends).toHaveLength(2);
    expect(frontends.map((frontend) => frontend.pid)).not.toContain(pid);
  });
  expect(main.stderr()).toContain(`process ${pid} ended with SIGKILL: killed, as it made no progress`);
});
