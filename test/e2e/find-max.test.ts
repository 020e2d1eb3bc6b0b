import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { FoundMax } from '../../actors/load/find-max.ts';
import { type NatsServer, startNatsServer } from '../../engine/bus/nats-server.ts';
import type { Report } from '../../plans/report/report.ts';
import { type Cascade, cascadeJson, profileAndPlan, runCascade, startCascade } from '../support/cascade.ts';
import { expectAllAnswered } from '../support/report-fields.ts';

/** The highest load that a deployment carries, and traces from the command that makes them to the ones that read them. */

/** An emulated device waits for as long as its batches take: at most 4 in 50 ms, however fast the machine. */
const CAPACITY = 80;
const DEPLOYMENT = `name: limited
synthetic:
  models: [ { name: only, accuracy: 0.8, fixed: 10ms, perSample: 10ms, memory: 1GB } ]
  samples: 200
  batches: [1, 2, 4]
devices: [ { id: a, kind: emulated, like: gpu, memory: 16GB } ]
slo: { p95: 2s }
deadline: 4s
load: { qpsMax: 50, ranges: 1 }
`;
const CONFIRMATIONS = 2;

const folder = mkdtempSync(join(tmpdir(), 'cascade-find-max-'));
let server: NatsServer;
let serving: Cascade;

beforeAll(async () => {
  writeFileSync(join(folder, 'deployment.yaml'), DEPLOYMENT);
  server = await startNatsServer();
  await profileAndPlan(folder);
  serving = startCascade(['serve', folder, '--nats', server.url, '--log-level', 'warn']);
  await serving.firstLine;
});

afterAll(async () => {
  const end = await serving?.stop();
  await server?.stop();
  rmSync(folder, { recursive: true });
  expect(end?.code, end?.stderr).toBe(0);
});

test('load --find-max finds the highest load, reports each run, and writes everything as JSON', async () => {
  const json = join(folder, 'max.json');
  const runs = ['--qps', '200', '--seconds', '2', '--warm-up', '1', '--precision', '1', '--confirm', String(CONFIRMATIONS)];
  const { code, stdout, stderr } = await runCascade([
    ...['load', folder, '--nats', server.url, '--find-max', '--seed', '5', '--json', json],
    ...runs,
  ]);
  const found = JSON.parse(readFileSync(json, 'utf8')) as FoundMax & { emulated: boolean };
  expect(found).toMatchObject({ emulated: true, goal: { type: 'latency', withinMs: 2_000, share: 0.95 }, seed: 5 });

  const { maxQps, tooHighQps, steps } = found;
  expect(stderr).toContain('95 % of the requests within 2000 ms? Runs of 1 + 2 s, Poisson arrivals, seeds from 5');
  for (const [i, { qps, phase, verdict, seed, reached, report }] of steps.entries()) {
    expect(stderr).toContain(`${qps}/s ${phase}: ${verdict}`);
    expect(seed).toBe(5 + i);
    // Two of three seconds count; six standard errors.
    expect(Math.abs(report.offered - 2 * qps)).toBeLessThan(6 * Math.sqrt(2 * qps));
    expect(reached).toBe(report.withinSlo);
    expect(verdict).toBe(report.void ? 'void' : report.withinSlo! >= 0.95 ? 'met' : 'missed');
    // This far above the capacity of the device, most requests wait for more than 2 s.
    if (qps >= 2.5 * CAPACITY) expect(verdict).not.toBe('met');
  }
  // If other work delays the generator itself, the search may find nothing; the command says so.
  if (maxQps === null) {
    expect(code).toBe(1);
    expect(found.limitedBy).toBe('generator');
    return;
  }
  expect(code, stderr).toBe(0);
  expect(maxQps).toBeLessThan(2.5 * CAPACITY);
  expect(tooHighQps).toBeGreaterThan(maxQps);
  expect(steps.filter(({ qps, verdict }) => qps === maxQps && verdict === 'met').length).toBeGreaterThanOrEqual(CONFIRMATIONS);
  expect(stdout).toContain(`highest load with 95 % of the requests within 2000 ms: ${maxQps} requests/s`);
});

test('a generated trace is replayed and simulated with the same arrivals', async () => {
  const trace = join(folder, 'crowd.csv');
  const made = await runCascade(
    `trace make flash-crowd --seconds 3 --base 10 --peak 40 --at 1 --hold 1 --seed 2 --out ${trace}`.split(' '),
  );
  expect(made.stderr).toContain(`wrote ${trace}: 3 seconds, 60 requests, 20/s on average, 40/s at the peak`);
  expect(readFileSync(trace, 'utf8')).toBe('second,qps\n0,10\n1,40\n2,10\n');
  const live = await cascadeJson<Report>(['load', folder, '--nats', server.url, '--trace', trace]);
  const simulated = await cascadeJson<Report>(['simulate', folder, '--trace', trace]);
  expectAllAnswered(live);
  expectAllAnswered(simulated);
  expect(live.offered).toBe(simulated.offered);
});
