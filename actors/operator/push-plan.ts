import { defer, filter, firstValueFrom, map, merge, switchMap, take } from 'rxjs';
import type { Bus, BusMessage } from '../../engine/bus/bus.ts';
import { type Clock, every, realClock } from '../../engine/clock.ts';
import { CascadeError, MalformedMessage } from '../../engine/errors.ts';
import { printableLines } from '../../engine/printable.ts';
import type { Deployment } from '../../plans/domain/deployment/deployment.ts';
import type { GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import { EVENTS } from '../../plans/protocol/channels.ts';
import { subjectsOf } from '../../plans/protocol/subjects.ts';
import type { Verdict } from '../controller/plan-change.ts';
import { readReply } from './read-reply.ts';

/** An operator's order on `.control.plan`: a new plan, or a rollback to the previous revision (`true`) or to a given one. */
export type PlanOrder = GearPlan | { readonly rollback: true | number };

/** In addition to the devices' loading time. */
const VERDICT_MS = 5_000;
/** A controller that lost the lead, but is alive, still sends its verdict within this time. */
const LAST_WORDS_MS = 1_000;

/**
 * Asks the plan-keeper for a plan change and waits for its verdict.
 * @throws CascadeError UNAVAILABLE when no controller leads the deployment; DEADLINE_EXCEEDED when the controller does not answer in
 *   time, or another one takes over before it does: the first may have been killed.
 */
export async function pushPlan(
  bus: Bus,
  deployment: Pick<Deployment, 'name' | 'prefix' | 'prepareTimeoutMs'>,
  order: PlanOrder,
  clock: Clock = realClock,
): Promise<Verdict> {
  const { plan, events } = subjectsOf(deployment.name, deployment.prefix);
  const timeoutMs = deployment.prepareTimeoutMs + VERDICT_MS;
  const succeeded$ = bus.messages$(events).pipe(
    filter(isTakeover),
    switchMap(() => every(clock, LAST_WORDS_MS).pipe(take(1))),
    map((): never => {
      throw new CascadeError('DEADLINE_EXCEEDED', 'another controller has taken over');
    }),
  );
  try {
    const answer$ = defer(() => bus.request(plan, Buffer.from(JSON.stringify(order)), { timeoutMs }));
    const answer = await firstValueFrom(merge(succeeded$, answer$));
    return readReply<Verdict>(answer.data, printableLines);
  } catch (error) {
    if (!(error instanceof CascadeError)) throw error;
    throw new CascadeError(error.code, whatToDo(error, deployment.name));
  }
}

function isTakeover({ data }: BusMessage): boolean {
  try {
    return EVENTS.codec.decode(data).type === 'controller-leads';
  } catch (error) {
    if (error instanceof MalformedMessage) return false;
    throw error;
  }
}

function whatToDo({ code, message }: CascadeError, deployment: string): string {
  switch (code) {
    case 'UNAVAILABLE':
      return `no controller leads ${deployment} (${message}); start one with \`cascade serve\``;
    case 'DEADLINE_EXCEEDED':
      return `no verdict (${message}): the controller may have exited; \`cascade status\` shows the plan in force: push again if it is not this one`;
    default:
      return message;
  }
}
