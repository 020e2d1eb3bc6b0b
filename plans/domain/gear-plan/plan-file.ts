import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError, messageOf } from '../../../engine/errors.ts';
import { writeWhole } from '../../../engine/write-file.ts';
import { describeIssues } from '../deployment/yaml-problems.ts';
import { type GearPlan, gearPlanSchema, PLAN_SCHEMA } from './gear-plan.ts';
import { checkPlan, refusePlan } from './plan-check.ts';

/**
 * Reads a plan that is consistent in itself; `checkPlanFor` says whether it fits a particular deployment.
 * @throws ConfigError naming file, field and value.
 */
export function readPlan(file: string): GearPlan {
  if (!existsSync(file)) throw new ConfigError(`${file} does not exist; make it with \`cascade plan\``);
  if (statSync(file).isDirectory()) throw new ConfigError(`${file} is a folder; name a plan, such as ${join(file, 'plan.json')}`);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError(`${file} cannot be read: ${messageOf(error)}`);
  }
  const plan = parsePlan(text, file);
  refusePlan(file, checkPlan(plan));
  return plan;
}

/** @throws ConfigError naming `source`, field and value. */
export function parsePlan(text: string, source: string): GearPlan {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ConfigError(`${source}: not JSON (${messageOf(error)}); run \`cascade plan\` again`);
  }
  const version = typeof value === 'object' && value !== null && 'schema' in value ? value.schema : undefined;
  if (typeof version === 'number' && version !== PLAN_SCHEMA)
    throw new ConfigError(`${source}: schema ${version}; this version reads ${PLAN_SCHEMA}: run \`cascade plan\` again`);
  const parsed = gearPlanSchema.safeParse(value, { reportInput: true });
  if (!parsed.success)
    throw new ConfigError(
      `${source}: not a gear plan; run \`cascade plan\` again\n${describeIssues(gearPlanSchema, value, parsed.error)}`,
    );
  return parsed.data;
}

/** @throws ConfigError when it cannot; Error for a plan that could not be read again, since JSON turns NaN into null. */
export function writePlan(file: string, plan: GearPlan): void {
  const { error } = gearPlanSchema.safeParse(plan, { reportInput: true });
  if (error !== undefined)
    throw new Error(
      `${file} was not written: a defect made a plan that is not one\n${describeIssues(gearPlanSchema, plan, error)}`,
    );
  writeWhole(file, `${JSON.stringify(plan, null, 2)}\n`);
}
