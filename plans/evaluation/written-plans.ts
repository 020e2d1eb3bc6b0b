import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError, messageOf } from '../../engine/errors.ts';
import type { PlanSubject } from '../domain/gear-plan/plan-check.ts';
import { checkPlanFor } from '../domain/gear-plan/plan-check.ts';
import { writePlan } from '../domain/gear-plan/plan-file.ts';
import type { MeasuredPoint } from './points.ts';

/**
 * Writes the plans of the chosen points, for `cascade serve --plan`.
 * @returns a line for each point, also for those without a plan to write.
 * @throws ConfigError if the folder cannot be created.
 */
export function writeComparedPlans(folder: string, chosen: readonly MeasuredPoint[], deployment: PlanSubject): string[] {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw new ConfigError(`--write-plan ${folder}: cannot create the folder: ${messageOf(error)}`);
  }
  return chosen.map(({ strategy, candidate }) => {
    if (candidate.type !== 'plan') return `${strategy} has no gear plan: ensembles on scaled devices are only simulated`;
    const [problem] = checkPlanFor(deployment, candidate.plan);
    if (problem !== undefined) return `${strategy}: its plan cannot be served on this deployment: ${problem}`;
    const file = join(folder, `${strategy}.plan.json`);
    writePlan(file, candidate.plan);
    return `wrote ${file}`;
  });
}
