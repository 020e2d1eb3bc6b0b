import type { Random } from '../../../engine/random.ts';
import { type Gear, type GearPlan, PLAN_SCHEMA, type Stage } from '../../../plans/domain/gear-plan/gear-plan.ts';
import { weightsOf } from '../../support/plans.ts';

/**
 * A plan for deployment `test`: each model on at least one device; gears from the whole cascade down to its first model;
 * often with gears for the loss of each device that others can replace.
 */
export function randomPlan(random: Random, models: readonly string[], devices: readonly string[]): GearPlan {
  const placement = models.flatMap((model) => {
    const chosen = devices.filter(() => random.next() < 0.7);
    if (chosen.length === 0) chosen.push(devices[random.below(devices.length)]);
    return chosen.map((device) => ({ model, device }));
  });
  const tuning = {
    maxWaitMs: [2, 10, 40][random.below(3)],
    threshold: 0.3 + 0.4 * random.next(),
    stepQps: 10 + random.below(30),
    minQueueLength: 1 + random.below(4),
  };
  const gears = gearsOf(models, placement, tuning);
  const spare = (device: string) => placement.filter((replica) => replica.device !== device);
  const reserved =
    random.next() < 0.5 ? devices.filter((device) => models.every((m) => spare(device).some((r) => r.model === m))) : [];
  return {
    schema: PLAN_SCHEMA,
    deployment: 'test',
    digest: 'none',
    synthetic: true,
    slo: { p95: 100 },
    models: [...models],
    weights: Object.fromEntries(models.map((model) => [model, weightsOf(model)])),
    devices: [...devices],
    placement,
    gears,
    contingencies: reserved.map((lost) => ({
      lost,
      alike: [],
      // A smaller deployment shifts gears sooner.
      gears: gearsOf(models, spare(lost), { ...tuning, stepQps: tuning.stepQps / 2 }),
    })),
    expected: { accuracy: 0.9, accuracyInterval: [0.9, 0.9], latencyMsP95: 2 },
    qpsWeights: gears.map(() => 1 / gears.length),
    frontier: [],
    search: {},
  };
}

interface Tuning {
  readonly maxWaitMs: number;
  readonly threshold: number;
  readonly stepQps: number;
  readonly minQueueLength: number;
}

function gearsOf(models: readonly string[], placement: GearPlan['placement'], tuning: Tuning): Gear[] {
  const { maxWaitMs, threshold, stepQps, minQueueLength } = tuning;
  return models.map((_, g) => {
    const names = models.slice(0, models.length - g);
    const cascade: Stage[] = names.map((model, s) => (s === names.length - 1 ? { model } : { model, threshold }));
    const perReplica = <T>(value: (of: number) => T): Record<string, Record<string, T>> =>
      Object.fromEntries(
        names.map((model) => {
          const replicas = placement.filter((replica) => replica.model === model);
          return [model, Object.fromEntries(replicas.map(({ device }) => [device, value(replicas.length)]))];
        }),
      );
    return {
      qps: [g * stepQps, (g + 1) * stepQps],
      cascade,
      shares: perReplica((of) => 1 / of),
      minQueueLength: perReplica(() => minQueueLength),
      maxWaitMs,
      expected: {
        accuracy: 0.9,
        accuracyInterval: [0.9, 0.9],
        latencyMs: { p50: 1, p95: 2, p99: 3 },
        utilisation: {},
        bottleneck: names[0],
      },
    };
  });
}
