import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { NO_NUMBER } from '../../../../plans/domain/cascade/certainty.ts';
import { loadDeployment } from '../../../../plans/domain/deployment/read-deployment.ts';
import { readProfile } from '../../../../plans/domain/profile/profile-file.ts';
import { planRequestOf } from '../../../../plans/planner/request-of-deployment.ts';
import { writeTiny } from '../../../support/tiny-deployment.ts';

test('a family that answers only NaN is refused in words', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cascade-request-'));
  try {
    writeTiny(folder, { devices: ['cpu0'], load: '{ qpsMax: 200, ranges: 2 }' });
    const deployment = loadDeployment(folder);
    const profile = readProfile(join(folder, 'profile.json'));
    const models = profile.models.map((model) => ({ ...model, certainties: model.certainties.map(() => NO_NUMBER) }));
    expect(() => planRequestOf(deployment, { ...profile, models }, {})).toThrow('every model answered NaN');
    const [first, ...others] = models;
    const answering = { ...first, certainties: first.certainties.with(0, 1) };
    expect(planRequestOf(deployment, { ...profile, models: [answering, ...others] }, {}).qpsMax).toBe(200);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
