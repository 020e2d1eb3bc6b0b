import type { Bus } from '../../engine/bus/bus.ts';
import { CascadeError } from '../../engine/errors.ts';
import type { Deployment } from '../../plans/domain/deployment/deployment.ts';
import type { GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import { subjectsOf } from '../../plans/protocol/subjects.ts';
import type { Verdict } from './plan-change.ts';

/** What an operator may order on `.control.plan`: a plan, or to go back to the one before or of a revision. */
export type PlanOrder = GearPlan | { readonly rollback: true | number };

/** Beyond what devices have for loading: the verdict itself takes a moment. */
const VERDICT_MS = 5_000;

/**
 * Asks the plan-keeper for a plan change, and waits for its verdict.
 * @throws CascadeError UNAVAILABLE when no controller leads the deployment, DEADLINE_EXCEEDED when it does not answer in time: it
 *   may have been killed.
 */
export async function pushPlan(
  bus: Bus,
  deployment: Pick<Deployment, 'name' | 'prefix' | 'prepareTimeoutMs'>,
  order: PlanOrder,
): Promise<Verdict> {
  const { plan } = subjectsOf(deployment.name, deployment.prefix);
  const timeoutMs = deployment.prepareTimeoutMs + VERDICT_MS;
  try {
    const answer = await bus.request(plan, Buffer.from(JSON.stringify(order)), { timeoutMs });
    return JSON.parse(Buffer.from(answer.data).toString()) as Verdict;
  } catch (error) {
    if (!(error instanceof CascadeError)) throw error;
    throw new CascadeError(error.code, whatToDo(error, deployment.name));
  }
}

function whatToDo({ code, message }: CascadeError, deployment: string): string {
  switch (code) {
    case 'UNAVAILABLE':
      return `no controller leads ${deployment} (${message}); start one with \`cascade serve\``;
    case 'DEADLINE_EXCEEDED':
      return `no verdict (${message}): the controller may have ended; \`cascade status\` tells the plan in force: push again if it is not this one`;
    default:
      return message;
  }
}
