import { expect } from 'vitest';
import type { Report } from '../../plans/report/report.ts';

const FIELDS = [
  'seed',
  'offered',
  'completed',
  'rejected',
  'errors',
  'lost',
  'duplicates',
  'seconds',
  'goodputQps',
  'accuracy',
  'latencyMs',
  'withinSlo',
  'sloAttainment',
  'gearSwitches',
  'deviceUtilisation',
  'generatorLagMs',
  'void',
];

/** The report of load, simulate and demo that other programs rely on: these fields, and beside them the `more` that a command adds. */
export function expectReportFields(report: Report, more: readonly string[] = []): void {
  expect(Object.keys(report).toSorted()).toEqual([...FIELDS, ...more].toSorted());
  expect(Object.keys(report.latencyMs)).toEqual(['p50', 'p95', 'p99', 'max']);
}

/** Every request was answered, once. */
export function expectNothingLost(report: Report): void {
  expectAllAnswered(report);
  expect(report.duplicates).toBe(0);
}

/** Every request was answered, at least once: where processes end, one that hears nothing of another for long has to ask again. */
export function expectAllAnswered(report: Report): void {
  expect(report).toMatchObject({ rejected: 0, errors: 0, lost: 0 });
  expect(report.offered).toBeGreaterThan(0);
  expect(report.completed).toBe(report.offered);
}
