import {
  type DraftPlan,
  type FrontierCascade,
  OK,
  type PlanError,
  placementKey,
  plannedQps,
  type Tuning,
} from '../cycle/draft-plan.ts';
import type { PlanningContext } from '../cycle/planning-context.ts';
import type { SubModule } from '../cycle/submodule.ts';
import { bottleneckModel } from '../sp3/sp3-place-models.ts';
import { simulateRange } from './range-simulation.ts';
import type { TuningJob } from './tuning-job.ts';
import { tuningKey } from './tuning-key.ts';

/**
 * SP4: finds minimum queue lengths by simulation (CascadeServe §4.5). Starting at 1, the first model's is doubled until throughput and
 * latency are met, then bisected; batches of the first model determine those of the later ones. `maxWaitMs` bounds the wait if the load
 * is too low to fill the queue. The SLO is checked at both ends of a range.
 *
 * Ranges are independent of each other, so all open ones are tuned at once, on worker threads if there are any. The error names the
 * first range that fails, and lists the others.
 */
export const tuneBatching: SubModule = async (incoming, draft, context) => {
  if (incoming.type === 'error') return [incoming, draft];
  const tuned = await tuneAll(
    draft.ranges.flatMap((range, i) =>
      range.tuning === undefined && range.cascade !== undefined ? [{ range: i, cascade: range.cascade }] : [],
    ),
    draft,
    context,
  );
  const ranges = draft.ranges.map((range, i) => ({ ...range, tuning: range.tuning ?? tuned.get(i) }));
  const next = { ...draft, ranges };
  const failed = ranges.flatMap((range, i) => (range.cascade !== undefined && range.tuning === undefined ? [i] : []));
  return failed.length === 0 ? [OK, next] : [latencyError(failed, next, context), next];
};

interface Choice {
  readonly range: number;
  readonly cascade: FrontierCascade;
}

/** Tunes the cascade chosen for each range, on the placement of the draft. Ranges that cannot hold it are missing in the result. */
export async function tuneAll(
  choices: readonly Choice[],
  draft: DraftPlan,
  context: PlanningContext,
): Promise<Map<number, Tuning>> {
  const placement = placementKey(draft.placed);
  const keyOf = ({ range, cascade }: Choice): string => tuningKey(draft.ranges[range].toQps, cascade, placement);
  const open = choices.filter((choice) => !context.tunings.has(keyOf(choice)));
  const jobs = open.flatMap((choice): TuningJob[] => {
    const { fromQps, toQps } = draft.ranges[choice.range];
    const balance = context.balancer.balance(choice.cascade, draft.placed);
    return balance === undefined ? [] : [{ type: 'tune', fromQps, toQps, cascade: choice.cascade, shares: balance.shares }];
  });
  if (jobs.length !== open.length) throw new Error('a range got a cascade with a model that has no replica');
  const answers = await context.tuner.answer(jobs);
  answers.forEach(({ tuning, simulations }, i) => {
    context.simulations += simulations;
    context.tunings.set(keyOf(open[i]), tuning ?? null);
  });
  return new Map(
    choices.flatMap((choice): [number, Tuning][] => {
      const tuning = context.tunings.get(keyOf(choice));
      return tuning == null ? [] : [[choice.range, tuning]];
    }),
  );
}

function latencyError([first, ...others]: readonly number[], draft: DraftPlan, context: PlanningContext): PlanError {
  const { cascade } = draft.ranges[first];
  if (cascade === undefined) throw new Error(`QPS range ${first} failed without a cascade`);
  const model = bottleneckModel(cascade, draft.placed, context);
  const name = context.request.profile.models[model].name;
  const base = { type: 'error' as const, range: first, others, model };
  if (context.request.slo.type === 'accuracy') {
    const reason = `requests pile up: the devices do not keep up, ${name} first`;
    return { ...base, metric: 'utilisation', value: 1, limit: context.margins.utilisation, reason };
  }
  const limit = context.latencyLimitMs;
  // The p95 is simulated only when the error is reported: see `withReachedLatency`.
  return { ...base, metric: 'latencyMsP95', value: Number.POSITIVE_INFINITY, limit, reason: `${name} is the bottleneck` };
}

/** Adds to an error of SP4 the p95 that the range reaches if queues trigger at one request. */
export function withReachedLatency(error: PlanError, draft: DraftPlan, context: PlanningContext): PlanError {
  const range = draft.ranges[error.range];
  if (error.metric !== 'latencyMsP95' || range.cascade === undefined) return error;
  const shares = context.balancer.balance(range.cascade, draft.placed)?.shares ?? new Float64Array(draft.placed.length);
  const candidate = { cascade: range.cascade, shares, minQueueLength: new Int32Array(shares.length).fill(1), maxWaitMs: 0 };
  const qps = plannedQps(range, context);
  const { p95 } = simulateRange(candidate, qps, context);
  const reached = Number.isFinite(p95) ? `p95 is ${p95.toFixed(1)} ms` : 'requests pile up';
  const reason = `${reached} at ${qps.toFixed(0)} requests/s, which is the top of the range with a margin; at most ${error.limit.toFixed(1)} ms is planned; ${error.reason}`;
  return { ...error, value: p95, reason };
}
