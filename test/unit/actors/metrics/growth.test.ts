import { expect, test } from 'vitest';
import { Growth } from '../../../../actors/metrics/growth.ts';

test('what a role counted before we were listening is not in the total', () => {
  const growth = new Growth();
  growth.observe('a', { x: 5 }, true);
  expect(Object.fromEntries(growth.totals)).toEqual({ x: 0 });
  growth.observe('a', { x: 6, y: 1 }, true);
  expect(Object.fromEntries(growth.totals)).toEqual({ x: 1, y: 1 });
  growth.observe('a', { x: 2 }, true);
  expect(Object.fromEntries(growth.totals)).toEqual({ x: 3, y: 1 });
});

test('totals never fall, even when a role restarts or is forgotten', () => {
  const growth = new Growth();
  growth.observe('a', { x: 5 }, false);
  growth.observe('b', { x: 1, y: 1 }, false);
  growth.observe('a', { x: 7 }, false);
  expect(Object.fromEntries(growth.totals)).toEqual({ x: 8, y: 1 });
  growth.observe('a', { x: 2 }, false);
  expect(growth.totals.get('x')).toBe(10);
  growth.forget('a');
  expect(growth.totals.get('x')).toBe(10);
});
