import type { Gear } from '../../domain/gear-plan/gear-plan.ts';
import type { Candidate } from '../sp4/candidate.ts';
import type { TuningContext } from '../sp4/tuning-context.ts';

/** A gear in the format of the plan file, without replicas that get no share. */
export function gearOf(
  { cascade, shares, minQueueLength, maxWaitMs }: Candidate,
  qps: [from: number, to: number],
  expected: Gear['expected'],
  context: TuningContext,
): Gear {
  const { modelNames, deviceNames } = context.system;
  const byDevice = (model: number, value: (replica: number) => number): Record<string, number> => {
    const replicas = deviceNames.map((name, d) => [name, model * deviceNames.length + d] as const);
    return Object.fromEntries(replicas.flatMap(([name, replica]) => (shares[replica] > 0 ? [[name, value(replica)]] : [])));
  };
  const byModel = (value: (replica: number) => number) =>
    Object.fromEntries(cascade.models.map((model) => [modelNames[model], byDevice(model, value)]));
  return {
    qps,
    cascade: cascade.models.map((model, s) =>
      s < cascade.thresholds.length
        ? { model: modelNames[model], threshold: cascade.thresholds[s] }
        : { model: modelNames[model] },
    ),
    shares: byModel((replica) => shares[replica]),
    minQueueLength: byModel((replica) => minQueueLength[replica]),
    maxWaitMs,
    reach: cascade.reach.map((share) => Number(share.toFixed(6))),
    expected,
  };
}
