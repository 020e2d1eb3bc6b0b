import { accessSync, constants, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError, messageOf } from '../../engine/errors.ts';
import type { PlanSubject } from '../domain/gear-plan/plan-check.ts';
import { checkPlanFor } from '../domain/gear-plan/plan-check.ts';
import { writePlan } from '../domain/gear-plan/plan-file.ts';
import type { MeasuredPoint } from './points.ts';

/** Creates the folder of `--write-plan`, before the plans are made. @throws ConfigError if it cannot be written. */
export function makePlanFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
  } catch (error) {
    throw new ConfigError(`--write-plan ${folder}: cannot write into this folder: ${messageOf(error)}`);
  }
}

/**
 * Writes the plans of the chosen points, for `cascade serve --plan`.
 * @returns a line for each point, also for those without a plan to write.
 */
export function writeComparedPlans(folder: string, chosen: readonly MeasuredPoint[], deployment: PlanSubject): string[] {
  return chosen.map(({ strategy, candidate }) => {
    if (candidate.type !== 'plan') return `${strategy} has no gear plan: ensembles on scaled devices are only simulated`;
    const [problem] = checkPlanFor(deployment, candidate.plan);
    if (problem !== undefined) return `${strategy}: its plan cannot be served on this deployment: ${problem}`;
    const file = join(folder, `${strategy}.plan.json`);
    writePlan(file, candidate.plan);
    return `wrote ${file}`;
  });
}
