import { beforeAll, describe, expect, test } from 'vitest';
import { createRandom } from '../../engine/random.ts';
import { percentile } from '../../plans/report/percentile.ts';
import { evenPhases } from '../../plans/simulator/control-rhythm.ts';
import type { Slowdown } from '../../plans/simulator/slowdown.ts';
import { traceWorkload } from '../../plans/simulator/workload.ts';
import { constantTrace } from '../../plans/traces/trace.ts';
import { actorsRun, type ParityRun } from '../support/parity-runs.ts';
import { wanderingSpeed } from '../support/wandering-speed.ts';
import { RULE, type SpeedCase, simulated, speedCase } from './support/speed-case.ts';

const MINUTE_MS = 60_000;

function alwaysSlow(device: string | undefined, factor: number): Slowdown[] {
  return [{ device, factor, fromMs: 0, toMs: Number.POSITIVE_INFINITY }];
}

/** Half the speed for 10 s, then the profiled speed for 10 s. */
function onAndOff(device: string, seconds: number): Slowdown[] {
  return Array.from({ length: seconds / 20 }, (_, i) => {
    const fromMs = 10_000 + 20_000 * i;
    return { device, factor: 2, fromMs, toMs: fromMs + 10_000 };
  });
}

/** The highest number of changes in any minute of the run. */
function mostAMinute(changesAtMs: readonly number[], fromMs: number): number {
  const perMinute = new Map<number, number>();
  for (const at of changesAtMs) {
    if (at < fromMs) continue;
    const minute = Math.floor((at - fromMs) / MINUTE_MS);
    perMinute.set(minute, (perMinute.get(minute) ?? 0) + 1);
  }
  return Math.max(0, ...perMinute.values());
}

describe('two devices, one of which becomes half as fast: the real actors', () => {
  const FIRST_ARRIVAL_MS = 1_000;
  const SLOW_FROM_MS = 4_000;
  const FOLLOWED_MS = SLOW_FROM_MS + 2_000;
  const SECONDS = 10;
  const SAMPLES = 6_000;
  const QPS_MAX = 450;
  /** The same cascade in both plans, small then large, so that only the routing differs. */
  const CASCADE = [{ models: [1, 3], thresholds: [0.8] }];
  let alike: SpeedCase;
  let unlike: SpeedCase;

  beforeAll(async () => {
    alike = await speedCase([0.25, 0.25], QPS_MAX, SAMPLES, CASCADE);
    unlike = await speedCase([0.25, 0.125], QPS_MAX, SAMPLES, CASCADE);
  });

  test.each([
    { share: 0.5, seed: 1 },
    { share: 0.9, seed: 2 },
  ])('its share follows, p95 matches such a plan, and nothing is lost: $share of the highest load, seed $seed', async (given) => {
    const { arrivalsMs: sent } = traceWorkload(constantTrace(given.share * QPS_MAX, SECONDS), SAMPLES, createRandom(given.seed));
    const arrivalsMs = sent.map((at) => FIRST_ARRIVAL_MS + at);
    const run = ({ profile, devices, plan }: SpeedCase, slowdowns: readonly Slowdown[]): Promise<ParityRun> =>
      actorsRun(
        {
          profile,
          devices,
          plan,
          rule: RULE,
          heartbeatPhasesMs: evenPhases(devices.length),
          deadlineMs: 1_500,
          slowdowns,
          audit: undefined,
          arrivalsMs,
        },
        FIRST_ARRIVAL_MS + 1_000 * SECONDS + 5_000,
      );
    const p95Ms = ({ answers }: ParityRun): number => {
      const latenciesMs = arrivalsMs.map((_, request) => {
        const answer = answers[request] ?? { refused: 'no answer' };
        return 'latencyMs' in answer ? answer.latencyMs : Number.NaN;
      });
      expect(latenciesMs).not.toContain(Number.NaN);
      return percentile(latenciesMs.filter((_, request) => arrivalsMs[request] >= FOLLOWED_MS).sort(), 0.95)!;
    };
    const slowed = await run(alike, [{ device: 'd1', factor: 2, fromMs: SLOW_FROM_MS, toMs: Number.POSITIVE_INFINITY }]);
    const planned = await run(unlike, []);
    const toSmall = slowed.batches.filter(({ at, model }) => model === 'small' && at >= FOLLOWED_MS);
    const requestsOn = (device: string): number =>
      toSmall.reduce((sum, batch) => sum + (batch.device === device ? batch.requests.length : 0), 0);
    const share = requestsOn('d1') / (requestsOn('d0') + requestsOn('d1'));
    expect(share).toBeGreaterThan(0.31);
    expect(share).toBeLessThan(0.38);
    expect(p95Ms(slowed)).toBeLessThan(1.2 * p95Ms(planned));
  });
});

describe('gears', () => {
  let one: SpeedCase;
  let two: SpeedCase;

  beforeAll(async () => {
    one = await speedCase([1], 3_000);
    two = await speedCase([1, 1], 6_000);
  });

  test.each([1, 2])('meet the SLO while a device runs at half speed every other 10 s, with few changes: seed %i', (seed) => {
    for (const made of [one, two]) {
      const { report, gearChangesAtMs } = simulated(made, constantTrace(made.qpsMax / 2, 120), onAndOff('d0', 120), seed);
      expect(report.sloAttainment).toBeGreaterThanOrEqual(0.95);
      expect(report).toMatchObject({ completed: report.offered, lost: 0, rejected: 0 });
      expect(mostAMinute(gearChangesAtMs, 0)).toBeLessThanOrEqual(12);
    }
  });

  test.each([1, 1.5, 2])('stay put at a constant load and speed: batches take %f times as long as profiled', (factor) => {
    for (const part of [0.1, 0.3, 0.5, 0.7, 0.9]) {
      const { report, gearChangesAtMs } = simulated(one, constantTrace(part * one.qpsMax, 125), alwaysSlow('d0', factor));
      const why = `${part} of the highest load`;
      expect(report.sloAttainment, why).toBeGreaterThanOrEqual(0.98);
      expect(mostAMinute(gearChangesAtMs, 5_000), why).toBeLessThanOrEqual(1);
    }
  });

  test.each([1, 2, 3])('follow a speed that wanders from 0.6 to 1.2 of the profiled one: seed %i', (seed) => {
    for (const part of [0.5, 0.8]) {
      const slowdowns = wanderingSpeed('d0', 120, createRandom(seed));
      const { report, gearChangesAtMs } = simulated(one, constantTrace(part * one.qpsMax, 120), slowdowns, seed);
      expect(report.sloAttainment).toBeGreaterThanOrEqual(0.98);
      expect(report).toMatchObject({ completed: report.offered, lost: 0, rejected: 0 });
      // The speed changes every second.
      expect(mostAMinute(gearChangesAtMs, 0)).toBeLessThanOrEqual(20);
    }
  });
});
