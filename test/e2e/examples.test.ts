import { appendFileSync, cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type NatsServer, startNatsServer } from '../../engine/bus/nats-server.ts';
import type { GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import type { Report } from '../../plans/report/report.ts';
import { cascadeJson, runCascade, startCascade } from '../support/cascade.ts';
import { expectAllAnswered, expectReportFields } from '../support/report-fields.ts';

/** The examples in conf/ other than the demo's, with the commands in their READMEs. */

const EXAMPLES = [
  { name: 'digits', samples: 600 },
  { name: 'languages', samples: 3_000 },
];

let folder: string;
let server: NatsServer;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cascade-example-'));
  server = await startNatsServer();
});

afterEach(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

describe.each(EXAMPLES)('conf/$name', ({ name, samples }) => {
  test('is profiled, planned and served, as accurate as its plan expects', async () => {
    cpSync(join('conf', name), folder, { recursive: true });
    // On a busy machine, answers take longer than the deadline of the example.
    appendFileSync(join(folder, 'deployment.yaml'), 'deadline: 30s\n');
    // A busy machine cannot carry the load of the example itself.
    const plan = ['plan', folder, '--qps-max', '1000'];
    for (const step of [['profile', folder, '--quick'], plan]) {
      const { code, stderr } = await runCascade(step);
      expect(code, stderr).toBe(0);
    }
    const { gears } = await cascadeJson<GearPlan>(plan);
    // Which cascade is best depends on measured times, but one model alone is never enough.
    expect(gears[0].cascade.length).toBeGreaterThan(1);
    const serving = startCascade(['serve', folder, '--nats', server.url, '--log-level', 'warn']);
    await serving.firstLine;
    const report = await cascadeJson<Report>([
      'load',
      folder,
      '--nats',
      server.url,
      '--qps',
      '100',
      '--seconds',
      '6',
      '--seed',
      '1',
    ]);
    const { code, stderr } = await serving.stop();
    expect(code, stderr).toBe(0);
    expectReportFields(report);
    expectAllAnswered(report);
    // Planned with some samples, loaded with others, each about once: three standard errors of the difference.
    const { accuracy } = gears[0].expected;
    const tolerance = 3 * Math.sqrt(accuracy * (1 - accuracy) * (1 / samples + 1 / report.completed));
    expect(Math.abs(report.accuracy! - accuracy)).toBeLessThan(tolerance);
  }, 300_000);
});
