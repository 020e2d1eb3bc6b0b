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

/** Expects the fields of the reports of load, simulate and demo that other programs rely on, plus `more` that a command adds. */
export function expectReportFields(report: Report, more: readonly string[] = []): void {
  expect(Object.keys(report).toSorted()).toEqual([...FIELDS, ...more].toSorted());
  expect(Object.keys(report.latencyMs)).toEqual(['p50', 'p95', 'p99', 'max']);
}

/** Every request was answered exactly once. */
export function expectNothingLost(report: Report): void {
  expectAllAnswered(report);
  expect(report.duplicates).toBe(0);
}

/** Every request was answered at least once: if processes end, those that wait for them must send requests again. */
export function expectAllAnswered(report: Report): void {
  expect(report).toMatchObject({ rejected: 0, errors: 0, lost: 0 });
  expect(report.offered).toBeGreaterThan(0);
  expect(report.completed).toBe(report.offered);
}
