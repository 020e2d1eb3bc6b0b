import { expect, test } from 'vitest';
import { printable, printableLines } from '../../../engine/printable.ts';

test('control characters become spaces, in both encodings of terminals; other characters stay', () => {
  const text = 'a\x1b[2Jb\x9b2Jc\x7f\r\n\td \u{1f600} é';
  expect(printable(text)).toBe('a [2Jb 2Jc    d \u{1f600} é');
  expect(printableLines(text)).toBe('a [2Jb 2Jc  \n d \u{1f600} é');
});
