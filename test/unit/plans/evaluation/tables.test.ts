import { expect, test } from 'vitest';
import type { Cell } from '../../../../plans/evaluation/cells.ts';
import { savingsSentence } from '../../../../plans/evaluation/page/tables.ts';

const cell = (cascade: number | null, ms: number | null): Cell => ({
  p95Ms: 100,
  accuracy: 0.9,
  devices: { cascade, ms },
  cheapestBaseline: ms === null ? null : 'ms',
  saving: cascade === null || ms === null ? null : ms / cascade,
});

test.each([
  [[1, 1, 4, 4], '2.5x'],
  [[0.5, 2], '1.3x'],
  [[3, 1, 1], '1.0x'],
])('the median of the savings %j is %s', (savings, median) => {
  expect(savingsSentence(savings.map((saving) => cell(1, saving)))).toContain(`median saving ${median}`);
});

test('cells that only one side reaches have no saving', () => {
  const says = savingsSentence([cell(1, null), cell(null, 1), cell(null, 2), cell(null, null)]);
  expect(says).toContain('1 that only CascadeServe reaches; 2 that only a baseline reaches; 1 that no strategy reaches');
  expect(says).not.toContain('median');
});

test('nothing is said about savings unless both sides were run', () => {
  expect(savingsSentence([{ ...cell(null, 2), devices: { ms: 2 } }])).toBeNull();
  expect(savingsSentence([{ ...cell(1, null), devices: { cascade: 1 } }])).toBeNull();
});
