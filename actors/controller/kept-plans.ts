/** Plans that are kept, the one in force among them: the one to come, and those that stragglers may still speak of. */
const KEPT_PLANS = 4;

/** Takes note of a plan, and forgets the oldest but the one in force. A revision stands for one plan: it is only told again. */
export function keepPlan<Plan>(plans: Map<number, Plan>, revision: number, plan: Plan, inForce: number): void {
  if (plans.has(revision)) return;
  plans.set(revision, plan);
  for (const known of plans.keys()) {
    if (plans.size <= KEPT_PLANS) break;
    if (known !== inForce) plans.delete(known);
  }
}
