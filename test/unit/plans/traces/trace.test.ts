import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ConfigError } from '../../../../engine/errors.ts';
import { createRandom } from '../../../../engine/random.ts';
import {
  constantTrace,
  cutTrace,
  describeTrace,
  dropEmptySeconds,
  formatTrace,
  parseTrace,
  peakQps,
  poissonArrivals,
  rangeHistogram,
  scaleToMean,
  scaleToPeak,
  stretchTrace,
} from '../../../../plans/traces/trace.ts';

describe('parseTrace', () => {
  test('reads seconds and rates; seconds that are not listed have no requests', () => {
    expect([...parseTrace('second,qps\r\n0,10\n\n3,2.5\n', 't.csv').qps]).toEqual([10, 0, 0, 2.5]);
  });

  test('a written trace reads back the same', () => {
    const trace = { qps: Float64Array.of(1, 0, 2.5) };
    expect(parseTrace(formatTrace(trace), 't.csv')).toEqual(trace);
  });

  test.each([
    ['time,qps\n0,1\n', 't.csv:1: the header is "time,qps"; write second,qps'],
    ['second,qps\n', 't.csv: no seconds'],
    ['second,qps\n0,1\n1;2\n', 't.csv:3: "1;2" is not a second'],
    ['second,qps\n0,\n', 't.csv:2:'],
    ['second,qps\n0.5,1\n', 't.csv:2: second 0.5 is not a whole number'],
    ['second,qps\n2678400,1\n', 't.csv:2: second 2678400 is not a whole number from 0 to 2678399'],
    ['second,qps\n0,many\n', 't.csv:2: qps many is not a number'],
    ['second,qps\n0,-1\n', 't.csv:2: qps -1'],
    ['second,qps\n4,1\n4,1\n', 't.csv:3: second 4 comes after second 4'],
  ])('reports the file and line: %j', (text, message) => {
    expect(() => parseTrace(text, 't.csv')).toThrow(ConfigError);
    expect(() => parseTrace(text, 't.csv')).toThrow(message);
  });
});

test('traces can be scaled, cut and stretched', () => {
  const trace = { qps: Float64Array.of(1, 4, 2) };
  expect(peakQps(trace)).toBe(4);
  expect([...scaleToPeak(trace, 100).qps]).toEqual([25, 100, 50]);
  expect([...scaleToMean(trace, 70).qps]).toEqual([30, 120, 60]);
  const sparse = { qps: Float64Array.of(0, 3, 0, 0, 1.5, 0) };
  expect([...dropEmptySeconds(sparse).qps]).toEqual([3, 1.5]);
  expect(describeTrace(sparse)).toBe('6 seconds, 5 requests, 0.75/s on average, 3/s at the peak, 4 seconds without requests');
  const empty = { qps: new Float64Array(2) };
  expect(scaleToPeak(empty, 5)).toEqual(empty);
  expect(scaleToMean(empty, 5)).toEqual(empty);
  expect([...cutTrace(trace, 1, 3).qps]).toEqual([4, 2]);
  expect([...stretchTrace(trace, 6).qps]).toEqual([1, 1, 4, 4, 2, 2]);
  expect([...stretchTrace(trace, 4).qps]).toEqual([1, 4, 4, 2]);
  expect(rangeHistogram(trace, 3, 3).map((w) => w.toFixed(3))).toEqual(['0.000', '0.333', '0.667']);
});

test('a trace that is shrunk keeps its busy second, and its mean', () => {
  const spike = { qps: new Float64Array(100) };
  spike.qps[42] = 50;
  expect([...stretchTrace(spike, 10).qps]).toEqual([0, 0, 0, 0, 5, 0, 0, 0, 0, 0]);
  // Each new second is 1.5 old ones.
  const thirds = stretchTrace({ qps: Float64Array.of(3, 6, 9) }, 2).qps;
  expect(thirds[0]).toBeCloseTo(4, 9);
  expect(thirds[1]).toBeCloseTo(8, 9);
});

describe('poissonArrivals', () => {
  test('arrivals ascend and fall in seconds that have load', () => {
    fc.assert(
      fc.property(fc.integer(), fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 6 }), (seed, rates) => {
        const arrivals = poissonArrivals({ qps: Float64Array.from(rates) }, createRandom(seed));
        for (let i = 0; i < arrivals.length; i++) {
          expect(rates[Math.floor(arrivals[i] / 1000)]).toBeGreaterThan(0);
          if (i > 0) expect(arrivals[i]).toBeGreaterThanOrEqual(arrivals[i - 1]);
        }
      }),
    );
  });

  test('mean and variance of the counts are those of a Poisson process', () => {
    const arrivals = poissonArrivals(constantTrace(100, 1000), createRandom(1));
    const counts = new Float64Array(1000);
    for (const at of arrivals) counts[Math.floor(at / 1000)]++;
    const mean = arrivals.length / 1000;
    const variance = counts.reduce((sum, n) => sum + (n - mean) ** 2, 0) / 1000;
    expect(mean).toBeGreaterThan(98);
    expect(mean).toBeLessThan(102);
    expect(variance / mean).toBeGreaterThan(0.85);
    expect(variance / mean).toBeLessThan(1.15);
  });

  test('the same seed gives the same workload', () => {
    const trace = constantTrace(50, 3);
    expect(poissonArrivals(trace, createRandom(7))).toEqual(poissonArrivals(trace, createRandom(7)));
    expect(poissonArrivals(trace, createRandom(7))).not.toEqual(poissonArrivals(trace, createRandom(8)));
  });
});
