import { expect, test } from 'vitest';
import { describeCheck } from '../../../../actors/check/describe-check.ts';

test('what servers said is shown without control characters, and its lines are indented', () => {
  const finding = { level: 'problem', area: 'models', message: 'HTTP 500: a\x1b]0;title\x07\nb' } as const;
  const [first, second] = describeCheck({ deployment: 'd', findings: [finding], verdict: 'problem' }, 'dir').split('\n');
  expect(first).toMatch(/HTTP 500: a \]0;title $/);
  expect(second).toMatch(/^ +b$/);
});
