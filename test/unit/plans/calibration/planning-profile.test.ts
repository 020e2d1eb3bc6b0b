import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Calibration } from '../../../../plans/calibration/calibration.ts';
import { writeCalibration } from '../../../../plans/calibration/calibration-file.ts';
import { planningProfile } from '../../../../plans/calibration/planning-profile.ts';
import { loadDeployment } from '../../../../plans/domain/deployment/read-deployment.ts';
import { fileDigest } from '../../../../plans/domain/profile/file-digest.ts';
import { type Profile, wayMs } from '../../../../plans/domain/profile/profile.ts';
import { readProfile, writeProfile } from '../../../../plans/domain/profile/profile-file.ts';
import { planGears } from '../../../../plans/planner/planner.ts';
import { planRequestOf } from '../../../../plans/planner/request-of-deployment.ts';
import { compilePlan } from '../../../../plans/policy/compiled-plan.ts';
import { writeTiny } from '../../../support/tiny-deployment.ts';

let folder: string;
let said: string[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cascade-calibrated-'));
  said = [];
  writeTiny(folder, { devices: ['cpu0', 'cpu1'], load: '{ qpsMax: 200, ranges: 2 }' });
});
afterEach(() => rmSync(folder, { recursive: true }));

const file = () => join(folder, 'calibration.json');
const profileFile = () => join(folder, 'profile.json');
const read = (options = {}): Profile =>
  planningProfile(loadDeployment(folder), profileFile(), { say: (line) => said.push(line), ...options });

function calibrated(changes: Partial<Calibration> = {}): void {
  writeCalibration(file(), {
    schema: 1,
    deployment: 'tiny',
    profile: fileDigest(profileFile()),
    frontends: 1,
    machine: 'test',
    date: '2026-11-26T10:11:12.000Z',
    seed: 1,
    seconds: 4,
    factors: {
      inference: { 'cpu-1': 1.25 },
      contentionMs: 0.02,
      perBatch: 2,
      perRequest: 0.5,
      hopMs: 0.4,
      wakeMs: 0.3,
      jitterMs: 0.1,
      intakeMs: 0.004,
    },
    atBound: [],
    loads: [],
    ...changes,
  });
}

describe('a calibration next to its profile', () => {
  test('corrects it, and one line says by how much', () => {
    calibrated();
    const measured = readProfile(profileFile());
    const corrected = read();
    expect(corrected.models[1].runtimes['cpu-1'].ms).toEqual(measured.models[1].runtimes['cpu-1'].ms.map((ms) => ms * 1.25));
    expect(corrected.overhead).toEqual({
      perBatchMs: measured.overhead.perBatchMs * 2,
      perRequestMs: measured.overhead.perRequestMs * 0.5,
      hopMs: 0.4,
      handoffMs: 0.4,
      wakeMs: 0.3,
      jitterMs: 0.1,
      intakeMs: 0.004,
      contentionMs: 0.02,
    });
    expect(said).toEqual([
      expect.stringMatching(
        /^corrected by calibration\.json of 2026-11-26 10:11: inference x1\.25, each request also uses 0\.02 ms of the device’s cores outside inference, per batch x2/,
      ),
    ]);
  });

  test('with frontends in two devices saves every other request a hop', () => {
    const yaml = join(folder, 'deployment.yaml');
    writeFileSync(yaml, `${readFileSync(yaml, 'utf8')}frontends: in-devices\n`);
    calibrated({ frontends: 'in-devices' });
    expect(read().overhead.handoffMs).toBe(0.2);
    expect(wayMs(read().overhead)).toBeCloseTo(1, 10);
  });

  test('is ignored on request', () => {
    calibrated();
    expect(read({ calibration: false })).toEqual(readProfile(profileFile()));
    expect(said).toEqual([]);
  });

  test('changes the plan, which tells devices what to compare their batches with', async () => {
    const plan = async (profile: Profile) => {
      const result = await planGears(planRequestOf(loadDeployment(folder), profile, {}));
      if (result.type === 'infeasible') throw new Error(result.reason);
      return result.plan;
    };
    const before = await plan(read());
    calibrated();
    const after = await plan(read());
    expect(after.digest).not.toBe(before.digest);
    expect(before.correction).toBeUndefined();
    expect(after.correction).toEqual({ date: '2026-11-26T10:11:12.000Z', inference: { cpu0: 1.25, cpu1: 1.25 } });
    expect([...compilePlan(after).inferenceFactor]).toEqual([1.25, 1.25]);
    expect([...compilePlan(before).inferenceFactor]).toEqual([1, 1]);
  });

  test('cannot be written into the profile', () => {
    calibrated();
    expect(() => writeProfile(profileFile(), read())).toThrow(/a corrected profile must not be written/);
  });
});

describe('a calibration that does not fit is ignored, with a warning that says what to do', () => {
  test('of another profile', () => {
    calibrated({ profile: 'other' });
    expect(read()).toEqual(readProfile(profileFile()));
    expect(said).toEqual([
      expect.stringMatching(
        /calibration\.json is ignored: it was measured with a different profile than .*run `cascade calibrate` again/,
      ),
    ]);
  });

  test('of another layout', () => {
    calibrated({ frontends: 'in-devices' });
    expect(read()).toEqual(readProfile(profileFile()));
    expect(said).toEqual([expect.stringMatching(/measured with frontends: in-devices, but .*deployment\.yaml says 1;/)]);
  });
});

describe('a damaged calibration is refused, naming file and field', () => {
  test.each([
    ['{', /calibration\.json is not a calibration .*run `cascade calibrate` again, or remove the file/],
    ['{"schema": 2}', /calibration\.json is not a valid calibration.*[\s\S]*schema/],
  ])('%s', (text, message) => {
    writeFileSync(file(), text);
    expect(() => read()).toThrow(message);
  });

  test('with an implausible factor', () => {
    calibrated();
    writeFileSync(file(), readFileSync(file(), 'utf8').replace('1.25', '99'));
    expect(() => read()).toThrow(/is not a valid calibration[\s\S]*factors\.inference/);
  });
});
