import { MalformedMessage, messageOf } from '../../engine/errors.ts';
import { compilePlan } from '../../plans/policy/compiled-plan.ts';
import type { PrepareMessage } from '../../plans/protocol/control-messages.ts';
import type { RevisedPlan, Router } from '../frontend/router.ts';

/** The plan as those use it who only route by it; an error where it is of other models or devices than the router's. */
export function revisedOrMalformed(
  message: PrepareMessage,
  router: Pick<Router, 'models' | 'devices'>,
): RevisedPlan | MalformedMessage {
  try {
    return revisedPlan(message, router);
  } catch (error) {
    return new MalformedMessage('prepare', 'plan of another deployment', messageOf(error));
  }
}

/** @throws Error in words for a plan of other models or devices than the router's. */
export function revisedPlan(
  { revision, plan }: PrepareMessage,
  { models, devices }: Pick<Router, 'models' | 'devices'>,
): RevisedPlan {
  if (plan.models.toSorted().join() !== models.toSorted().join())
    throw new Error(`gear plan: models ${plan.models.join(', ')}; here they are ${models.join(', ')}`);
  return { revision, plan: compilePlan(plan, devices, models) };
}
