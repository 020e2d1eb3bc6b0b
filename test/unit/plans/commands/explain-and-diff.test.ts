import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { ConfigError } from '../../../../engine/errors.ts';
import * as diff from '../../../../plans/commands/diff.ts';
import * as explain from '../../../../plans/commands/explain.ts';
import type { GearPlan } from '../../../../plans/domain/gear-plan/gear-plan.ts';
import { writePlan } from '../../../../plans/domain/gear-plan/plan-file.ts';
import { writeProfile } from '../../../../plans/domain/profile/profile-file.ts';
import { runInProcess } from '../../../support/run-in-process.ts';
import { explainedPlan, profile } from '../explain/explained-plan.ts';

const dir = mkdtempSync(join(tmpdir(), 'cascade-explain-'));
const file = join(dir, 'plan.json');
writePlan(file, explainedPlan());

/** A plan whose gears do not fit its models. */
const torn = join(dir, 'torn.json');
writePlan(torn, tornPlan());

function tornPlan(): GearPlan {
  const plan = explainedPlan();
  return { ...plan, gears: [{ ...plan.gears[0], cascade: [{ model: 'huge' }] }, ...plan.gears.slice(1)] };
}

afterAll(() => rmSync(dir, { recursive: true }));

const run = (...args: string[]) => runInProcess([explain, diff], args);

test('explain writes tables, a page, and JSON; with the profile next to the plan it knows which model answers', async () => {
  const html = join(dir, 'plan.html');
  expect((await run('explain', file)).stdout).toContain('Frontier');
  const answersOf = async (): Promise<unknown> =>
    JSON.parse((await run('explain', file, '--json', '-', '--html', html)).stdout).gears[0].stages[0].answers;
  expect(await answersOf()).toBeNull();
  expect(readFileSync(html, 'utf8')).toMatch(/^<!doctype html>/);
  writeFileSync(join(dir, 'profile.json'), 'not a profile');
  expect(await answersOf()).toBeNull();
  writeProfile(join(dir, 'profile.json'), profile);
  expect(await answersOf()).toBe(1);
});

test('diff of two plans writes text or JSON', async () => {
  const other = join(dir, 'other.json');
  writePlan(other, explainedPlan({ slo: { p95: 50 } }));
  expect((await run('diff', file, other)).stdout).toContain('SLO: p95 <= 100 ms  ->  p95 <= 50 ms');
  expect(JSON.parse((await run('diff', file, file, '--json', '-')).stdout)).toMatchObject({ same: true });
});

test.each([
  [['explain', '/nowhere/plan.json'], '/nowhere/plan.json does not exist'],
  [['explain', file, '--profile', '/nowhere/profile.json'], '/nowhere/profile.json does not exist'],
  [['diff', file, '/nowhere/plan.json'], '/nowhere/plan.json does not exist'],
  [['diff', join(dir, 'profile.json'), file], 'not a gear plan'],
  [['explain', torn], `${torn}: gears[0].cascade[0].model: "huge" is not among the plan's models`],
  [['diff', file, torn], `${torn}: gears[0].cascade[0].model: "huge"`],
])('refuses %j', async (args, message) => {
  writeProfile(join(dir, 'profile.json'), profile);
  const attempt = run(...args);
  await expect(attempt).rejects.toThrow(ConfigError);
  await expect(attempt).rejects.toThrow(message);
});
