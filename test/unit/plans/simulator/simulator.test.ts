import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createRandom } from '../../../../engine/random.ts';
import { evaluateCascade, validationRecords } from '../../../../plans/domain/cascade/cascade.ts';
import type { Gear } from '../../../../plans/domain/gear-plan/gear-plan.ts';
import type { Profile } from '../../../../plans/domain/profile/profile.ts';
import { compilePlan } from '../../../../plans/policy/compiled-plan.ts';
import { EXPIRED, REJECTED } from '../../../../plans/simulator/outcomes.ts';
import { simulatedSystem } from '../../../../plans/simulator/simulated-system.ts';
import { simulationReport } from '../../../../plans/simulator/simulation-report.ts';
import { Simulator } from '../../../../plans/simulator/simulator.ts';
import { traceWorkload, type Workload } from '../../../../plans/simulator/workload.ts';
import { syntheticProfile } from '../../../../plans/synthetic/synthetic.ts';
import { constantTrace } from '../../../../plans/traces/trace.ts';

/** Two models; batches of n take 1 + n and 10 + 5 n ms; a hop takes 2 ms; no other overhead. */
const profile = syntheticProfile({
  seed: 1,
  samples: 300,
  batches: [1, 2, 8],
  overhead: { perBatchMs: 0, perRequestMs: 0, hopMs: 2 },
  models: [
    { name: 'small', accuracy: 0.7, fixedMs: 1, perSampleMs: 1, memoryBytes: 1 },
    { name: 'large', accuracy: 0.9, fixedMs: 10, perSampleMs: 5, memoryBytes: 1 },
  ],
});
const devices = ['x', 'y'].map((id) => ({ id, deviceClass: 'cpu-1', memoryBytes: 10 }));
const system = simulatedSystem(profile, devices, []);
const expected: Gear['expected'] = {
  accuracy: 0,
  accuracyInterval: [0, 0],
  latencyMs: { p50: 0, p95: 0, p99: 0 },
  utilisation: {},
  bottleneck: 'small',
};

function compiled(...gears: Partial<Gear>[]) {
  return compilePlan({
    models: ['small', 'large'],
    devices: ['x', 'y'],
    placement: [],
    gears: gears.map((gear, i) => ({
      qps: [i * 100, (i + 1) * 100],
      cascade: [{ model: 'small' }],
      shares: { small: { x: 1 }, large: { y: 1 } },
      minQueueLength: {},
      maxWaitMs: 0,
      expected,
      ...gear,
    })),
  });
}

const alwaysBoth = [{ model: 'small', threshold: 2 }, { model: 'large' }];

function workload(...arrivals: number[]): Workload {
  return { arrivalsMs: Float64Array.from(arrivals), sampleOrder: Int32Array.of(0, 1, 2), seconds: 1 };
}

const latencies = (plan: ReturnType<typeof compiled>, load: Workload): number[] => [
  ...new Simulator(system).run(plan, load, { fixedGear: 0 }).latencyMs,
];

describe('what a request costs, by hand', () => {
  test('two hops to the device, its batch, one hop back', () => {
    expect(latencies(compiled({}), workload(0))).toEqual([2 + 2 + 2 + 2]);
  });

  test('an uncertain sample takes one more hop to another device', () => {
    expect(latencies(compiled({ cascade: alwaysBoth }), workload(0))).toEqual([4 + 2 + 2 + 15 + 2]);
  });

  test('but no hop to the same device', () => {
    const shares = { small: { x: 1 }, large: { x: 1 } };
    expect(latencies(compiled({ cascade: alwaysBoth, shares }), workload(0))).toEqual([4 + 2 + 15 + 2]);
  });

  test('one inference at a time: requests that arrive meanwhile wait and then run as one batch', () => {
    // 0 runs from 4 to 6; 1 and 2 arrive at 4.5 and 5 and run from 6 to 9.
    expect(latencies(compiled({}), workload(0, 0.5, 1))).toEqual([8, 10.5, 10]);
  });

  test('a queue below its minimum length waits to reach it', () => {
    const plan = compiled({ minQueueLength: { small: { x: 2 } }, maxWaitMs: 100 });
    expect(latencies(plan, workload(0, 30))).toEqual([30 + 4 + 3 + 2, 4 + 3 + 2]);
  });

  test('but no longer than maxWaitMs', () => {
    const plan = compiled({ minQueueLength: { small: { x: 2 } }, maxWaitMs: 20 });
    expect(latencies(plan, workload(0, 30))).toEqual([20 + 4 + 2 + 2, 20 + 4 + 2 + 2]);
  });

  test('no batch is larger than profiled or than the deployment allows', () => {
    const limited = simulatedSystem(profile, devices, [3, undefined]);
    const load = workload(...Array.from({ length: 40 }, (_, i) => i / 1000));
    const batchesOf = (s: typeof system) => new Simulator(s).run(compiled({}), load, { fixedGear: 0 }).batches[0];
    expect(batchesOf(system)).toBe(1 + Math.ceil(39 / 8));
    expect(batchesOf(limited)).toBe(1 + Math.ceil(39 / 3));
  });

  test('among triggered queues the one with the oldest request goes first', () => {
    // At 6 request 0 is done with small and queues for large; request 1 has waited for small since 5 and runs first, to 8.
    // Then large takes both, which is 20 ms.
    const shares = { small: { x: 1 }, large: { x: 1 } };
    const plan = compiled({ cascade: alwaysBoth, shares });
    expect(latencies(plan, workload(0, 1))).toEqual([8 + 20 + 2, 8 + 20 + 2 - 1]);
  });
});

describe('deadlines', () => {
  const run = (plan: ReturnType<typeof compiled>, load: Workload, deadlineMs: number) =>
    new Simulator(system).run(plan, load, { deadlineMs });

  test('a request that its batch would answer too late is not computed, and ends at once', () => {
    // The device runs 0 from 4 to 6, and would run 1 from 6 to 8; their deadlines count from 2 and 2.5.
    const { latencyMs, answeredBy, completed, expired, busyMs } = run(compiled({}), workload(0, 0.5), 5);
    expect([...answeredBy]).toEqual([0, EXPIRED]);
    expect([...latencyMs]).toEqual([8, Number.NaN]);
    expect({ completed, expired, busyMs: [...busyMs] }).toEqual({ completed: 1, expired: 1, busyMs: [2, 0] });
    expect([...run(compiled({}), workload(0, 0.5), 5.5).answeredBy]).toEqual([0, 0]);
  });

  test('the answer so far stands if the next model would be too late', () => {
    // Small is done at 6; by the sender's estimate, which leaves out the hop, large would be at 21; the deadline counts from 2.
    expect([...run(compiled({ cascade: alwaysBoth }), workload(0), 18.5).answeredBy]).toEqual([0]);
    expect([...run(compiled({ cascade: alwaysBoth }), workload(0), 21).answeredBy]).toEqual([1]);
  });

  test('and if it turns out to be too late in the queue of the next model', () => {
    // Sent on at 6 with 21 in mind, it arrives at 8, and would be done at 23.
    const outcomes = run(compiled({ cascade: alwaysBoth }), workload(0), 20);
    expect([[...outcomes.answeredBy], outcomes.busyMs[1]]).toEqual([[0], 0]);
    expect(outcomes.latencyMs[0]).toBe(8 + 2);
  });

  test('under overload, requests that do not fit are refused, and accepted ones are answered in time', () => {
    // Batches of 8 in 9 ms.
    const capacity = 8_000 / 9;
    const seconds = 5;
    const load = traceWorkload(constantTrace(3 * capacity, seconds), system.samples, createRandom(1));
    const outcomes = run(compiled({}), load, 500);
    expect(outcomes.completed / (seconds * capacity)).toBeGreaterThan(0.95);
    expect(outcomes.expired).toBe(0);
    expect(outcomes.completed + outcomes.rejected).toBe(outcomes.requests);
    expect(outcomes.answeredBy.filter((by) => by === REJECTED)).toHaveLength(outcomes.rejected);
    expect([...outcomes.latencyMs].filter((ms) => ms > 500 + 4)).toEqual([]);
    const { report } = simulationReport(system, load, outcomes, { type: 'latency', p95Ms: 600 });
    expect(report).toMatchObject({
      completed: outcomes.completed,
      rejected: outcomes.rejected,
      errors: 0,
      lost: 0,
      sloAttainment: 0,
    });
  });

  test('refused requests are wrong under an accuracy SLO, and results per second are no more than the device can give', () => {
    const capacity = 8_000 / 9;
    const load = traceWorkload(constantTrace(8 * capacity, 5), system.samples, createRandom(1));
    const outcomes = run(compiled({}), load, 5_000);
    const { report, windows } = simulationReport(system, load, outcomes, { type: 'accuracy', accuracy: 0.5 });
    // Of the answers, 70 % are right; of the requests of most seconds, a tenth.
    expect(report.accuracy).toBeGreaterThan(0.6);
    expect(windows.slice(1).map(({ metSlo }) => metSlo)).toEqual([false, false, false, false]);
    expect(report.seconds).toBeGreaterThan(5);
    expect(report.goodputQps).toBeLessThanOrEqual(capacity);
  });
});

describe('invariants', () => {
  const runs = fc.record({
    seed: fc.integer(),
    qps: fc.integer({ min: 1, max: 600 }),
    threshold: fc.double({ min: 0, max: 1, noNaN: true }),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
    min: fc.integer({ min: 1, max: 20 }),
    maxWaitMs: fc.integer({ min: 0, max: 50 }),
  });

  test('every request is answered once, by the model the cascade chooses, and devices are never busier than the time allows', () => {
    fc.assert(
      fc.property(runs, ({ seed, qps, threshold, share, min, maxWaitMs }) => {
        const split = { x: share, y: 1 - share };
        const gear = {
          cascade: [{ model: 'small', threshold }, { model: 'large' }],
          shares: { small: split, large: split },
          minQueueLength: { small: { x: min, y: min } },
          maxWaitMs,
        };
        const load = traceWorkload(constantTrace(qps, 1), system.samples, createRandom(seed));
        const outcomes = new Simulator(system).run(compiled(gear), load, { fixedGear: 0 });
        expect(outcomes.completed).toBe(load.arrivalsMs.length);
        expect(outcomes.answers[0] + outcomes.answers[1]).toBe(load.arrivalsMs.length);
        for (let i = 0; i < outcomes.requests; i++) {
          expect(outcomes.latencyMs[i]).toBeGreaterThanOrEqual(8 - 1e-6);
          expect(outcomes.answeredBy[i]).toBe(profile.models[0].certainties[outcomes.sample[i]] >= threshold ? 0 : 1);
        }
        for (const busy of outcomes.busyMs) expect(busy).toBeLessThanOrEqual(outcomes.endMs + 1e-6);
      }),
      { numRuns: 40 },
    );
  });

  test('the accuracy over all samples equals the cascade arithmetic', () => {
    const threshold = 0.6;
    const gear = { cascade: [{ model: 'small', threshold }, { model: 'large' }] };
    const order = Int32Array.from({ length: 300 }, (_, i) => i);
    const load = { arrivalsMs: Float64Array.from(order, (i) => i * 10), sampleOrder: order, seconds: 3 };
    const outcomes = new Simulator(system).run(compiled(gear), load, { fixedGear: 0 });
    const { report } = simulationReport(system, load, outcomes, undefined);
    expect(report.accuracy).toBeCloseTo(evaluateCascade(validationRecords(profile as Profile), [0, 1], [threshold]).accuracy, 12);
  });

  test('reused buffers leave nothing behind', () => {
    const load = traceWorkload(constantTrace(200, 2), system.samples, createRandom(1));
    const other = traceWorkload(constantTrace(500, 3), system.samples, createRandom(2));
    const plan = compiled({ cascade: alwaysBoth, minQueueLength: { small: { x: 5 } }, maxWaitMs: 30 });
    const simulator = new Simulator(system);
    const first = simulationReport(system, load, simulator.run(plan, load), { type: 'latency', p95Ms: 100 });
    simulator.run(plan, other, { giveUp: { latencyMs: 20, count: 3 } });
    expect(simulationReport(system, load, simulator.run(plan, load), { type: 'latency', p95Ms: 100 })).toEqual(first);
  });

  test('a run stops early once too many requests are late', () => {
    const load = traceWorkload(constantTrace(2000, 2), system.samples, createRandom(1));
    const outcomes = new Simulator(system).run(compiled({ cascade: alwaysBoth }), load, {
      fixedGear: 0,
      giveUp: { latencyMs: 100, count: 10 },
    });
    expect(outcomes.gaveUp).toBe(true);
    expect(outcomes.completed).toBeLessThan(outcomes.requests);
    expect([...outcomes.latencyMs].filter((ms) => ms > 100).length).toBeGreaterThan(10);
  });
});

describe('gears', () => {
  const plan = compiled({ cascade: alwaysBoth, shares: { small: { x: 0.5, y: 0.5 }, large: { x: 0.5, y: 0.5 } } }, {}, {});
  const steps = { qps: Float64Array.of(20, 20, 250, 250, 20, 20, 20, 20) };
  const load = traceWorkload(steps, system.samples, createRandom(3));
  const outcomes = new Simulator(system).run(plan, load);

  test('follow the load up and down', () => {
    const answeredByLarge = (from: number, to: number): number => {
      const within = [...load.arrivalsMs.keys()].filter((i) => load.arrivalsMs[i] >= from && load.arrivalsMs[i] < to);
      return within.filter((i) => outcomes.answeredBy[i] === 1).length / within.length;
    };
    expect(answeredByLarge(0, 1900)).toBeGreaterThan(0.9);
    expect(answeredByLarge(2400, 3900)).toBeLessThan(0.2);
    // The lower gear must be enough for two seconds first.
    expect(answeredByLarge(4000, 5900)).toBeLessThan(0.3);
    expect(answeredByLarge(6900, 8000)).toBeGreaterThan(0.8);
  });

  test('their times add up to the run, and changes are counted', () => {
    const total = outcomes.gearMs.reduce((sum, ms) => sum + ms, 0);
    expect(total).toBeCloseTo(outcomes.endMs, 6);
    expect(outcomes.gearSwitches).toBeGreaterThanOrEqual(2);
  });

  test('a plan that sends requests nowhere is reported as a defect', () => {
    const nowhere = compiled({ shares: {} });
    expect(() => new Simulator(system).run(nowhere, workload(0), { fixedGear: 0 })).toThrow('no device a share of model small');
  });
});

describe('serving costs besides batches, by hand', () => {
  const withOverhead = (overhead: Partial<Profile['overhead']>) =>
    simulatedSystem({ ...profile, overhead: { ...profile.overhead, ...overhead } }, devices, []);
  const latenciesOf = (overhead: Partial<Profile['overhead']>, ...arrivals: number[]): number[] => [
    ...new Simulator(withOverhead(overhead)).run(compiled({}), workload(...arrivals), { fixedGear: 0 }).latencyMs,
  ];

  test('a handoff replaces the hop from the frontend to the device', () => {
    expect(latenciesOf({ handoffMs: 0 }, 0)).toEqual([2 + 0 + 2 + 2]);
  });

  test('a frontend takes one request at a time', () => {
    // The second is taken at 3 + 3, and runs alone when the first has been answered.
    expect(latenciesOf({ intakeMs: 3 }, 0, 0)).toEqual([3 + 8, 6 + 8]);
  });

  test('a device that slept takes longer for its first batch; one that has just worked does not', () => {
    // The second arrives while the first runs, and follows it at once.
    expect(latenciesOf({ wakeMs: 1 }, 0, 1)).toEqual([8 + 1, 2 + 2 + 3 + 2 - 1 + 1 + 1]);
    expect(latenciesOf({ wakeMs: 1 }, 0, 100)).toEqual([9, 9]);
  });

  test('answers are late by the jitter on average', () => {
    const load = traceWorkload(constantTrace(20, 500), system.samples, createRandom(1));
    const mean = (jitterMs: number): number => {
      const { latencyMs } = new Simulator(withOverhead({ jitterMs })).run(compiled({}), load, { fixedGear: 0 });
      return latencyMs.reduce((sum, ms) => sum + ms, 0) / latencyMs.length;
    };
    expect(mean(4) - mean(0)).toBeCloseTo(4, 1);
  });
});
