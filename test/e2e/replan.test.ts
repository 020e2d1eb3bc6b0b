import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { filter, firstValueFrom, map } from 'rxjs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Verdict } from '../../actors/controller/plan-change.ts';
import type { Status } from '../../actors/controller/status-report.ts';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { type NatsServer, startNatsServer } from '../../engine/bus/nats-server.ts';
import { allGears, type GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import { decode } from '../../plans/protocol/codec.ts';
import type { EventMessage } from '../../plans/protocol/events.ts';
import { subjectsOf } from '../../plans/protocol/subjects.ts';
import type { Report } from '../../plans/report/report.ts';
import { type Cascade, cascadeJson, runCascade, startCascade } from '../support/cascade.ts';
import { expectNothingLost } from '../support/report-fields.ts';

/** Planned for low loads, and gets high ones. */
const DEPLOYMENT = `
name: drifting
synthetic:
  samples: 500
  models:
    - { name: small, accuracy: 0.7, fixed: 1ms, perSample: 1ms, memory: 1MB }
    - { name: large, accuracy: 0.9, fixed: 4ms, perSample: 8ms, memory: 1MB }
devices: [{ id: d0, kind: emulated, like: gpu, memory: 10MB }]
slo: { p95: 300ms }
deadline: 30s
load: { qpsMax: 200, ranges: 4, distribution: { zipf: 2 } }
`;

const folder = mkdtempSync(join(tmpdir(), 'cascade-replan-'));
let server: NatsServer;
const serving: Cascade[] = [];

beforeAll(async () => {
  server = await startNatsServer();
});

afterAll(async () => {
  for (const each of serving) await each.stop();
  await server?.stop();
  rmSync(folder, { recursive: true });
});

/** Serves a deployment of its own. */
async function serve(name: string, drift: string): Promise<string> {
  const dir = mkdtempSync(join(folder, name));
  writeFileSync(join(dir, 'deployment.yaml'), `${DEPLOYMENT.replace('drifting', name)}drift: ${drift}\n`);
  await cascadeJson(['profile', dir]);
  await cascadeJson(['plan', dir]);
  const started = startCascade(['serve', dir, '--nats', server.url, '--log-level', 'warn']);
  serving.push(started);
  await started.firstLine;
  return dir;
}

const load = (dir: string, seconds: number) =>
  cascadeJson<Report>(['load', dir, '--nats', server.url, '--qps', '120', '--seconds', String(seconds)]);
const status = (dir: string) => cascadeJson<Status>(['status', dir, '--nats', server.url]);

test('one command makes a plan for the measured load and puts it in force, once enough was measured', async () => {
  const dir = await serve('by-hand', '{ minSamples: 6 }');
  const early = await runCascade(['replan', dir, '--nats', server.url]);
  expect([early.code, early.stderr]).toEqual([2, expect.stringContaining('less than the 6 of drift.minSamples')]);

  expectNothingLost(await load(dir, 10));
  const before = await status(dir);
  expect(before.drift?.qps).toMatchObject({ drifted: true });
  const { plan, out, verdict } = await cascadeJson<{ plan: GearPlan; out: string; verdict: Verdict }>([
    'replan',
    dir,
    '--nats',
    server.url,
    '--push',
  ]);
  expect(verdict).toEqual({ accepted: true, revision: before.revision + 1 });
  expect(JSON.parse(readFileSync(out, 'utf8'))).toEqual(plan);
  // The plan expects hardly any seconds with 120 requests.
  const range = plan.gears.findIndex(({ qps }) => qps[1] > 120);
  expect(plan.qpsWeights[range]).toBeGreaterThan(0.5);
  expect(plan.meanQps).toBeGreaterThan(90);
  const told = await runCascade(['status', dir, '--nats', server.url]);
  const of = allGears(plan).length;
  expect(told.stdout).toMatch(
    new RegExp(`gear \\d+ of ${of} .*\\n {2}expected accuracy .*\\n {2}chosen by load: \\d+ requests/s`),
  );
  expect((await status(dir)).revision).toBe(before.revision + 1);
});

test('with replan: auto it is made and put in force automatically', async () => {
  const dir = await serve('by-itself', '{ minSamples: 6, replan: auto }');
  const bus = await connectNats({ servers: server.url });
  const adopted = firstValueFrom(
    bus.messages$(subjectsOf('by-itself').events).pipe(
      map(({ data }) => decode<EventMessage>(data)),
      filter(({ type }) => type === 'plan-adopted'),
    ),
  );
  expectNothingLost(await load(dir, 15));
  // The load has ended, but the drift has not: planning may take longer than the load lasted.
  expect(await adopted).toEqual({ type: 'plan-adopted', revision: 2 });
  await bus.close();
  expect((await status(dir)).revision).toBe(2);
});
