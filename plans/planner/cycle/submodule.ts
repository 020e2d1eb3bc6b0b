import type { DraftPlan, Incoming } from './draft-plan.ts';
import type { PlanningContext } from './planning-context.ts';

export type Step = readonly [outgoing: Incoming, draft: DraftPlan];

/**
 * The one signature of SP1 to SP4: on `ok` from the submodule before, do your part; on an error from the submodule behind,
 * repair your own choice, or pass an error further back.
 */
export type SubModule = (incoming: Incoming, draft: DraftPlan, context: PlanningContext) => Step | Promise<Step>;
