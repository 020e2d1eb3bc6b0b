import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { parsePlan, readPlan, writePlan } from '../../../../../plans/domain/gear-plan/plan-file.ts';
import { planWeights } from '../../../../../plans/planner/cycle/plan-weights.ts';
import { syntheticProfile } from '../../../../../plans/synthetic/synthetic.ts';
import { planOf } from '../../../../support/plans.ts';

const plan = planOf({ models: ['small', 'large'] });

test('a plan of an earlier version is refused, saying what to do', () => {
  const { weights, ...old } = plan;
  expect(() => parsePlan(JSON.stringify({ ...old, schema: 1 }), 'plan.json')).toThrow(
    'plan.json: schema 1; this version reads 2: run `cascade plan` again',
  );
});

test('the plan carries the weights as measured, whatever correction it was made with', () => {
  const profile = syntheticProfile({
    seed: 1,
    samples: 40,
    deviceClasses: { gpu: 1 },
    models: [{ name: 'small', accuracy: 0.7, fixedMs: 3, perSampleMs: 1, memoryBytes: 5 }],
  });
  const corrected = {
    models: profile.models.map((model) => ({
      ...model,
      runtimes: { gpu: { ...model.runtimes.gpu, ms: model.runtimes.gpu.ms.map((ms) => 1.1 * ms) } },
    })),
    correction: { date: '', digest: '', inference: { gpu: 1.1 } },
  };
  const weights = planWeights(profile);
  expect(planWeights(corrected)).toEqual(weights);
  expect(weights.small).toMatchObject({ digest: 'synthetic-small', memoryBytes: 5, runtimes: profile.models[0].runtimes });
  expect(parsePlan(JSON.stringify({ ...planOf({ models: ['small'] }), weights }), 'plan.json').weights).toEqual(weights);
});

test('a waiting time too long for a timer is refused with its path', () => {
  const plan = planOf({ models: ['small'] });
  const [gear] = plan.gears;
  const text = JSON.stringify({ ...plan, gears: [{ ...gear, maxWaitMs: 1e300 }] });
  expect(() => parsePlan(text, 'plan.json')).toThrow(
    /plan\.json: not a gear plan;.*\n {2}gears\[0\]\.maxWaitMs: 1e\+300 is too large; must be at most 600000/,
  );
});

test('a plan is written through a link', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cascade-plan-file-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'shared.json'), 'stale');
  symlinkSync('shared.json', join(folder, 'plan.json'));
  writePlan(join(folder, 'plan.json'), plan);
  expect(readPlan(join(folder, 'shared.json'))).toEqual(plan);
});

test('a plan that is not one is a defect, and is not written', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cascade-plan-file-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'plan.json');
  expect(() => writePlan(file, { ...plan, qpsWeights: [Number.NaN] })).toThrow(
    /was not written: a defect.*\n {2}qpsWeights\[0\]: NaN/,
  );
  expect(existsSync(file)).toBe(false);
});

test.each([
  ['accuracy', 3],
  ['accuracy', -1],
  ['accuracyInterval', [0.2, 1.5]],
  ['accuracyInterval', [0.9, 0.5]],
  ['latencyMsP95', -2],
])('a plan that expects %s: %j is refused', (field, value) => {
  const text = JSON.stringify({ ...plan, expected: { ...plan.expected, [field]: value } });
  expect(() => parsePlan(text, 'plan.json')).toThrow(`  expected.${field}`);
});
