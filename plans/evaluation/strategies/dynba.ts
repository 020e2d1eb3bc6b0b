import { singleModelPlan } from '../single-model-plan.ts';
import type { Candidate, Strategy } from './strategy.ts';

/** Preferred batch sizes to try, as shares of the largest batch, in addition to starting at once. */
const PREFERRED_SIZES = [1 / 8, 1 / 2, 1];
/** Longest waits for a batch to fill, as shares of the target latency. */
const WAITS = [1 / 16, 1 / 4];

/**
 * DynBa: one model on all devices that can hold it, with dynamic batching as in Clipper and Triton: a batch starts at a preferred size,
 * or when its first request has waited long enough. Searches the model, the preferred size and the longest wait.
 */
export const dynba: Strategy = async ({ request, trace, targetsMs, capacities }) => {
  const { profile, devices, qpsMax } = request;
  const waitsMs = [...new Set([targetsMs[0], targetsMs[targetsMs.length - 1]].flatMap((ms) => WAITS.map((share) => share * ms)))];
  return profile.models.flatMap(({ name, runtimes }, model): Candidate[] => {
    const able = devices.flatMap((_, device) => (capacities.fullQps(model, device) > 0 ? [device] : []));
    if (able.length === 0) return [];
    const shares = capacities.sharesOf(model, able);
    const largest = Math.max(...able.map((device) => Math.max(...runtimes[devices[device].deviceClass].batch)));
    const limit = Math.min(largest, request.maxBatch[model] ?? largest);
    const lengths = [...new Set(PREFERRED_SIZES.map((share) => Math.round(share * limit)))].filter((length) => length > 1);
    const batching = [[1, 0], ...lengths.flatMap((length) => waitsMs.map((ms) => [length, ms]))];
    return batching.map(([minQueueLength, maxWaitMs]) => {
      const settings = { model: name, minQueueLength, maxWaitMs };
      const p95Ms = targetsMs[targetsMs.length - 1];
      const gear = { model, toQps: qpsMax, shares, minQueueLength, maxWaitMs };
      return { type: 'plan', settings, plan: singleModelPlan([gear], request, { p95Ms, trace, settings }), p95Ms };
    });
  });
};
