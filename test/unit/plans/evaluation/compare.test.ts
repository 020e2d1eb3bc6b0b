import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { Load } from '../../../../plans/domain/deployment/deployment.ts';
import { loadDeployment } from '../../../../plans/domain/deployment/read-deployment.ts';
import { readProfile } from '../../../../plans/domain/profile/profile-file.ts';
import { pointsOf } from '../../../../plans/evaluation/compare.ts';
import { halves } from '../../../../plans/evaluation/halves.ts';
import { writeTiny } from '../../../support/tiny-deployment.ts';

const folder = mkdtempSync(join(tmpdir(), 'cascade-compare-'));
afterAll(() => rmSync(folder, { recursive: true }));
writeTiny(folder, { devices: ['d0'], load: '{ qpsMax: 200, ranges: 4, distribution: { zipf: 1 } }' });
const deployment = loadDeployment(folder);
const profile = readProfile(join(folder, 'profile.json'));

/** A mean of 400 requests/s in the seconds with requests. */
const TRACE = { qps: Float64Array.of(100, 0, 200, 700, 0, 600) };

test.each<[string, Load['distribution']]>([
  ['Zipfian', deployment.load.distribution],
  ['measured, all low', { type: 'histogram', qpsMax: 200, weights: [1, 0, 0, 0] }],
  ['measured, all high', { type: 'histogram', qpsMax: 200, weights: [0, 0, 0, 1] }],
])('plans are made for the trace’s mean load, whatever the deployment’s: %s', async (_, distribution) => {
  const { points } = await pointsOf('cascade', 1, {
    ...halves(profile),
    deployment: { ...deployment, load: { ...deployment.load, distribution } },
    trace: TRACE,
    seed: 1,
    p95LevelsMs: [100],
    accuracyLevels: [0.85],
    progress: () => undefined,
  });
  const means = points.flatMap(({ candidate }) => (candidate.type === 'plan' ? [candidate.plan.meanQps] : []));
  expect(new Set(means)).toEqual(new Set([400]));
  expect(points.filter(({ settings }) => 'plannedAccuracy' in settings)).not.toHaveLength(0);
});
