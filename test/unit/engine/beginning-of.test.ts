import { expect, test } from 'vitest';
import { beginningOf } from '../../../engine/beginning-of.ts';

test('a beginning can always be written as UTF-8', () => {
  expect(beginningOf('model', 3)).toBe('mod');
  expect(beginningOf('ab😀', 4)).toBe('ab😀');
  expect(beginningOf('ab😀', 3)).toBe('ab\uFFFD');
  expect(beginningOf('\ude00a', 9)).toBe('\uFFFDa');
});
