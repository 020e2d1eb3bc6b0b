import { expect, test } from 'vitest';
import { spikeCharts } from '../../../../plans/evaluation/page/spike-chart.ts';

test('the charts of a long load have all its seconds', () => {
  const seconds = Array.from({ length: 200_000 }, (_, second) => ({
    second,
    offered: second === 150_000 ? 900 : 1,
    completed: 1,
    p95Ms: 10,
    accuracy: 0.9,
    metSlo: true,
  }));
  const [load] = spikeCharts({ spike: [{ strategy: 'cascade', seconds }], seconds: seconds.length, sloMs: 100 }, 600);
  expect(load).toContain('>800<');
});

const SLO_MS = 50;
/** A p95 of 20 ms, but nothing known of seconds 10 to 19. */
const interrupted = (unknown: object) =>
  spikeCharts(
    {
      spike: [
        {
          strategy: 'dynba',
          seconds: Array.from({ length: 30 }, (_, second) => ({
            ...{ second, offered: 100, completed: 100, p95Ms: 20, accuracy: 0.9, metSlo: true },
            ...(second >= 10 && second < 20 ? unknown : {}),
          })),
        },
      ],
      seconds: 30,
      sloMs: SLO_MS,
    },
    1_000,
  );
const heights = (chart: string): number[] =>
  [...chart.matchAll(/points="([^"]*)"/g)].flatMap(([, points]) => points.split(' ').map((point) => Number(point.split(',')[1])));

test('a second with too few answers for a p95 is drawn above all latencies', () => {
  const [, latency] = interrupted({ completed: 40, p95Ms: null });
  const limit = Number(/y1="([\d.]+)"[^>]*stroke="#b42318"/.exec(latency)?.[1]);
  expect(heights(latency).filter((y) => y < limit)).toHaveLength(10);
  expect(latency).toContain('too few answers');
  expect(interrupted({})[1]).not.toContain('too few answers');
});

test('seconds without requests have no load, and are not late', () => {
  const [load, latency] = interrupted({ offered: 0, completed: 0, p95Ms: null });
  expect(heights(load)).toHaveLength(30);
  expect(new Set(heights(load)).size).toBe(2);
  expect(new Set(heights(latency)).size).toBe(1);
  expect(latency).not.toContain('too few answers');
});

test('accuracy has a gap where no answers came', () => {
  const [, , accuracy] = interrupted({ completed: 0, p95Ms: null, accuracy: null });
  expect(accuracy.match(/<polyline/g)).toHaveLength(2);
});

test('seconds that are left out because they have no requests have no load', () => {
  const seconds = [0, 1, 8, 9].map((second) => ({ second, offered: 5, completed: 5, p95Ms: 20, accuracy: 0.9, metSlo: true }));
  const [load] = spikeCharts({ spike: [{ strategy: 'ms', seconds }], seconds: 10, sloMs: SLO_MS }, 600);
  const [calm, busy] = [Math.max(...heights(load)), Math.min(...heights(load))];
  expect(heights(load)).toEqual([busy, busy, calm, calm, calm, calm, calm, calm, busy, busy]);
});
