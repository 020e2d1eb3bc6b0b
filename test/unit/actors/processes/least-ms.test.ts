import { expect, test } from 'vitest';
import { leastMsOf } from '../../../../actors/processes/least-ms.ts';

test('follows the order in which serving processes number models, not that of the profile', () => {
  const curve = (ms: number) => ({ batch: [1], ms: [ms] });
  const models = [
    { name: 'small', runtimes: { 'cpu-1': curve(2), gpu: curve(1) } },
    { name: 'large', runtimes: { 'cpu-1': curve(90), gpu: curve(30) } },
  ];
  expect(leastMsOf({ models }, ['large', 'small'])).toEqual([30, 1]);
});
