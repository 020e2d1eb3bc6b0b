import { createRandom, type Random } from '../../../../engine/random.ts';
import { evaluateCascade, thresholdAtQuantile } from '../../../../plans/domain/cascade/cascade.ts';
import type { PlanningContext } from '../../../../plans/planner/cycle/planning-context.ts';
import type { PlanRequest } from '../../../../plans/planner/plan-request.ts';
import type { CascadeLoad } from '../../../../plans/planner/sp3/prune-replicas.ts';
import { syntheticProfile } from '../../../../plans/synthetic/synthetic.ts';

export interface InstanceSize {
  readonly models: number;
  readonly devices: number;
}

/** A random family on random devices, most of which are short of memory. */
export function randomRequest(seed: string, { models, devices }: InstanceSize): PlanRequest {
  const random = createRandom(seed);
  const between = (low: number, high: number): number => low * (high / low) ** random.next();
  let perSampleMs = between(0.3, 10);
  let accuracy = between(0.5, 0.8);
  let memoryBytes = between(1, 3);
  const family = Array.from({ length: models }, (_, m) => {
    const model = { name: `m${m}`, accuracy, fixedMs: perSampleMs * between(1, 20), perSampleMs, memoryBytes };
    perSampleMs *= between(1.5, 5);
    accuracy = Math.min(0.98, accuracy + between(0.01, 0.06));
    memoryBytes *= between(1, 2.5);
    return model;
  });
  const profile = syntheticProfile({
    seed,
    samples: 200,
    deviceClasses: { fast: 1, slow: between(0.2, 0.9) },
    batches: [1, 2, 4, 8, 16, 32],
    correlation: between(0.5, 0.95),
    models: family,
  });
  const largest = Math.max(...family.map((model) => model.memoryBytes));
  const sum = family.reduce((total, model) => total + model.memoryBytes, 0);
  const kinds = [between(0.6 * largest, 1.2 * sum), between(0.6 * largest, 1.2 * sum)];
  const machines = Array.from({ length: devices }, (_, d) => {
    const kind = random.below(3) === 0 ? 1 : 0;
    return { id: `d${d}`, deviceClass: kind === 0 ? 'fast' : 'slow', memoryBytes: kinds[kind] };
  });
  const ranges = 1 + random.below(4);
  const weights = Array.from({ length: ranges }, (_, k) => 1 / (k + 1));
  const total = weights.reduce((a, b) => a + b, 0);
  const typical = family[random.below(models)];
  const latency = random.below(3) > 0;
  return {
    deployment: seed,
    profile,
    devices: machines,
    maxBatch: [],
    slo: latency
      ? { type: 'latency', p95Ms: (typical.fixedMs + typical.perSampleMs) * between(1, 40) }
      : { type: 'accuracy', accuracy: between(family[0].accuracy, 1.02 * family[models - 1].accuracy) },
    qpsMax: (devices * 1000 * between(0.05, 1.5)) / (typical.perSampleMs + typical.fixedMs / 8),
    weights: weights.map((weight) => weight / total),
    seed: 1,
  };
}

/** Random cascades of two or more models with random loads, as SP3 gets them. */
export function randomLoads(seed: string, context: PlanningContext): CascadeLoad[] {
  const random: Random = createRandom(seed);
  return Array.from({ length: 1 + random.below(3) }, () => {
    const all = Array.from({ length: context.models }, (_, m) => m);
    const chosen = all.filter(() => random.below(3) > 0);
    const models = chosen.length === 0 ? [random.below(context.models)] : chosen;
    const thresholds = models.slice(1).map((_, s) => thresholdAtQuantile(context.records, models[s], 0.1 + 0.8 * random.next()));
    return { cascade: evaluateCascade(context.records, models, thresholds), qps: 10 ** (1 + 2 * random.next()) };
  });
}
