import type { SubModule } from '../cycle/submodule.ts';
import { assignForAccuracy } from './assign-for-accuracy.ts';
import { assignForLatency } from './assign-for-latency.ts';

/**
 * SP2: one cascade of the frontier for each QPS range (CascadeServe §4.3): under a latency SLO the most accurate one that the later
 * submodules accept, under an accuracy SLO the fastest ones that together reach the target.
 */
export const assignCascades: SubModule = (incoming, draft, context) =>
  context.request.slo.type === 'latency'
    ? assignForLatency(incoming, draft, context)
    : assignForAccuracy(incoming, draft, context, draft.accuracyTarget);
