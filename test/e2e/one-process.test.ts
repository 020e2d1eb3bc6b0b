import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type NatsServer, startNatsServer } from '../../engine/bus/nats-server.ts';
import type { Report } from '../../plans/report/report.ts';
import { type Cascade, cascadeJson, profileAndPlan, startCascade } from '../support/cascade.ts';
import { descendants } from '../support/processes.ts';
import { expectNothingLost } from '../support/report-fields.ts';

/** Two `serve` of one deployment: one device is run by one process. */
const folder = mkdtempSync(join(tmpdir(), 'cascade-one-process-'));
let server: NatsServer;

beforeAll(async () => {
  server = await startNatsServer();
  writeFileSync(
    join(folder, 'deployment.yaml'),
    `name: one
synthetic:
  models:
    - { name: small, accuracy: 0.7, fixed: 2ms, perSample: 0.2ms, memory: 1GB }
    - { name: large, accuracy: 0.9, fixed: 4ms, perSample: 0.5ms, memory: 1GB }
  samples: 400
  batches: [1, 2, 4, 8, 16, 32]
devices:
  - { id: a, kind: emulated, like: gpu, memory: 16GB }
  - { id: b, kind: emulated, like: gpu, memory: 16GB }
slo: { p95: 200ms }
deadline: 30s
load: { qpsMax: 600, ranges: 4 }
frontends: in-devices
nats: { servers: [${server.url}] }
`,
  );
  await profileAndPlan(folder);
}, 120_000);

afterAll(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true });
});

const serve = (): Cascade => startCascade(['serve', folder, '--log-level', 'warn']);

/** The other one ends by itself with code 2; @returns the one that stays. */
async function settled(pair: readonly [Cascade, Cascade]): Promise<Cascade> {
  const first = await Promise.race(pair.map(({ ended }, i) => ended.then((end) => ({ end, i }))));
  expect(first.end.code, first.end.stderr).toBe(2);
  expect(first.end.stderr).toMatch(/is run by process \d+ of host local as well|is served already/);
  return pair[1 - first.i];
}

async function expectOneAnswerEach(): Promise<void> {
  const report = await cascadeJson<Report>(['load', folder, '--qps', '100', '--seconds', '2']);
  expectNothingLost(report);
  expect(report.duplicates).toBe(0);
}

test('of two that are started in the same instant one stays, each time, and answers each request once', async () => {
  for (let round = 0; round < 3; round++) {
    const stays = await settled([serve(), serve()]);
    await stays.firstLine;
    await expectOneAnswerEach();
    expect((await stays.stop()).code).toBe(0);
  }
}, 180_000);

test('one that was paused and replaced meanwhile leaves when it comes back', async () => {
  const paused = serve();
  await paused.firstLine;
  const all = [paused.process.pid!, ...descendants(paused.process.pid!).map(({ pid }) => pid)];
  for (const pid of all) process.kill(pid, 'SIGSTOP');
  const replacement = serve();
  await replacement.firstLine;
  for (const pid of all) process.kill(pid, 'SIGCONT');
  expect(await settled([paused, replacement])).toBe(replacement);
  await expectOneAnswerEach();
  expect((await replacement.stop()).code).toBe(0);
}, 120_000);
