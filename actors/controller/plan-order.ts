import { z } from 'zod';
import type { GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import { parsePlan } from '../../plans/domain/gear-plan/plan-file.ts';

/** An operator's order: a new plan, or a rollback to a revision (`true`: the one that was in force before the present one). */
export type ParsedPlanOrder =
  | { readonly type: 'plan'; readonly plan: GearPlan }
  | { readonly type: 'rollback'; readonly to: number | true };

const SOURCE = 'the plan';

const rollbackSchema = z.strictObject({ rollback: z.union([z.literal(true), z.int().positive()]) });

/** @throws Error with a message for people when the text is neither a plan nor a rollback. */
export function readPlanOrder(text: string): ParsedPlanOrder {
  const to = rollbackOf(text);
  return to === undefined ? { type: 'plan', plan: parsePlan(text, SOURCE) } : { type: 'rollback', to };
}

function rollbackOf(text: string): number | true | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // `parsePlan` reports that it is not JSON.
    return undefined;
  }
  if (typeof value !== 'object' || value === null || !('rollback' in value)) return undefined;
  const parsed = rollbackSchema.safeParse(value);
  if (parsed.success) return parsed.data.rollback;
  throw new Error(`rollback: ${JSON.stringify(value.rollback)}; write {"rollback": true} or {"rollback": 3}`);
}
