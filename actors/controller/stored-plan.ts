import { ConfigError } from '../../engine/errors.ts';
import type { GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import type { PlanHistory, Revision } from './plan-history.ts';

/**
 * The plan in force according to the history, if it can be served here. If it cannot, the plan of the file replaces it under the next
 * revision (see `startingPlan`).
 */
export async function storedPlan(
  history: PlanHistory,
  check: (plan: GearPlan) => readonly string[],
  warn: (reason: string) => void,
): Promise<Revision | undefined> {
  let stored: Revision | undefined;
  try {
    stored = await history.current();
  } catch (error) {
    // Only an unreadable plan may be replaced; one that is merely unreachable may not.
    if (!(error instanceof ConfigError)) throw error;
    warn(error.message);
    return undefined;
  }
  const problems = stored === undefined ? [] : check(stored.plan);
  if (problems.length === 0) return stored;
  warn(problems.join('; '));
  return undefined;
}

/** The plan a process starts with: the one in force according to the history, else the file's, under the next revision. */
export async function startingPlan(
  history: PlanHistory,
  file: GearPlan,
  check: (plan: GearPlan) => readonly string[],
  warn: (reason: string) => void,
): Promise<Revision> {
  // Read before the plan: a controller may put the first plan in force in between, and the file's plan must not get the same revision.
  const current = await history.currentRevision();
  if (current === undefined) return { revision: 1, plan: file };
  return (await storedPlan(history, check, warn)) ?? { revision: current + 1, plan: file };
}
