import { ConfigError } from '../../engine/errors.ts';
import type { GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import type { PlanHistory, Revision } from './plan-history.ts';

/**
 * The plan in force by the history, if it can be served here. With the next revision's number, the plan of the file takes the
 * place of one that cannot (see `startingPlan`).
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
    // Out of reach is not the same as unreadable: what is there must not be replaced.
    if (!(error instanceof ConfigError)) throw error;
    warn(error.message);
    return undefined;
  }
  const problems = stored === undefined ? [] : check(stored.plan);
  if (problems.length === 0) return stored;
  warn(problems.join('; '));
  return undefined;
}

/** The plan that a process begins with: the one in force by the history, else the file's, under the next number. */
export async function startingPlan(
  history: PlanHistory,
  file: GearPlan,
  check: (plan: GearPlan) => readonly string[],
  warn: (reason: string) => void,
): Promise<Revision> {
  // Asked first: a controller may put the first plan in force while we read, and what we found missing then has its number.
  const current = await history.currentRevision();
  if (current === undefined) return { revision: 1, plan: file };
  return (await storedPlan(history, check, warn)) ?? { revision: current + 1, plan: file };
}
