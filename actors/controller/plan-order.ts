import { z } from 'zod';
import type { GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import { parsePlan } from '../../plans/domain/gear-plan/plan-file.ts';

/** What an operator wants: a new plan, or one from before: a revision, or `true` for the one before that in force. */
export type ParsedPlanOrder =
  | { readonly type: 'plan'; readonly plan: GearPlan }
  | { readonly type: 'rollback'; readonly to: number | true };

const SOURCE = 'the plan';

const rollbackSchema = z.strictObject({ rollback: z.union([z.literal(true), z.int().positive()]) });

/** @throws Error in words for what is neither a plan nor an order to go back. */
export function readPlanOrder(text: string): ParsedPlanOrder {
  const to = rollbackOf(text);
  return to === undefined ? { type: 'plan', plan: parsePlan(text, SOURCE) } : { type: 'rollback', to };
}

function rollbackOf(text: string): number | true | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Not JSON: `parsePlan` says what is wrong with it.
    return undefined;
  }
  if (typeof value !== 'object' || value === null || !('rollback' in value)) return undefined;
  const parsed = rollbackSchema.safeParse(value);
  if (parsed.success) return parsed.data.rollback;
  throw new Error(`rollback: ${JSON.stringify(value.rollback)}; write {"rollback": true} or {"rollback": 3}`);
}
