import { expect, test } from 'vitest';
import { describeSpeed } from '../../../../actors/device/describe-speed.ts';

const since = Date.UTC(2026, 10, 26, 12, 3, 7);

test.each([
  [{ state: 'as-profiled', slowdown: 1, since: null, starvedShare: null }, 'cpu1 runs as profiled'],
  [{ state: 'as-profiled', slowdown: 1.01, since, starvedShare: 0 }, 'cpu1 runs as profiled again since 12:03:07 UTC'],
  [{ state: 'slow', slowdown: 1.94, since, starvedShare: null }, 'cpu1 runs 1.9x slower than profiled since 12:03:07 UTC'],
  [{ state: 'slow', slowdown: 1.94, since, starvedShare: 0.02 }, 'cpu1 runs 1.9x slower than profiled since 12:03:07 UTC'],
  [
    { state: 'slow', slowdown: 1.94, since, starvedShare: 0.48 },
    'cpu1 runs 1.9x slower than profiled since 12:03:07 UTC: others use its cores, its inference thread waited for a processor 48 % of the time',
  ],
] as const)('%j', (report, expected) => {
  expect(describeSpeed('cpu1', report)).toBe(expected);
});
