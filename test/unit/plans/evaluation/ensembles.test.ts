import { describe, expect, test } from 'vitest';
import { autoscale, type ScalingProblem, type ScalingRule } from '../../../../plans/evaluation/ensembles/autoscaler.ts';
import { loadingMs } from '../../../../plans/evaluation/ensembles/model-loading.ts';
import { simulateEnsembles } from '../../../../plans/evaluation/ensembles/simulate-ensembles.ts';
import { canVote, votedQuality } from '../../../../plans/evaluation/ensembles/weighted-majority.ts';
import { simulatedSystem } from '../../../../plans/simulator/simulated-system.ts';
import { syntheticProfile } from '../../../../plans/synthetic/synthetic.ts';

describe('the weighted majority, by hand', () => {
  const labels = Int32Array.of(0, 0, 1, 1);
  const model = (name: string, ...predictions: number[]) => ({
    name,
    predictions: Int32Array.from(predictions),
    quality: Float32Array.from(labels, (label, i) => Number(predictions[i] === label)),
  });
  const family = { labels, classes: 2, models: [model('a', 0, 1, 1, 1), model('b', 0, 0, 0, 1), model('c', 1, 0, 1, 1)] };

  test('of one is its answer', () => {
    expect([...votedQuality(family, [1])]).toEqual([1, 1, 0, 1]);
  });

  test('of three outvotes one that is wrong alone', () => {
    expect([...votedQuality(family, [0, 1, 2])]).toEqual([1, 1, 1, 1]);
  });

  test('of two follows the one that is more often right when it gives that answer', () => {
    // Of `a`, 1 is right in 2 of 3 (3/5 with one more of each), 0 in 1 of 1 (2/3); of `b`, 0 in 2 of 3 (3/5), 1 in 1 of 1 (2/3).
    expect([...votedQuality(family, [0, 1])]).toEqual([1, 1, 0, 1]);
  });

  test('needs answers that are either right or wrong', () => {
    expect(canVote(family)).toBe(true);
    const [first, ...others] = family.models;
    expect(canVote({ ...family, models: [{ ...first, quality: Float32Array.of(0.5, 0, 1, 1) }, ...others] })).toBe(false);
  });
});

const profile = syntheticProfile({
  seed: 1,
  samples: 100,
  batches: [1, 2, 8],
  overhead: { perBatchMs: 0, perRequestMs: 0, hopMs: 2 },
  models: [
    { name: 'small', accuracy: 0.7, fixedMs: 1, perSampleMs: 1, memoryBytes: 2e9 },
    { name: 'large', accuracy: 0.9, fixedMs: 10, perSampleMs: 5, memoryBytes: 4e9 },
  ],
});

test('a model loads at 2 GB/s and warms up with ten of the largest batches', () => {
  expect(loadingMs([0], 'cpu-1', profile)).toBe(1000 + 10 * 9);
  expect(loadingMs([0, 1], 'cpu-1', profile)).toBe(1000 + 10 * 9 + 2000 + 10 * 50);
});

/** `small` carries 100 requests/s on a device, `large` 10; loading takes 1 s and 2 s. */
function problem(devices: number, ...qps: number[]): ScalingProblem {
  return {
    modelNames: ['small', 'large'],
    deviceNames: ['x', 'y', 'z'].slice(0, devices),
    ensembles: [
      { members: [0], accuracy: 0.7 },
      { members: [1], accuracy: 0.9 },
    ],
    carriedQps: (model) => (model === 0 ? 100 : 10),
    fits: () => true,
    loadingMs: (models) => (models.includes(1) ? 2000 : 1000),
    trace: { qps: Float64Array.from(qps) },
  };
}

const RULE: ScalingRule = { aimedAccuracy: 0.9, placement: 'pools', periodMs: 2000, leadMs: 0 };

describe('the autoscaler, by hand', () => {
  test('uses no more devices than the load needs', () => {
    const { steps, meanDevices } = autoscale(problem(3, 5, 5, 5, 5), RULE);
    expect(steps).toEqual([{ fromMs: 0, gear: 0, members: [1] }]);
    expect(meanDevices).toBe(1);
  });

  test('a second device is paid for from the rise, and serves once it has loaded', () => {
    const { steps, meanDevices, plan } = autoscale(problem(3, 5, 5, 20, 20, 20, 20), RULE);
    expect(steps.map(({ fromMs }) => fromMs)).toEqual([0, 4000]);
    expect([...plan.gears[1].shares]).toEqual([0, 0, 0, 0.5, 0.5, 0]);
    expect(meanDevices).toBeCloseTo((2 * 1 + 4 * 2) / 6);
  });

  test('a device that loads ahead of time serves at the rise', () => {
    const { steps, meanDevices } = autoscale(problem(3, 5, 5, 20, 20, 20, 20), { ...RULE, leadMs: 2000 });
    expect(steps.map(({ fromMs }) => fromMs)).toEqual([0, 2000]);
    expect(meanDevices).toBe(2);
  });

  test('a load that the accurate model cannot carry shrinks the ensemble', () => {
    const { steps } = autoscale(problem(2, 5, 5, 50, 50, 50, 50), RULE);
    // `y` loads the small model, while `x` keeps the last ready replica.
    expect(steps.map(({ fromMs, members }) => [fromMs, members])).toEqual([
      [0, [1]],
      [3000, [0]],
    ]);
  });

  test('a single device keeps its model: there is nowhere to load another', () => {
    expect(autoscale(problem(1, 5, 5, 50, 50), RULE).steps).toHaveLength(1);
  });

  test('if every device holds all models, the ensemble changes without loading', () => {
    const { steps } = autoscale(problem(1, 5, 5, 50, 50), { ...RULE, placement: { shared: [0, 1] } });
    expect(steps.map(({ fromMs, members }) => [fromMs, members])).toEqual([
      [0, [1]],
      [2000, [0]],
    ]);
  });
});

describe('an ensemble in the simulator, by hand', () => {
  const system = simulatedSystem(
    profile,
    ['x', 'y'].map((id) => ({ id, deviceClass: 'cpu-1', memoryBytes: 10e9 })),
    [],
  );
  const run = (placement: ScalingRule['placement'], ...arrivals: number[]) => {
    const both: ScalingProblem = { ...problem(2, 1), ensembles: [{ members: [0, 1], accuracy: 0.9 }] };
    const schedule = autoscale(both, { ...RULE, placement });
    const workload = { arrivalsMs: Float64Array.from(arrivals), sampleOrder: Int32Array.of(0), seconds: 1 };
    return simulateEnsembles(system, schedule, workload, () => Float32Array.of(1), undefined)?.report;
  };

  test('a request ends with its slowest member', () => {
    // Two hops there, 15 ms for one request of the large model, one hop back; the small one takes 2 ms on the other device.
    expect(run('pools', 0)?.latencyMs.max).toBe(4 + 15 + 2);
  });

  test('members on one device wait for each other', () => {
    expect(run({ shared: [0, 1] }, 0)?.latencyMs.max).toBe(4 + 2 + 15 + 2);
  });

  test('each request counts once', () => {
    const report = run('pools', 0, 10, 20);
    expect([report?.offered, report?.completed, report?.accuracy]).toEqual([3, 3, 1]);
  });
});
