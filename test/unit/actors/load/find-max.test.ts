import { expect, test } from 'vitest';
import { describeFound, describeStep, type FoundMax, goalOf } from '../../../../actors/load/find-max.ts';
import { ReportBuilder } from '../../../../plans/report/report-builder.ts';

const found: FoundMax = {
  maxQps: 4_000,
  tooHighQps: 4_200,
  limitedBy: 'slo',
  goal: { type: 'latency', withinMs: 100, share: 0.99 },
  confirmations: 3,
  precision: 0.05,
  secondsPerRun: 10,
  warmUpSeconds: 2,
  seed: 1,
  steps: [],
};

test('the goal is the SLO of the deployment: its p95 or its accuracy', () => {
  expect(goalOf({ type: 'latency', p95Ms: 80 })).toEqual({ type: 'latency', withinMs: 80, share: 0.95 });
  expect(goalOf({ type: 'accuracy', accuracy: 0.9 })).toEqual({ type: 'accuracy', accuracy: 0.9 });
});

test('the report says what was found and what limits it', () => {
  expect(describeFound(found)).toBe(
    'highest load with 99 % of the requests within 100 ms: 4000 requests/s (met in 3 runs of 3; 4200/s missed it)',
  );
  expect(describeFound({ ...found, limitedBy: 'generator' })).toContain(
    'at 4200/s the load generator could not keep its schedule: run it where it has a free core',
  );
  expect(describeFound({ ...found, limitedBy: 'most', tooHighQps: null })).toContain('no higher load fits into one run');
  const none = { ...found, maxQps: null, tooHighQps: 1, goal: { type: 'accuracy', accuracy: 0.9 } } as const;
  expect(describeFound(none)).toBe('no load met accuracy >= 90.00 %: 1/s missed it');
});

test('a run is reported in a line', () => {
  const builder = new ReportBuilder({ type: 'latency', p95Ms: 100 }, 0);
  for (let i = 0; i < 3; i++) builder.add(i, 20, null, 'completed');
  builder.add(3, 0, null, 'rejected');
  const report = builder.build({ generatorLagMs: { p50: 0.1, p99: 0.25, max: 1 } });
  const step = { qps: 500, phase: 'bisect', verdict: 'missed', reached: 0.75, seed: 4, report } as const;
  expect(describeStep(step, found.goal)).toBe(
    '500/s bisect: missed, 75.00 % within 100 ms, p99 none, 1 of 4 without a result, generator lag p99 0.25 ms',
  );
});
