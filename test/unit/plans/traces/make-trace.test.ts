import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createRandom } from '../../../../engine/random.ts';
import { crowdTimes, diurnalTrace, flashCrowdTrace, markovModulatedTrace } from '../../../../plans/traces/make-trace.ts';
import { expectedRequests } from '../../../../plans/traces/trace.ts';

const quiet = { noise: 0 };
const mean = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;

describe('day and night', () => {
  test('goes from low to peak and back; each second has the mean of its rates', () => {
    const { qps } = diurnalTrace({ ...quiet, seconds: 8, low: 100, peak: 300, periodSeconds: 4 }, createRandom(1));
    // The mean of a sine from 0 to a quarter of its period is 2/π.
    const [rising, high] = [200 - (100 * 2) / Math.PI, 200 + (100 * 2) / Math.PI];
    const expected = [rising, high, high, rising];
    qps.forEach((rate, second) => {
      expect(rate).toBeCloseTo(expected[second % 4], 9);
    });
  });

  test('is even if the periods are shorter than the seconds', () => {
    const { qps } = diurnalTrace({ ...quiet, seconds: 8, low: 100, peak: 300, periodSeconds: 0.5 }, createRandom(1));
    qps.forEach((rate) => {
      expect(rate).toBeCloseTo(200, 9);
    });
  });

  test('averages the mean of low and peak over whole periods', () => {
    const trace = diurnalTrace({ ...quiet, seconds: 600, low: 10, peak: 90, periodSeconds: 300 }, createRandom(1));
    expect(expectedRequests(trace)).toBeCloseTo(600 * 50, 6);
  });
});

describe('a Markov-modulated process', () => {
  const states = [
    { qps: 100, staySeconds: 30 },
    { qps: 900, staySeconds: 10 },
  ];

  test('stays at each rate for its share of the time', () => {
    const { qps } = markovModulatedTrace({ ...quiet, seconds: 40_000, states }, createRandom(5));
    // A quarter of the time at 900; 1,000 stays of each kind have a standard error of about 2 %.
    expect(mean(qps)).toBeGreaterThan(300 * 0.92);
    expect(mean(qps)).toBeLessThan(300 * 1.08);
    expect(qps[0]).toBeGreaterThanOrEqual(100);
    expect(qps.every((rate) => rate >= 100 && rate <= 900 + 1e-9)).toBe(true);
    const inside = qps.filter((rate) => Math.abs(rate - 100) < 1e-9 || Math.abs(rate - 900) < 1e-9).length;
    // Two changes in 40 s: at most one second in 20 has both rates.
    expect(inside / qps.length).toBeGreaterThan(0.9);
  });

  test('changes to every other state, never to the same one', () => {
    const three = [1, 10, 100].map((qps) => ({ qps, staySeconds: 5 }));
    const { qps } = markovModulatedTrace({ ...quiet, seconds: 30_000, states: three }, createRandom(2));
    for (const rate of [1, 10, 100]) {
      const share = qps.filter((value) => Math.abs(value - rate) < 1e-9).length / qps.length;
      expect(share).toBeGreaterThan(0.2);
      expect(share).toBeLessThan(0.34);
    }
  });
});

describe('a flash crowd', () => {
  const crowd = { ...quiet, seconds: 14, base: 100, peak: 500, riseSeconds: 2, holdSeconds: 3, fallSeconds: 4 };

  test('rises linearly, stays, and falls linearly', () => {
    expect([...flashCrowdTrace({ ...crowd, atSeconds: [2] }, createRandom(1)).qps]).toEqual([
      100, 100, 200, 400, 500, 500, 500, 450, 350, 250, 150, 100, 100, 100,
    ]);
  });

  test('starts and stops instantly without a rise and fall; where two overlap, the larger counts', () => {
    const steps = { ...crowd, riseSeconds: 0, fallSeconds: 0, atSeconds: [2, 4] };
    expect([...flashCrowdTrace(steps, createRandom(1)).qps]).toEqual([
      100, 100, 500, 500, 500, 500, 500, 100, 100, 100, 100, 100, 100, 100,
    ]);
  });

  test('that arrives while another leaves counts from the moment when it is larger', () => {
    const peaks = { ...crowd, seconds: 8, riseSeconds: 2, holdSeconds: 0, fallSeconds: 2, atSeconds: [0, 3] };
    expect([...flashCrowdTrace(peaks, createRandom(1)).qps]).toEqual([200, 400, 400, 250, 400, 400, 200, 100]);
  });

  test('may be one of very many, in any order', () => {
    const many = { ...crowd, seconds: 200_000, atSeconds: Array.from({ length: 200_000 }, (_, i) => 199_999 - i) };
    const { qps } = flashCrowdTrace(many, createRandom(1));
    expect(qps[0]).toBe(200);
    expect(qps.subarray(2).every((rate) => rate === 500)).toBe(true);
  });

  test.each([0, 0.4, 0.6, 1, 2.5])('that stays for %d s brings as many requests, however the seconds fall', (holdSeconds) => {
    for (const at of [2, 2.3, 2.9]) {
      const steps = { ...crowd, riseSeconds: 0, holdSeconds, fallSeconds: 0, atSeconds: [at] };
      const more = flashCrowdTrace(steps, createRandom(1)).qps.map((rate) => rate - 100);
      expect(more.reduce((sum, rate) => sum + rate)).toBeCloseTo(400 * holdSeconds, 9);
    }
  });

  test('counts only if it is the largest at the time', () => {
    const POINTS = 200;
    const times = fc.array(fc.integer({ min: 0, max: 39 }), { maxLength: 6 });
    const lengths = fc.tuple(...[0, 1, 2].map(() => fc.double({ min: 0, max: 6, noNaN: true })));
    fc.assert(
      fc.property(times, lengths, (atSeconds, [riseSeconds, holdSeconds, fallSeconds]) => {
        const shape = { ...crowd, seconds: 50, riseSeconds, holdSeconds, fallSeconds };
        const shareAt = (after: number): number => {
          const leaving = after - riseSeconds - holdSeconds;
          if (after < 0 || leaving >= fallSeconds) return 0;
          return Math.min(1, riseSeconds === 0 ? 1 : after / riseSeconds, leaving <= 0 ? 1 : 1 - leaving / fallSeconds);
        };
        flashCrowdTrace({ ...shape, atSeconds }, createRandom(1)).qps.forEach((rate, second) => {
          let sum = 0;
          for (let i = 0; i < POINTS; i++) {
            const at = second + (i + 0.5) / POINTS;
            sum += Math.max(0, ...atSeconds.map((begin) => shareAt(at - begin)));
          }
          // Each of at most 12 steps within a second may fall between two points.
          expect(Math.abs(rate - 100 - (400 * sum) / POINTS)).toBeLessThan((12 * 400) / POINTS);
        });
      }),
    );
  });

  test('at a random time ends before the trace does', () => {
    const times = crowdTimes(200, crowd, createRandom(3));
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(new Set(times)).toEqual(new Set([0, 1, 2, 3, 4, 5]));
    expect(crowdTimes(2, { ...crowd, holdSeconds: 100 }, createRandom(3))).toEqual([0, 0]);
  });
});

test('noise has mean 1 and the requested deviation; everything else stays the same', () => {
  const seconds = 20_000;
  const trace = (noise: number, seed = 4) =>
    diurnalTrace({ seconds, low: 50, peak: 50, periodSeconds: 10, noise }, createRandom(seed)).qps;
  const noisy = trace(0.2);
  const deviation = Math.sqrt(mean(noisy.map((rate) => (rate - 50) ** 2)));
  // Standard errors: 0.07 for the mean, about 0.06 for the deviation.
  expect(Math.abs(mean(noisy) - 50)).toBeLessThan(0.4);
  expect(Math.abs(deviation - 10)).toBeLessThan(0.5);
  expect(noisy.every((rate) => rate > 0)).toBe(true);
  expect(noisy).toEqual(trace(0.2));
  expect(noisy).not.toEqual(trace(0.2, 5));
  expect(trace(0).every((rate) => rate === 50)).toBe(true);
});
