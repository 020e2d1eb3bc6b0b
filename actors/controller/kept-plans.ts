/** Plans to keep: the one in force, the next one, and earlier ones that late messages may refer to. */
const KEPT_PLANS = 4;

/** Records a plan and forgets the oldest ones, but never the one in force. A revision always means the same plan, so repeats are ignored. */
export function keepPlan<Plan>(plans: Map<number, Plan>, revision: number, plan: Plan, inForce: number): void {
  if (plans.has(revision)) return;
  plans.set(revision, plan);
  for (const known of plans.keys()) {
    if (plans.size <= KEPT_PLANS) break;
    if (known !== inForce) plans.delete(known);
  }
}
