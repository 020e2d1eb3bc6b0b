import { describe, expect, it } from 'vitest';
import { createRandom } from '../../../engine/random.ts';

const N = 20_000;

function draw(n: number, next: () => number): number[] {
  return Array.from({ length: n }, next);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

it('repeats itself for the same seed, and only then', () => {
  expect(draw(5, createRandom(7).next)).toEqual(draw(5, createRandom(7).next));
  expect(draw(5, createRandom(7).next)).toEqual(draw(5, createRandom('7').next));
  const firsts = new Set(Array.from({ length: 1_000 }, (_, seed) => createRandom(seed).next()));
  expect(firsts.size).toBe(1_000);
});

it('splits into streams that depend neither on earlier draws nor on each other', () => {
  const parent = createRandom(7);
  const arrivals = draw(5, parent.split('arrivals').next);
  parent.next();
  parent.split('labels').next();
  expect(draw(5, parent.split('arrivals').next)).toEqual(arrivals);
  expect(draw(5, parent.split('labels').next)).not.toEqual(arrivals);
  expect(draw(5, createRandom(8).split('arrivals').next)).not.toEqual(arrivals);
});

describe('distributions (mean and spread within four standard errors)', () => {
  it('is uniform in [0, 1)', () => {
    const values = draw(N, createRandom('uniform').next);
    expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...values)).toBeLessThan(1);
    const buckets = new Array<number>(10).fill(0);
    for (const value of values) buckets[Math.floor(value * 10)]++;
    for (const count of buckets) expect(Math.abs(count - N / 10)).toBeLessThan(4 * Math.sqrt(N * 0.09));
  });

  it('gives integers below the bound, each equally often', () => {
    const random = createRandom('below');
    const counts = [0, 0, 0];
    for (let i = 0; i < N; i++) counts[random.below(3)]++;
    for (const count of counts) expect(Math.abs(count - N / 3)).toBeLessThan(4 * Math.sqrt((N * 2) / 9));
  });

  it('gives exponential times with the requested mean', () => {
    const random = createRandom('exponential');
    const values = draw(N, () => random.exponential(50));
    expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
    expect(Math.abs(mean(values) - 50)).toBeLessThan((4 * 50) / Math.sqrt(N));
    // Memoryless: a share of 1/e lasts longer than the mean.
    expect(Math.abs(values.filter((value) => value > 50).length / N - Math.exp(-1))).toBeLessThan(4 * Math.sqrt(0.233 / N));
  });

  it('gives standard normal values', () => {
    const values = draw(N, createRandom('normal').normal);
    expect(Math.abs(mean(values))).toBeLessThan(4 / Math.sqrt(N));
    expect(Math.abs(mean(values.map((value) => value * value)) - 1)).toBeLessThan(4 * Math.sqrt(2 / N));
  });
});
