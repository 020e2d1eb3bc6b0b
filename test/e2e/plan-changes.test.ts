import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { Status } from '../../actors/controller/status-report.ts';
import { pushPlan } from '../../actors/operator/push-plan.ts';
import type { Bus } from '../../engine/bus/bus.ts';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { type NatsServer, startNatsServer } from '../../engine/bus/nats-server.ts';
import { messageOf } from '../../engine/errors.ts';
import type { GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import { readPlan } from '../../plans/domain/gear-plan/plan-file.ts';
import type { Report } from '../../plans/report/report.ts';
import { writeImageFamily } from '../fixtures/image-family.ts';
import { type Cascade, cascadeJson, profileAndPlan, runCascade, startCascade } from '../support/cascade.ts';
import { expectAllAnswered, expectNothingLost } from '../support/report-fields.ts';
import { loadWhile } from '../support/signal-under-load.ts';

/** Real processes and models; two plans with swapped placements, so that each change loads and unloads models. */
let folder: string;
let server: NatsServer;
let serving: Cascade;
let bus: Bus;
let plans: [GearPlan, GearPlan];

const deployment = { name: 'image', prefix: 'cascade', prepareTimeoutMs: 60_000 };
const CHANGES = 50;
const QPS = 100;
const READY_WITHIN_MS = 60_000;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cascade-plan-changes-'));
  server = await startNatsServer({ jetstream: true });
  writeImageFamily(folder);
  writeFileSync(
    join(folder, 'deployment.yaml'),
    `name: image
models:
  - { name: glance, file: glance.onnx }
  - { name: look, file: look.onnx }
  - { name: study, file: study.onnx }
scores: probabilities
data: { inputs: data.npz, validation: 0.5 }
devices:
  - { id: a, kind: cpu, memory: 64MiB }
  - { id: b, kind: cpu, memory: 64MiB }
slo: { p95: 500ms }
deadline: 30s
load: { qpsMax: 400, ranges: 2 }
nats: { servers: ["${server.url}"] }
`,
  );
  await profileAndPlan(folder);
  plans = oppositePlans(readPlan(join(folder, 'plan.json')));
  writeFileSync(join(folder, 'plan.json'), JSON.stringify(plans[0]));
  serving = startCascade(['serve', folder, '--log-level', 'warn']);
  await serving.firstLine;
  bus = await connectNats({ servers: server.url });
});

afterAll(async () => {
  await bus?.close();
  const end = await serving?.stop();
  await server?.stop();
  rmSync(folder, { recursive: true });
  expect(end?.code, end?.stderr).toBe(0);
});

/** Plans with one gear of glance and study: glance on a and study on b, or the other way round. */
function oppositePlans(planned: GearPlan): [GearPlan, GearPlan] {
  const plan = (glance: string, study: string): GearPlan => {
    const { contingencies: _, beyond: __, ...rest } = planned;
    return {
      ...rest,
      placement: [
        { model: 'glance', device: glance },
        { model: 'study', device: study },
      ],
      gears: planned.gears.map((gear) => ({
        qps: gear.qps,
        cascade: [{ model: 'glance', threshold: 0.5 }, { model: 'study' }],
        shares: { glance: { [glance]: 1 }, study: { [study]: 1 } },
        minQueueLength: { glance: { [glance]: 1 }, study: { [study]: 1 } },
        maxWaitMs: 5,
        expected: { ...gear.expected, utilisation: {}, bottleneck: 'study' },
      })),
    };
  };
  return [plan('a', 'b'), plan('b', 'a')];
}

/** The status from the leading controller. */
async function leader(): Promise<Status> {
  return vi.waitFor(
    async () => {
      const found = await status();
      expect(found.controller.leading).toBe(true);
      return found;
    },
    { timeout: READY_WITHIN_MS, interval: 1 },
  );
}

const status = (): Promise<Status> => cascadeJson<Status>(['status', folder]);

test(`${CHANGES} plan changes in a row under load lose nothing`, async () => {
  const first = (await status()).revision;
  const revisions: number[] = [];
  const refused: string[] = [];
  const report = await loadWhile(folder, QPS, async () => {
    await vi.waitFor(async () => expect((await status()).qps).toBeGreaterThan(QPS / 2), { timeout: READY_WITHIN_MS });
    while (revisions.length < CHANGES) {
      try {
        const verdict = await pushPlan(bus, deployment, plans[(revisions.length + 1) % 2]);
        if (verdict.accepted) revisions.push(verdict.revision);
        else {
          refused.push(verdict.reason);
          const { revision } = await leader();
          // One whose controller lost the lease meanwhile may be in force.
          if (revision > (revisions.at(-1) ?? first)) revisions.push(revision);
        }
      } catch (error) {
        refused.push(messageOf(error));
        await leader();
      }
    }
  });
  // A busy machine may delay a device's heartbeats for a second: then no plan is adopted without the device, and its
  // requests also go elsewhere. The controller may be too late to renew its lease.
  for (const reason of refused)
    expect(reason).toMatch(/silent for \d+ ms|was restarted|no controller leads|another controller may/);
  expect(revisions).toEqual([...new Set(revisions)].toSorted((x, y) => x - y));
  if (refused.length === 0) {
    expectNothingLost(report);
    expect(revisions).toEqual(Array.from({ length: CHANGES }, (_, i) => first + i + 1));
  } else expectAllAnswered(report);
  expect((await status()).revision).toBe(revisions.at(-1));
});

test('a refused plan leaves the old one in force: unknown model, malformed, too large for a device', async () => {
  const before = (await status()).revision;
  const reasons: string[] = [];
  const tooMuch = { ...plans[0], models: ['glance', 'look', 'giant'] };
  for (const order of [tooMuch, { ...plans[0], gears: [] }, { ...plans[0], devices: ['a', 'z'] }]) {
    const verdict = await pushPlan(bus, deployment, order);
    if (!verdict.accepted) reasons.push(verdict.reason);
  }
  expect(reasons).toMatchObject([
    expect.stringContaining('giant'),
    expect.stringContaining('gears'),
    expect.stringContaining('z'),
  ]);
  const after = await status();
  expect(after.revision).toBe(before);
  expectNothingLost(await cascadeJson<Report>(['load', folder, '--qps', '50', '--seconds', '1']));
});

test('a standby controller takes over, with the plan in force, when the leader is killed', async () => {
  const before = await leader();
  const waiting = startCascade(['serve', folder, '--role', 'controller', '--log-level', 'info']);
  try {
    await waiting.firstLine;
    process.kill(before.controller.pid, 'SIGKILL');
    await vi.waitFor(async () => expect((await leader()).controller.pid).not.toBe(before.controller.pid), READY_WITHIN_MS);
    expect(await leader()).toMatchObject({ revision: before.revision });
    expectNothingLost(await cascadeJson<Report>(['load', folder, '--qps', '50', '--seconds', '1']));
  } finally {
    const end = await waiting.stop();
    expect(end.code, end.stderr).toBe(0);
  }
});

test('a pushed plan is still in force after everything restarts', async () => {
  const { revision } = await status();
  const end = await serving.stop();
  expect(end.code, end.stderr).toBe(0);
  serving = startCascade(['serve', folder, '--log-level', 'warn']);
  await serving.firstLine;
  await vi.waitFor(async () => expect((await status()).gear).not.toBeNull(), { timeout: READY_WITHIN_MS });
  expect((await status()).revision).toBe(revision);
  const { devices } = await status();
  expect(devices.map(({ device, queues }) => [device, Object.keys(queues)]).sort()).toEqual([
    ['a', ['glance']],
    ['b', ['study']],
  ]);
  const { code, stdout } = await runCascade(['push-plan', folder, '--rollback']);
  expect([code, stdout]).toEqual([0, `plan adopted as revision ${revision + 1}\n`]);
});
