import { describe, expect, test } from 'vitest';
import { percentile } from '../../../../plans/report/percentile.ts';
import { ReportBuilder } from '../../../../plans/report/report-builder.ts';

const latency = { type: 'latency', p95Ms: 100 } as const;
const accuracy = { type: 'accuracy', accuracy: 0.8 } as const;

describe('ReportBuilder', () => {
  test('counts every outcome; requests without a result count as later than all that have one', () => {
    const builder = new ReportBuilder({ type: 'latency', p95Ms: 51.5 }, 0);
    for (let i = 1; i <= 100; i++) builder.add(i, i, i <= 90 ? 1 : 0, 'completed');
    builder.add(101, 0, null, 'rejected');
    builder.add(102, 0, null, 'error');
    builder.add(103, 0, null, 'lost');
    builder.addDuplicate();
    const report = builder.build({ seconds: 10 });
    expect(report).toMatchObject({
      offered: 103,
      completed: 100,
      rejected: 1,
      errors: 1,
      lost: 1,
      duplicates: 1,
      goodputQps: 10,
    });
    // The 52nd and 98th of 103, and two requests without a result.
    expect(report.latencyMs).toEqual({ p50: 52, p95: 98, p99: null, max: null });
    expect(report.withinSlo).toBe(51 / 103);
    expect(builder.shareWithin(100)).toBe(100 / 103);
    expect(report.accuracy).toBeCloseTo(0.9);
  });

  test('windows go by the second of intended sending; seconds without requests do not count', () => {
    const builder = new ReportBuilder(latency, 5000);
    builder.add(5100, 50, null, 'completed');
    builder.add(5999, 4000, null, 'completed');
    builder.add(8000, 99, null, 'completed');
    expect(builder.windows().map((w) => [w.second, w.offered, w.metSlo])).toEqual([
      [0, 2, false],
      [3, 1, true],
    ]);
    expect(builder.build().sloAttainment).toBe(0.5);
  });

  test('a request without a result is infinitely late in its window', () => {
    const builder = new ReportBuilder(latency, 0);
    for (let i = 0; i < 18; i++) builder.add(i, 1, null, 'completed');
    builder.add(18, 1, null, 'lost');
    expect(builder.windows()[0].metSlo).toBe(false);
    builder.add(19, 1, null, 'completed');
    expect(builder.windows()[0].metSlo).toBe(true);
  });

  test('under an accuracy SLO a request without a result is wrong', () => {
    const builder = new ReportBuilder(accuracy, 0);
    for (let i = 0; i < 4; i++) builder.add(i, 1, 1, 'completed');
    builder.add(4, 1, 0, 'rejected');
    expect(builder.windows()[0]).toMatchObject({ metSlo: true, accuracy: 1 });
    builder.add(5, 1, 0, 'rejected');
    expect(builder.windows()[0].metSlo).toBe(false);
    expect(builder.qualityOfOffered()).toBe(4 / 6);
    expect(builder.build()).toMatchObject({ accuracy: 1, withinSlo: null });
  });

  test('unknown figures are null', () => {
    const builder = new ReportBuilder(accuracy, 0);
    builder.add(0, 1, null, 'completed');
    const report = builder.build();
    expect(report).toMatchObject({ accuracy: null, sloAttainment: null, gearSwitches: null, deviceUtilisation: null });
    expect(builder.qualityOfOffered()).toBeNull();
    expect(new ReportBuilder(latency, 0).build().withinSlo).toBeNull();
    expect(new ReportBuilder(undefined, 0).build().latencyMs).toEqual({ p50: null, p95: null, p99: null, max: null });
  });

  test('keeps every request beyond its first buffers', () => {
    const builder = new ReportBuilder(latency, 0);
    for (let i = 0; i < 5000; i++) builder.add(i, i, 1, 'completed');
    expect(builder.build()).toMatchObject({ offered: 5000, completed: 5000, latencyMs: { p50: 2499, max: 4999 } });
  });
});

test('percentiles are nearest rank', () => {
  expect(percentile(Float64Array.of(1, 2, 3, 4), 0.5)).toBe(2);
  expect(percentile(Float64Array.of(1, 2, 3, 4), 0.51)).toBe(3);
  expect(percentile(Float64Array.of(7), 0.95)).toBe(7);
  expect(percentile(new Float64Array(0), 0.95)).toBeNull();
});
