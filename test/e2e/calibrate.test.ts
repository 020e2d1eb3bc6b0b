import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Calibration } from '../../plans/calibration/calibration.ts';
import type { GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import { cascadeJson, runCascade } from '../support/cascade.ts';

/** Two emulated devices, slow enough for any machine. */
const DEPLOYMENT = `name: calibrated
synthetic:
  models:
    - { name: small, accuracy: 0.7, fixed: 15ms, perSample: 5ms, memory: 1GB }
    - { name: large, accuracy: 0.85, fixed: 40ms, perSample: 20ms, memory: 2GB }
  samples: 1000
  classes: 4
  correlation: 0.8
  batches: [1, 2, 4, 8]
  seed: 1
devices:
  - { id: d0, kind: emulated, like: v100, memory: 8GB }
  - { id: d1, kind: emulated, like: v100, memory: 8GB }
slo: { p95: 20s } # so lax that no load is void, whatever else the machine does
load: { qpsMax: 60, ranges: 3 }
`;

const folder = mkdtempSync(join(tmpdir(), 'cascade-calibrate-'));
const calibrationFile = join(folder, 'calibration.json');
let before: GearPlan;

beforeAll(async () => {
  writeFileSync(join(folder, 'deployment.yaml'), DEPLOYMENT);
  await cascadeJson(['profile', folder]);
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('cascade calibrate', () => {
  test('without a plan says how to make one', async () => {
    const { code, stderr } = await runCascade(['calibrate', folder]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/plan\.json does not exist; make it with `cascade plan`/);
  });

  test('measures the plan at five loads and writes the correction next to the profile', async () => {
    before = await cascadeJson<GearPlan>(['plan', folder]);
    const { code, stdout, stderr } = await runCascade(['calibrate', folder, '--seconds', '1']);
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/corrected by calibration\.json of .*: inference x\d\.\d\d, .*per batch x/);
    expect(stderr).toMatch(/wrote .*calibration\.json: `plan`, `simulate` and `provision` use it/);
    const { loads, factors, frontends } = JSON.parse(readFileSync(calibrationFile, 'utf8')) as Calibration;
    expect(loads.map(({ qps }) => qps)).toEqual([6, 18, 30, 45, 60]);
    expect(Object.keys(factors.inference)).toEqual(['emulated:v100']);
    expect(frontends).toBe(1);
    for (const { requests, measured } of loads) {
      expect(requests).toBeGreaterThan(0);
      // A batch of one takes the cheapest model 20 ms; an emulated device makes up for up to 2 ms of delay in the previous one.
      expect(measured.latencyMsP50).toBeGreaterThan(17);
      expect(Object.keys(measured.utilisation).sort()).toEqual(['d0', 'd1']);
    }
  });

  test('plan, simulate and provision use it, and say so in a line', async () => {
    const load = ['--qps', '20', '--seconds', '2'];
    for (const command of [
      ['plan', folder],
      ['simulate', folder, ...load],
      ['provision', folder, '--p95', '2s', '--accuracy', '0.7'],
    ]) {
      const { code, stderr } = await runCascade(command);
      expect(code, stderr).toBe(0);
      expect(stderr.match(/corrected by calibration\.json/g), command[0]).toHaveLength(1);
    }
    const after = await cascadeJson<GearPlan>(['plan', folder]);
    expect(after.digest).not.toBe(before.digest);
    expect(Object.keys(after.correction?.inference ?? {})).toEqual(['d0', 'd1']);
  });

  test('they ignore it on request', async () => {
    expect((await cascadeJson<GearPlan>(['plan', folder, '--no-calibration'])).digest).toBe(before.digest);
  });

  test('a calibration of another profile is ignored, with a warning that says what to do', async () => {
    const other = join(folder, 'other.json');
    copyFileSync(join(folder, 'profile.json'), other);
    writeFileSync(other, `${readFileSync(other, 'utf8')}\n`);
    const out = join(folder, 'other-plan.json');
    const { code, stderr } = await runCascade(['plan', folder, '--profile', other, '--out', out]);
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/warning: .*calibration\.json is ignored: it was measured with a different profile/);
    expect((JSON.parse(readFileSync(out, 'utf8')) as GearPlan).digest).toBe(before.digest);
  });

  test('a damaged one stops the plan, naming the file', async () => {
    expect(existsSync(calibrationFile)).toBe(true);
    writeFileSync(calibrationFile, '{ "schema": 1');
    const { code, stderr } = await runCascade(['plan', folder]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/calibration\.json is not a calibration .*run `cascade calibrate` again, or remove the file/);
  });
});
