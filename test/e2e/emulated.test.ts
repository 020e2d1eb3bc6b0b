import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Status } from '../../actors/controller/status-report.ts';
import type { DemoReport } from '../../actors/demo/run-demo.ts';
import { type NatsServer, startNatsServer } from '../../engine/bus/nats-server.ts';
import { allGears, type GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import type { Report } from '../../plans/report/report.ts';
import { type Cascade, cascadeJson, runCascade, startCascade } from '../support/cascade.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { expectNothingLost, expectReportFields } from '../support/report-fields.ts';

/** The serving plane at the size of the paper's second workload, 16 devices, on any machine. */
const DEPLOYMENT = 'conf/synthetic/llama-like';
const LOAD = ['--qps', '20', '--seconds', '6', '--seed', '3'];

describe('a synthetic deployment', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cascade-emulated-'));
  const profile = ['--profile', join(folder, 'profile.json')];
  const planFile = join(folder, 'plan.json');
  let server: NatsServer;
  let serving: Cascade;
  let plan: GearPlan;
  let ports: { readonly metrics: number; readonly dashboard: number };

  beforeAll(async () => {
    server = await startNatsServer();
    await cascadeJson(['profile', DEPLOYMENT, '--out', join(folder, 'profile.json')]);
    plan = await cascadeJson<GearPlan>(['plan', DEPLOYMENT, ...profile, '--out', planFile, '--ranges', '4']);
    ports = { metrics: await freePort(), dashboard: await freePort() };
    const observers = ['--metrics', String(ports.metrics), '--dashboard', String(ports.dashboard)];
    const serve = ['serve', DEPLOYMENT, ...profile, '--plan', planFile, '--nats', server.url, '--log-level', 'warn'];
    serving = startCascade([...serve, ...observers]);
  });

  afterAll(async () => {
    const end = await serving?.stop();
    await server?.stop();
    rmSync(folder, { recursive: true });
    expect(end?.code, end?.stderr).toBe(0);
  });

  test('is planned as synthetic, on devices marked as emulated', async () => {
    expect(plan.synthetic).toBe(true);
    expect(await serving.firstLine).toContain('n0g0 (emulated)');
    const { devices } = await cascadeJson<Status>(['status', DEPLOYMENT, '--nats', server.url]);
    expect(devices).toHaveLength(16);
    expect(devices.every(({ emulated }) => emulated)).toBe(true);
    // Each is its own actor; because they only wait, one process holds them all.
    expect(new Set(devices.map(({ pid }) => pid)).size).toBe(1);
  });

  test('serves Prometheus metrics and the dashboard if asked to', async () => {
    expect(await serving.firstLine).toContain(
      `metrics at http://127.0.0.1:${ports.metrics}/metrics; dashboard at http://127.0.0.1:${ports.dashboard}`,
    );
    await eventually(async () => {
      const metrics = await (await fetch(`http://127.0.0.1:${ports.metrics}/metrics`)).text();
      expect(metrics.match(/^cascade_device_up\{device="n\dg\d"\} 1$/gm)).toHaveLength(16);
    });
    const page = await fetch(`http://127.0.0.1:${ports.dashboard}/`);
    expect(page.headers.get('Content-Security-Policy')).toContain("default-src 'self'");
    expect(await page.text()).toContain('<title>CascadeServe</title>');
  });

  test('can be watched without a terminal, at a line a second', async () => {
    await serving.firstLine;
    const { code, stdout, stderr } = await runCascade(['watch', DEPLOYMENT, '--nats', server.url, '--seconds', '2']);
    expect(code, stderr).toBe(0);
    expect(stdout.trim().split('\n')).toEqual([
      expect.stringMatching(/^\d\d:\d\d:\d\d {2}load 0\/s {2}gear/),
      expect.stringMatching(/busy: n0g0 \d+ %, n0g1 \d+ %/),
    ]);
  });

  test('a port that is taken is reported, with the option, before anything is served', async () => {
    await serving.firstLine;
    const taken = ['serve', DEPLOYMENT, '--role', 'dashboard', '--nats', server.url, '--dashboard', String(ports.metrics)];
    const { code, stderr } = await runCascade([...taken, '--log-level', 'error']);
    expect(code).toBe(2);
    expect(stderr).toContain(`--dashboard 127.0.0.1:${ports.metrics}: another process listens on this port`);
  });

  test('serves its load without a loss, with the synthetic answers', async () => {
    await serving.firstLine;
    const report = await cascadeJson<Report & { emulated: boolean }>([
      'load',
      DEPLOYMENT,
      ...profile,
      '--nats',
      server.url,
      ...LOAD,
    ]);
    expectReportFields(report, ['emulated']);
    expect(report.emulated).toBe(true);
    expectNothingLost(report);
    expect(Object.keys(report.deviceUtilisation ?? {})).toHaveLength(16);
    // Which gears serve depends on the machine: between the least and the most accurate, by four standard errors.
    const accuracies = allGears(plan).map(({ expected }) => expected.accuracy);
    const error = 4 * Math.sqrt(0.25 / report.completed);
    expect(report.accuracy).toBeGreaterThan(Math.min(...accuracies) - error);
    expect(report.accuracy).toBeLessThan(Math.max(...accuracies) + error);
  });

  test('is simulated with the same load, and marked as synthetic', async () => {
    const report = await cascadeJson<Report>(['simulate', DEPLOYMENT, ...profile, '--plan', planFile, ...LOAD]);
    expect(report).toMatchObject({ synthetic: true });
    expectNothingLost(report);
  });
});

describe('cascade demo --emulated', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cascade-demo-emulated-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  test('runs from profile to report, and says at every step that it is emulated', async () => {
    const json = join(folder, 'demo.json');
    const { code, stdout, stderr } = await runCascade(['demo', '--emulated', '--seconds', '5', '--json', json]);
    expect(code, stderr).toBe(0);
    const report = JSON.parse(readFileSync(json, 'utf8')) as DemoReport;
    expect(report).toMatchObject({ emulated: true, slowdown: 1, rejected: 0, errors: 0, lost: 0 });
    expect(report.completed).toBe(report.offered);
    expect(stdout).toContain('emulated devices');
    for (const step of ['1/4 Profile', '2/4 Plan', '3/4 Serve', '4/4 Replay']) {
      expect(stderr).toMatch(new RegExp(`${step}.*\\(emulated\\)`));
    }
  });

  test('for an unknown family, lists the known ones', async () => {
    const { code, stderr } = await runCascade(['demo', '--emulated', 'gpt-like']);
    expect(code).toBe(2);
    expect(stderr).toContain('--emulated gpt-like: unknown family; use bert-like or llama-like');
  });
});
