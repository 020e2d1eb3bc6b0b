import type { PlanRequest } from '../../plans/planner/plan-request.ts';
import { syntheticProfile } from '../../plans/synthetic.ts';

const GB = 1e9;

/** Zipfian weights over equal QPS ranges: low loads are common (CascadeServe §4.3). */
export function zipfWeights(ranges: number): number[] {
  const weights = Array.from({ length: ranges }, (_, k) => 1 / (k + 1));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

function gpus(count: number): PlanRequest['devices'] {
  return Array.from({ length: count }, (_, i) => ({ id: `gpu${i}`, deviceClass: 'v100', memoryBytes: 16 * GB }));
}

/**
 * Workload A of the paper (§6), made up: five BERT-like sizes whose accuracies and costs have the proportions of BERT-Tiny to
 * BERT-Base on a V100. 16 devices carry the peak with the largest model alone only at full batches and no room.
 */
export function bertLike(change: Partial<PlanRequest> & { readonly ranges?: number; readonly gpus?: number } = {}): PlanRequest {
  const { ranges = 32, gpus: count = 16, ...rest } = change;
  const profile = syntheticProfile({
    deployment: 'bert-like',
    seed: 'bert-like',
    samples: 2000,
    classes: 2,
    deviceClasses: { v100: 1 },
    batches: [1, 2, 4, 8, 16, 32, 64, 128],
    correlation: 0.85,
    overhead: { perBatchMs: 0.2, perRequestMs: 0.005, hopMs: 0.3 },
    models: [
      { name: 'tiny', accuracy: 0.79, fixedMs: 1.5, perSampleMs: 0.02, memoryBytes: 0.1 * GB },
      { name: 'mini', accuracy: 0.81, fixedMs: 2, perSampleMs: 0.06, memoryBytes: 0.15 * GB },
      { name: 'small', accuracy: 0.825, fixedMs: 2.5, perSampleMs: 0.15, memoryBytes: 0.3 * GB },
      { name: 'medium', accuracy: 0.835, fixedMs: 4, perSampleMs: 0.4, memoryBytes: 0.5 * GB },
      { name: 'base', accuracy: 0.85, fixedMs: 6, perSampleMs: 1.6, memoryBytes: 1 * GB },
    ],
  });
  return {
    deployment: 'bert-like',
    profile,
    devices: gpus(count),
    maxBatch: [],
    slo: { type: 'latency', p95Ms: 400 },
    qpsMax: 7600,
    weights: zipfWeights(ranges),
    seed: 1,
    ...rest,
  };
}

/** Workload B of the paper (§6), made up: four Llama-like sizes, of which the largest all but fills a device. */
export function llamaLike(change: Partial<PlanRequest> & { readonly ranges?: number; readonly gpus?: number } = {}): PlanRequest {
  const { ranges = 32, gpus: count = 16, ...rest } = change;
  const profile = syntheticProfile({
    deployment: 'llama-like',
    seed: 'llama-like',
    samples: 2000,
    classes: 4,
    deviceClasses: { v100: 1 },
    batches: [1, 2, 4, 8, 16],
    correlation: 0.85,
    overhead: { perBatchMs: 0.2, perRequestMs: 0.02, hopMs: 0.3 },
    models: [
      { name: '3b', accuracy: 0.5, fixedMs: 40, perSampleMs: 25, memoryBytes: 3 * GB },
      { name: '7b', accuracy: 0.56, fixedMs: 70, perSampleMs: 50, memoryBytes: 5 * GB },
      { name: '13b', accuracy: 0.6, fixedMs: 120, perSampleMs: 90, memoryBytes: 9 * GB },
      { name: '70b', accuracy: 0.66, fixedMs: 400, perSampleMs: 350, memoryBytes: 15 * GB },
    ],
  });
  return {
    deployment: 'llama-like',
    profile,
    devices: gpus(count),
    maxBatch: [],
    slo: { type: 'latency', p95Ms: 4000 },
    qpsMax: 60,
    weights: zipfWeights(ranges),
    seed: 1,
    ...rest,
  };
}
