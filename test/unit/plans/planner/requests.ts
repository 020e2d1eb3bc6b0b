import type { PlanRequest } from '../../../../plans/planner/plan-request.ts';
import { syntheticProfile } from '../../../../plans/synthetic/synthetic.ts';

const MB = 1e6;

export function zipf(ranges: number): number[] {
  const weights = Array.from({ length: ranges }, (_, k) => 1 / (k + 1));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

const coresProfile = syntheticProfile({
  deployment: 'cores',
  seed: 1,
  samples: 1500,
  models: [
    { name: 'linear', accuracy: 0.84, fixedMs: 0.03, perSampleMs: 0.003, memoryBytes: 10 * MB },
    { name: 'mlp', accuracy: 0.88, fixedMs: 0.05, perSampleMs: 0.05, memoryBytes: 20 * MB },
    { name: 'cnn', accuracy: 0.93, fixedMs: 0.5, perSampleMs: 1, memoryBytes: 50 * MB },
  ],
});

const gpusProfile = syntheticProfile({
  deployment: 'gpus',
  seed: 2,
  samples: 1500,
  deviceClasses: { gpu: 1 },
  batches: [1, 2, 4, 8, 16],
  models: [
    { name: '3b', accuracy: 0.5, fixedMs: 60, perSampleMs: 20, memoryBytes: 3000 * MB },
    { name: '7b', accuracy: 0.56, fixedMs: 100, perSampleMs: 40, memoryBytes: 5000 * MB },
    { name: '13b', accuracy: 0.6, fixedMs: 160, perSampleMs: 70, memoryBytes: 9000 * MB },
    { name: '70b', accuracy: 0.66, fixedMs: 500, perSampleMs: 300, memoryBytes: 15000 * MB },
  ],
});

/** Three models on two cores: the fixed cost is small, so batching matters little. */
export function cores(change: Partial<PlanRequest> = {}): PlanRequest {
  return {
    deployment: 'cores',
    profile: coresProfile,
    devices: ['c0', 'c1'].map((id) => ({ id, deviceClass: 'cpu-1', memoryBytes: 1000 * MB })),
    maxBatch: [],
    slo: { type: 'latency', p95Ms: 100 },
    qpsMax: 6000,
    weights: zipf(8),
    seed: 1,
    ...change,
  };
}

/** Four models on six GPUs with memory for two or three each: placement and batching matter. */
export function gpus(change: Partial<PlanRequest> = {}): PlanRequest {
  return {
    deployment: 'gpus',
    profile: gpusProfile,
    devices: Array.from({ length: 6 }, (_, i) => ({ id: `g${i}`, deviceClass: 'gpu', memoryBytes: 16000 * MB })),
    maxBatch: [],
    slo: { type: 'latency', p95Ms: 4000 },
    qpsMax: 40,
    weights: zipf(6),
    seed: 1,
    ...change,
  };
}
