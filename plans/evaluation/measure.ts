import { createRandom } from '../../engine/random.ts';
import type { Deployment } from '../domain/deployment/deployment.ts';
import type { Profile } from '../domain/profile/profile.ts';
import type { PlanRequest } from '../planner/plan-request.ts';
import { compilePlan } from '../policy/compiled-plan.ts';
import { defaultDrainMs } from '../policy/gear-choice.ts';
import type { Report } from '../report/report.ts';
import type { SecondWindow } from '../report/report-builder.ts';
import { simulatedSystem } from '../simulator/simulated-system.ts';
import { simulationReport } from '../simulator/simulation-report.ts';
import { Simulator } from '../simulator/simulator.ts';
import { traceWorkload } from '../simulator/workload.ts';
import type { Trace } from '../traces/trace.ts';
import { simulateEnsembles } from './ensembles/simulate-ensembles.ts';
import { votedQuality } from './ensembles/weighted-majority.ts';
import type { Candidate } from './strategies/strategy.ts';

/** A p95 is late if more than this share of the requests is. */
const LATE_SHARE = 0.05;

export interface Measured {
  readonly report: Report;
  readonly windows: readonly SecondWindow[];
  /** Devices in use, averaged over time. */
  readonly devices: number;
}

/**
 * Simulates candidates under one load with one seed, so all get the same arrivals and samples. There are no deadlines: as in the
 * paper, a candidate that falls behind answers late, and no request is refused.
 * @param judgedOn samples other than those of the request, on which the candidates were chosen.
 * @param latestMs runs whose p95 exceeds this are given up.
 * @returns a function that returns undefined for a run that was given up.
 */
export function measurer(
  request: PlanRequest,
  judgedOn: Profile,
  { gearRule, slo }: Pick<Deployment, 'gearRule' | 'slo'>,
  trace: Trace,
  latestMs: number,
): (candidate: Candidate) => Measured | undefined {
  const { profile, devices, maxBatch, seed } = request;
  const system = simulatedSystem(judgedOn, devices, maxBatch);
  const simulator = new Simulator(system);
  const workload = traceWorkload(trace, system.samples, createRandom(seed));
  const giveUp = { latencyMs: latestMs, count: Math.floor(LATE_SHARE * workload.arrivalsMs.length) };
  const votes = new Map<string, Float32Array>();
  const qualityOf = (members: readonly number[]): Float32Array => {
    const key = members.join();
    const known = votes.get(key) ?? votedQuality(judgedOn, members, profile);
    votes.set(key, known);
    return known;
  };
  return (candidate) => {
    if (candidate.type === 'ensembles') {
      const found = simulateEnsembles(system, candidate.schedule, workload, qualityOf, slo, giveUp);
      return found && { ...found, devices: candidate.schedule.meanDevices };
    }
    const drainMs =
      gearRule.backlogDrainMs === Number.POSITIVE_INFINITY ? Number.POSITIVE_INFINITY : defaultDrainMs(candidate.p95Ms);
    const rule = { ...gearRule, backlogDrainMs: drainMs };
    const outcomes = simulator.run(compilePlan(candidate.plan), workload, { rule, giveUp });
    if (outcomes.gaveUp) return undefined;
    return { ...simulationReport(system, workload, outcomes, slo), devices: devices.length };
  };
}
