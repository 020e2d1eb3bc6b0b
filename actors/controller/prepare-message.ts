import { MalformedMessage, messageOf } from '../../engine/errors.ts';
import { type GearPlan, gearPlanSchema } from '../../plans/domain/gear-plan/gear-plan.ts';
import { compilePlan } from '../../plans/policy/compiled-plan.ts';
import { decodePrepare as decodeAnyPrepare } from '../../plans/protocol/internal.ts';
import type { PrepareMessage } from '../../plans/protocol/messages.ts';
import type { RevisedPlan, Router } from '../frontend/router.ts';

/** @throws MalformedMessage for what is not a revision with a well-formed plan. */
export function decodePrepare(data: Uint8Array): PrepareMessage<GearPlan> {
  const { revision, plan } = decodeAnyPrepare(data);
  const parsed = gearPlanSchema.safeParse(plan);
  if (!parsed.success) throw new MalformedMessage('prepare', 'plan', parsed.error.issues[0]?.message);
  return { revision, plan: parsed.data };
}

/**
 * The plan as those learn it who only route by it.
 * @throws MalformedMessage also for a plan of other models or devices than the router's.
 */
export function decodeRevisedPlan(data: Uint8Array, router: Pick<Router, 'models' | 'devices'>): RevisedPlan {
  const message = decodePrepare(data);
  try {
    return revisedPlan(message, router);
  } catch (error) {
    throw new MalformedMessage('prepare', 'plan of another deployment', messageOf(error));
  }
}

/** @throws Error in words for a plan of other models or devices than the router's. */
export function revisedPlan(
  { revision, plan }: PrepareMessage<GearPlan>,
  { models, devices }: Pick<Router, 'models' | 'devices'>,
) {
  if (plan.models.toSorted().join() !== models.toSorted().join())
    throw new Error(`gear plan: models ${plan.models.join(', ')}; here they are ${models.join(', ')}`);
  return { revision, plan: compilePlan(plan, devices, models) };
}
