import { ConfigError } from '../../engine/errors.ts';
import type { Report } from '../../plans/report/report.ts';
import type { ReportSlo } from '../../plans/report/report-builder.ts';
import { percent } from '../../plans/report/report-table.ts';
import { constantTrace, MAX_REQUESTS } from '../../plans/traces/trace.ts';
import { type LiveLoadResult, liveLoad } from './live-load.ts';
import type { LoadTarget } from './load-target.ts';
import { findMaxLoad, type MaxLoad, type MaxSearch, type SearchPhase, type Verdict } from './max-search.ts';

/** What a run must achieve over all its requests; a request without a result counts as late and wrong. */
export type Goal =
  | { readonly type: 'latency'; readonly withinMs: number; readonly share: number }
  | { readonly type: 'accuracy'; readonly accuracy: number };

export interface FindMax extends Omit<MaxSearch, 'mostQps'> {
  readonly target: LoadTarget;
  readonly goal: Goal;
  /** Length of each run; the warm-up comes first and does not count. */
  readonly seconds: number;
  readonly warmUpSeconds: number;
  /** Run i uses seed + i. */
  readonly seed: number;
  readonly signal: AbortSignal;
  readonly onStep: (step: LoadStep) => void;
}

/** One run of the search. */
export interface LoadStep {
  readonly qps: number;
  readonly phase: SearchPhase;
  readonly verdict: Verdict;
  /** The measured value of the goal: share of requests in time, or accuracy; null when unknown. */
  readonly reached: number | null;
  readonly seed: number;
  readonly report: Report;
}

/** What `load --find-max --json` writes. */
export interface FoundMax extends MaxLoad {
  readonly goal: Goal;
  readonly confirmations: number;
  readonly precision: number;
  readonly secondsPerRun: number;
  readonly warmUpSeconds: number;
  readonly seed: number;
  readonly steps: readonly LoadStep[];
}

/** What the deployment's SLO requires of a run: 95 % within its latency target, or its accuracy. */
export function goalOf(slo: ReportSlo): Goal {
  return slo.type === 'latency' ? { type: 'latency', withinMs: slo.p95Ms, share: 0.95 } : slo;
}

/**
 * Searches for the highest constant load that meets the goal, on a running deployment.
 * @returns undefined when it was aborted.
 */
export async function findMax(options: FindMax): Promise<FoundMax | undefined> {
  const { target, goal, seconds, warmUpSeconds, seed, signal, precision, confirmations, fromQps, onStep } = options;
  const steps: LoadStep[] = [];
  const length = warmUpSeconds + seconds;
  const run = async (qps: number, phase: SearchPhase): Promise<Verdict> => {
    const stepSeed = seed + steps.length;
    const trace = constantTrace(qps, length);
    const result = await liveLoad({ ...target, slo: sloOf(goal), trace, warmUpSeconds, seed: stepSeed, signal });
    signal.throwIfAborted();
    const reached = reachedOf(goal, result);
    if (reached === null && result.report.offered > 0)
      throw new ConfigError('accuracy cannot be measured because the data have no labels; search with --within MS');
    const step = { qps, phase, verdict: verdictOf(goal, reached, result.report), reached, seed: stepSeed, report: result.report };
    steps.push(step);
    onStep(step);
    return step.verdict;
  };
  try {
    const mostQps = Math.floor(MAX_REQUESTS / length);
    const found = await findMaxLoad({ fromQps, precision, confirmations, mostQps }, run);
    return { ...found, goal, confirmations, precision, secondsPerRun: seconds, warmUpSeconds, seed, steps };
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  }
}

/** The SLO for judging a run's report, including its lag. */
function sloOf(goal: Goal): ReportSlo {
  return goal.type === 'latency' ? { type: 'latency', p95Ms: goal.withinMs } : goal;
}

function reachedOf(goal: Goal, { requests }: LiveLoadResult): number | null {
  return goal.type === 'latency' ? requests.shareWithin(goal.withinMs) : requests.qualityOfOffered();
}

/** A run without requests has missed nothing. */
function verdictOf(goal: Goal, reached: number | null, report: Report): Verdict {
  if (report.void) return 'void';
  return reached === null || reached >= (goal.type === 'latency' ? goal.share : goal.accuracy) ? 'met' : 'missed';
}

export function describeGoal(goal: Goal): string {
  if (goal.type === 'accuracy') return `accuracy >= ${percent(goal.accuracy)}`;
  return `${Number((100 * goal.share).toPrecision(6))} % of the requests within ${goal.withinMs} ms`;
}

export function describeStep({ qps, phase, verdict, reached, report }: LoadStep, goal: Goal): string {
  const share = reached === null ? '-' : percent(reached);
  const got = goal.type === 'latency' ? `${share} within ${goal.withinMs} ms` : `accuracy ${share}`;
  const [p99, lag] = [report.latencyMs.p99, report.generatorLagMs?.p99];
  return (
    `${qps}/s ${phase}: ${verdict}, ${got}, p99 ${p99 === null ? 'none' : `${p99.toFixed(1)} ms`}, ` +
    `${report.rejected + report.errors + report.lost} of ${report.offered} without a result, generator lag p99 ${lag?.toFixed(2) ?? '-'} ms`
  );
}

export function describeFound({ maxQps, tooHighQps, limitedBy, confirmations, goal }: FoundMax): string {
  const asked = describeGoal(goal);
  const above: Record<MaxLoad['limitedBy'], string> = {
    slo: `${tooHighQps}/s missed it`,
    generator: `at ${tooHighQps}/s the load generator could not keep its schedule: run it where it has a free core`,
    most: 'no higher load fits into one run',
  };
  if (maxQps === null) return `no load met ${asked}: ${above[limitedBy]}`;
  return `highest load with ${asked}: ${maxQps} requests/s (met in ${confirmations} runs of ${confirmations}; ${above[limitedBy]})`;
}
