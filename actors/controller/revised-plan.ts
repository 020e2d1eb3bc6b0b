import { MalformedMessage, messageOf } from '../../engine/errors.ts';
import { compilePlan } from '../../plans/policy/compiled-plan.ts';
import type { PrepareMessage } from '../../plans/protocol/control-messages.ts';
import type { RevisedPlan, Router } from '../frontend/router.ts';

/** A plan compiled for routing; an error if its models or devices differ from the router's. */
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

/** @throws Error with a message for people when the plan's models or devices differ from the router's. */
export function revisedPlan(
  { revision, plan }: PrepareMessage,
  { models, devices }: Pick<Router, 'models' | 'devices'>,
): RevisedPlan {
  if (plan.models.toSorted().join() !== models.toSorted().join())
    throw new Error(`gear plan: its models are ${plan.models.join(', ')}; this deployment has ${models.join(', ')}`);
  return { revision, plan: compilePlan(plan, devices, models) };
}
