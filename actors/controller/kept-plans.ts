import type { Bus } from '../../engine/bus/bus.ts';
import type { Subjects } from '../../plans/protocol/subjects.ts';

/** Plans that are kept, the one in force among them: the one to come, and those that stragglers may still speak of. */
const KEPT_PLANS = 4;
const NOTHING = new Uint8Array();

/** Takes note of a plan, and forgets the oldest but the one in force. A revision stands for one plan: it is only told again. */
export function keepPlan<Plan>(plans: Map<number, Plan>, revision: number, plan: Plan, inForce: number): void {
  if (plans.has(revision)) return;
  plans.set(revision, plan);
  for (const known of plans.keys()) {
    if (plans.size <= KEPT_PLANS) break;
    if (known !== inForce) plans.delete(known);
  }
}

/** Asks the plan-keeper to tell the plan again: a gear of one that is not known here was heard of. */
export function askForPlan(bus: Bus, subjects: Subjects): void {
  bus.publish(subjects.tellPlan, NOTHING);
}
