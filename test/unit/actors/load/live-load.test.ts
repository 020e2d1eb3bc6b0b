import { expect, test } from 'vitest';
import { failureKind } from '../../../../actors/load/live-load.ts';

test('failures that differ in when to ask again, or how often was asked, are of one kind', () => {
  const refused = (ms: number) =>
    failureKind({ code: 'RESOURCE_EXHAUSTED', message: `overloaded: no answer; ask again after ${ms} ms` });
  expect(refused(12)).toBe('RESOURCE_EXHAUSTED: overloaded: no answer');
  expect(refused(980)).toBe(refused(12));
  const silent = (attempts: string) => failureKind({ code: 'DEADLINE_EXCEEDED', message: `no answer (${attempts} in 1000 ms)` });
  expect(silent('3 attempts')).toBe('DEADLINE_EXCEEDED: no answer');
  expect(silent('1 attempt')).toBe(silent('3 attempts'));
});
