import { expect, test } from 'vitest';
import { Growth } from '../../../../actors/metrics/growth.ts';

test('totals never fall, even when a role restarts or is forgotten', () => {
  const growth = new Growth();
  growth.observe('a', { x: 5 });
  growth.observe('b', { x: 1, y: 1 });
  growth.observe('a', { x: 7 });
  expect(Object.fromEntries(growth.totals)).toEqual({ x: 8, y: 1 });
  growth.observe('a', { x: 2 });
  expect(growth.totals.get('x')).toBe(10);
  growth.forget('a');
  expect(growth.totals.get('x')).toBe(10);
});
