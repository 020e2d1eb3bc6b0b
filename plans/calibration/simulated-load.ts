import type { Deployment } from '../domain/deployment/deployment.ts';
import type { GearPlan } from '../domain/gear-plan/gear-plan.ts';
import type { Profile } from '../domain/profile/profile.ts';
import { percentile } from '../report/percentile.ts';
import { runPlan } from '../simulator/simulate-plan.ts';
import { constantTrace } from '../traces/trace.ts';
import type { LoadFigures } from './calibration.ts';

/** A constant load. The beginning, while the gear settles, does not count. */
export interface LoadStep {
  readonly qps: number;
  readonly settleSeconds: number;
  readonly seconds: number;
  readonly seed: number;
}

export function traceOfStep({ qps, settleSeconds, seconds }: LoadStep) {
  return constantTrace(qps, settleSeconds + seconds);
}

/**
 * What a profile promises for a load, with requests sent at the same times.
 * @param slowdown device -> how much slower than the profile it is; default: as profiled.
 */
export function simulateStep(
  deployment: Deployment,
  profile: Profile,
  plan: GearPlan,
  step: LoadStep,
  slowdown: Readonly<Record<string, number>> = {},
): LoadFigures {
  const slowdowns = Object.entries(slowdown).map(([device, factor]) => ({
    device,
    factor,
    fromMs: 0,
    toMs: Number.POSITIVE_INFINITY,
  }));
  const { system, workload, outcomes } = runPlan(deployment, profile, plan, traceOfStep(step), step.seed, slowdowns);
  const { arrivalsMs } = workload;
  const { answeredBy, latencyMs, sample, busyMs, endMs } = outcomes;
  const counted: number[] = [];
  let qualitySum = 0;
  for (let i = 0; i < outcomes.requests; i++) {
    if (arrivalsMs[i] < 1_000 * step.settleSeconds || answeredBy[i] < 0) continue;
    counted.push(latencyMs[i]);
    qualitySum += system.quality[answeredBy[i] * system.samples + sample[i]];
  }
  const runMs = Math.max(1_000 * workload.seconds, endMs);
  return {
    ...percentiles(counted),
    accuracy: counted.length === 0 ? null : qualitySum / counted.length,
    utilisation: Object.fromEntries(system.deviceNames.map((name, d) => [name, busyMs[d] / runMs])),
  };
}

/** Infinity when nothing was answered. */
export function percentiles(latenciesMs: readonly number[]): Pick<LoadFigures, 'latencyMsP50' | 'latencyMsP95'> {
  const sorted = Float64Array.from(latenciesMs).sort();
  const [latencyMsP50, latencyMsP95] = [0.5, 0.95].map((fraction) => percentile(sorted, fraction) ?? Number.POSITIVE_INFINITY);
  return { latencyMsP50, latencyMsP95 };
}
