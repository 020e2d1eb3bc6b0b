import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { calibratedProfile } from '../../../../plans/calibration/calibrated-profile.ts';
import type { CalibrationFactors } from '../../../../plans/calibration/calibration.ts';
import { fitFactors, startingFactors } from '../../../../plans/calibration/fit.ts';
import { simulateStep } from '../../../../plans/calibration/simulated-load.ts';
import { loadDeployment } from '../../../../plans/domain/deployment/read-deployment.ts';
import { readProfile } from '../../../../plans/domain/profile/profile-file.ts';
import { planOf } from '../../../support/plans.ts';
import { writeTiny } from '../../../support/tiny-deployment.ts';

const folder = mkdtempSync(join(tmpdir(), 'cascade-fit-'));
afterAll(() => rmSync(folder, { recursive: true }));
writeTiny(folder, { devices: ['cpu0'], load: '{ qpsMax: 500 }' });
const deployment = loadDeployment(folder);
const profile = readProfile(join(folder, 'profile.json'));
const plan = { ...planOf({ models: ['small', 'large'], devices: ['cpu0'], threshold: 0.3, maxWaitMs: 0, stepQps: 2_000 }) };
const SPEED = { inference: { 'cpu-1': 1.2 }, contentionMs: 0.1 };
const LOADS = [50, 200, 500, 900, 1_200];

/** What a run would measure with these factors; another seed gives other arrivals than those of the fit. */
function measure(factors: CalibrationFactors, seed = 1) {
  const corrected = calibratedProfile(profile, { date: '', frontends: 1, factors }, 1);
  return LOADS.map((qps) => simulateStep(deployment, corrected, plan, { qps, settleSeconds: 1, seconds: 3, seed }));
}

const TRUTH: CalibrationFactors = {
  ...SPEED,
  perBatch: 2.5,
  perRequest: 1,
  hopMs: 0.5,
  wakeMs: 0.3,
  jitterMs: 0.6,
  intakeMs: 0.002,
};

test('recovers the latencies of a machine with known factors, and the factors that they reveal', () => {
  const measured = measure(TRUTH);
  const fit = fitFactors(startingFactors(profile, SPEED), measured, measure);
  expect(fit.errorBefore).toBeGreaterThan(0.3);
  expect(fit.errorAfter).toBeLessThan(0.03);
  expect(fit.atBound).toEqual([]);
  expect(fit.factors).toMatchObject(SPEED);
  for (const name of ['perBatch', 'hopMs', 'jitterMs'] as const) {
    expect(fit.factors[name] / TRUTH[name], name).toBeGreaterThan(0.7);
    expect(fit.factors[name] / TRUTH[name], name).toBeLessThan(1.4);
  }
});

test('holds for arrivals other than those it was fitted to', () => {
  const fit = fitFactors(startingFactors(profile, SPEED), measure(TRUTH), measure);
  const other = measure(TRUTH, 2);
  measure(fit.factors, 2).forEach(({ latencyMsP95 }, i) => {
    expect(Math.abs(Math.log(latencyMsP95 / other[i].latencyMsP95)), `${LOADS[i]} requests/s`).toBeLessThan(0.1);
  });
});

test('a load is simulated the same in whatever order the profile lists the models', () => {
  const step = { qps: 400, settleSeconds: 1, seconds: 3, seed: 1 };
  const turned = { ...profile, models: profile.models.toReversed() };
  expect(simulateStep(deployment, turned, plan, step)).toEqual(simulateStep(deployment, profile, plan, step));
});

test('a machine that is as profiled stays as profiled', () => {
  const start = startingFactors(profile, { inference: {}, contentionMs: 0 });
  expect(fitFactors(start, measure(start), measure).factors).toEqual(start);
});

test('a difference that no factor explains ends at a bound, and is reported', () => {
  const late = measure(TRUTH).map((load) => ({ ...load, latencyMsP50: 500, latencyMsP95: 900 }));
  const { atBound } = fitFactors(startingFactors(profile, SPEED), late, measure);
  expect(atBound.length).toBeGreaterThan(0);
});
