import { describe, expect, test } from 'vitest';
import { NO_NUMBER } from '../../../../plans/domain/cascade/certainty.ts';
import { autoscale, type ScalingProblem, type ScalingRule } from '../../../../plans/evaluation/ensembles/autoscaler.ts';
import type { EnsembleSchedule } from '../../../../plans/evaluation/ensembles/ensemble-schedule.ts';
import { loadingMs } from '../../../../plans/evaluation/ensembles/model-loading.ts';
import { simulateEnsembles } from '../../../../plans/evaluation/ensembles/simulate-ensembles.ts';
import { canVote, votedQuality } from '../../../../plans/evaluation/ensembles/weighted-majority.ts';
import { type SimulatedSystem, simulatedSystem } from '../../../../plans/simulator/simulated-system.ts';
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

function scheduled(given: ScalingProblem, rule: ScalingRule): EnsembleSchedule {
  const schedule = autoscale(given, rule);
  if (schedule === undefined) throw new Error('no device can answer anything');
  return schedule;
}

const RULE: ScalingRule = { aimedAccuracy: 0.9, placement: 'pools', periodMs: 2000, leadMs: 0 };

describe('the autoscaler, by hand', () => {
  test('has no schedule if no device answers within the latency', () => {
    const nothing = { ...problem(2, 5, 5), carriedQps: () => 0 };
    expect(autoscale(nothing, RULE)).toBeUndefined();
    expect(autoscale(nothing, { ...RULE, placement: { shared: [1] } })).toBeUndefined();
  });

  test('in overload uses the fastest model that fits into memory', () => {
    const { steps } = scheduled({ ...problem(2, 500, 500), fits: (models) => !models.includes(0) }, RULE);
    expect(steps).toEqual([{ fromMs: 0, gear: 0, members: [1] }]);
  });

  test('uses no more devices than the load needs', () => {
    const { steps, meanDevices } = scheduled(problem(3, 5, 5, 5, 5), RULE);
    expect(steps).toEqual([{ fromMs: 0, gear: 0, members: [1] }]);
    expect(meanDevices).toBe(1);
  });

  test('a second device is paid for from the rise, and serves once it has loaded', () => {
    const { steps, meanDevices, plan } = scheduled(problem(3, 5, 5, 20, 20, 20, 20), RULE);
    expect(steps.map(({ fromMs }) => fromMs)).toEqual([0, 4000]);
    expect([...plan.gears[1].shares]).toEqual([0, 0, 0, 0.5, 0.5, 0]);
    expect(meanDevices).toBeCloseTo((2 * 1 + 4 * 2) / 6);
  });

  test('a device that loads ahead of time serves at the rise', () => {
    const { steps, meanDevices } = scheduled(problem(3, 5, 5, 20, 20, 20, 20), { ...RULE, leadMs: 2000 });
    expect(steps.map(({ fromMs }) => fromMs)).toEqual([0, 2000]);
    expect(meanDevices).toBe(2);
  });

  test('a load that the accurate model cannot carry shrinks the ensemble', () => {
    const { steps } = scheduled(problem(2, 5, 5, 50, 50, 50, 50), RULE);
    // `y` loads the small model, while `x` keeps the last ready replica.
    expect(steps.map(({ fromMs, members }) => [fromMs, members])).toEqual([
      [0, [1]],
      [3000, [0]],
    ]);
  });

  test('a single device keeps its model: there is nowhere to load another', () => {
    expect(scheduled(problem(1, 5, 5, 50, 50), RULE).steps).toHaveLength(1);
  });

  test('if every device holds all models, the ensemble changes without loading', () => {
    const { steps } = scheduled(problem(1, 5, 5, 50, 50), { ...RULE, placement: { shared: [0, 1] } });
    expect(steps.map(({ fromMs, members }) => [fromMs, members])).toEqual([
      [0, [1]],
      [2000, [0]],
    ]);
  });
});

describe('the autoscaler never takes away what carries the load', () => {
  /** 40 s. `large` carries 20 requests/s on a device, `small` 100, and both take 2 s to load. */
  const swing = (devices: number, before: number, after: number): ScalingProblem => ({
    ...problem(devices),
    deviceNames: ['a', 'b', 'c', 'd'].slice(0, devices),
    ensembles: [
      { members: [0], accuracy: 0.8 },
      { members: [1], accuracy: 0.9 },
    ],
    carriedQps: (model) => (model === 0 ? 100 : 20),
    loadingMs: () => 2000,
    trace: { qps: Float64Array.from({ length: 40 }, (_, second) => (second < 20 ? before : after)) },
  });
  const rule = { ...RULE, periodMs: 20_000 };
  /** Per step: its start, the models asked, and how many devices serve them. */
  const stepsOf = (devices: number, before: number, after: number, change: Partial<ScalingRule>) => {
    const { steps, plan, meanDevices } = scheduled(swing(devices, before, after), { ...rule, ...change });
    const serving = (gear: number): number => [...plan.gears[gear].shares].filter((share) => share > 0).length;
    return { steps: steps.map(({ fromMs, members, gear }) => [fromMs, members, serving(gear)]), meanDevices };
  };

  test('while others load ahead, those that serve stay until the period begins', () => {
    expect(stepsOf(4, 40, 150, { leadMs: 2000 }).steps).toEqual([
      [0, [1], 2],
      [20_000, [0], 2],
    ]);
  });

  test('without loading ahead, those that serve stay until the others are ready', () => {
    expect(stepsOf(4, 40, 150, {}).steps).toEqual([
      [0, [1], 2],
      [22_000, [0], 2],
    ]);
  });

  test('devices are switched off when the load falls, not a period later', () => {
    const { meanDevices } = stepsOf(2, 150, 50, { aimedAccuracy: 0.8, leadMs: 2000 });
    expect(meanDevices).toBeCloseTo(1.5);
  });

  test('a replica that was kept until another was ready is switched off then', () => {
    // `large` serves 20/s on `a` until `b` has loaded `small`.
    const { steps, meanDevices } = stepsOf(2, 20, 100, {});
    expect(steps.map(([fromMs]) => fromMs)).toEqual([0, 22_000]);
    expect(meanDevices).toBeCloseTo((20 * 1 + 2 * 2 + 18 * 1) / 40);
  });

  test('if every device is needed, all but one load when the period begins, and the last once another is ready', () => {
    expect(stepsOf(2, 25, 150, { leadMs: 2000 }).steps).toEqual([
      [0, [1], 2],
      [20_000, [1], 1],
      [22_000, [0], 1],
      [24_000, [0], 2],
    ]);
  });

  test('a busy device that the load can spare by then loads ahead', () => {
    const falls = swing(2, 40, 150);
    falls.trace.qps.fill(20, 10, 20);
    const { steps, plan } = scheduled(falls, { ...rule, leadMs: 2000 });
    expect(steps.map(({ fromMs, members }) => [fromMs, members])).toEqual([
      [0, [1]],
      [18_000, [1]],
      [20_000, [0]],
      [22_000, [0]],
    ]);
    expect([...plan.gears[1].shares]).toEqual([0, 0, 0, 1]);
  });

  test('a model that is more accurate loads once the load has fallen, while the faster one serves', () => {
    const { steps } = stepsOf(2, 150, 20, { leadMs: 2000 });
    expect(steps).toEqual([
      [0, [0], 2],
      [20_000, [0], 1],
      [22_000, [1], 1],
    ]);
  });

  test('loading that takes longer than a period keeps what the periods until then need', () => {
    const pulses = swing(4, 0, 0);
    const qps = Float64Array.from({ length: 40 }, (_, second) => (second % 10 < 5 ? 20 : 60));
    const schedule = scheduled(
      { ...pulses, loadingMs: () => 12_000, trace: { qps } },
      { ...RULE, periodMs: 5000, leadMs: 12_000 },
    );
    const carriedAt = (second: number): number => {
      const step = schedule.steps.findLast(({ fromMs }) => fromMs <= 1000 * second) ?? schedule.steps[0];
      const shares = [...schedule.plan.gears[step.gear].shares].filter((share) => share > 0).length;
      return shares * (step.members[0] === 0 ? 100 : 20);
    };
    // The first 12 s are too early: loading starts at 0 s.
    for (let second = 12; second < 40; second++) expect(carriedAt(second)).toBeGreaterThanOrEqual(qps[second]);
  });
});

describe('an ensemble in the simulator, by hand', () => {
  const system = simulatedSystem(
    profile,
    ['x', 'y'].map((id) => ({ id, deviceClass: 'cpu-1', memoryBytes: 10e9 })),
    [],
  );
  const run = (placement: ScalingRule['placement'], ...arrivals: number[]) => runOn(system, placement, ...arrivals);
  const runOn = (on: SimulatedSystem, placement: ScalingRule['placement'], ...arrivals: number[]) => {
    const both: ScalingProblem = { ...problem(2, 1), ensembles: [{ members: [0, 1], accuracy: 0.9 }] };
    const schedule = scheduled(both, { ...RULE, placement });
    const workload = { arrivalsMs: Float64Array.from(arrivals), sampleOrder: Int32Array.of(0), seconds: 1 };
    return simulateEnsembles(on, schedule, workload, () => Float32Array.of(1), undefined)?.report;
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

  test('nobody waits for a member that answers NaN; if all do, the request fails', () => {
    const failing = (...models: number[]) => ({
      ...system,
      certainty: system.certainty.map((certainty, i) =>
        models.includes(Math.floor(i / system.samples)) ? NO_NUMBER : certainty,
      ),
    });
    expect(runOn(failing(1), 'pools', 0)).toMatchObject({ completed: 1, seconds: 1, latencyMs: { max: 4 + 2 + 2 } });
    expect(runOn(failing(0, 1), 'pools', 0)).toMatchObject({ completed: 0, errors: 1, seconds: 1, latencyMs: { max: null } });
  });
});
