import type { DraftPlan, Incoming } from './draft-plan.ts';
import type { PlanningContext } from './planning-context.ts';

export type Step = readonly [outgoing: Incoming, draft: DraftPlan];

/**
 * The signature of SP1 to SP4: on `ok` from the previous submodule, do your part; on an error from the next one, repair your own
 * choice or pass an error further back (CascadeServe §4.1).
 */
export type SubModule = (incoming: Incoming, draft: DraftPlan, context: PlanningContext) => Step | Promise<Step>;
