import { expect, test } from 'vitest';
import { describeAudit } from '../../../../actors/controller/describe-audit.ts';

const measure = {
  reference: 'resnet',
  sinceMs: 50_400,
  answered: 25_000,
  drawn: 2_500,
  compared: 2_400,
  disagreement: { estimate: 0.123, low: 0.11, high: 0.137 },
  expected: 0.011,
  accuracy: { estimate: 0.94, low: 0.93, high: 0.95 },
  expectedAccuracy: { estimate: 0.945, low: 0.94, high: 0.95 },
  lost: false,
};

test('an audit is described with its interval, the expected value, and the number of answers behind it', () => {
  expect(describeAudit(measure)).toBe(
    'resnet would answer 12.3 % (11.0 to 13.7 %) of the requests differently, 1.1 % expected; accuracy about 94.0 % (93.0 to 95.0 %), ' +
      '94.5 % expected, if the inputs are like the validation samples; 2400 of 2500 drawn answers compared in the last 50 s',
  );
});

test('a loss is described with what to do, and what cannot be known', () => {
  const text = describeAudit({ ...measure, lost: true });
  expect(text).toContain('accuracy is being lost: resnet would answer 12.3 %');
  expect(text).toContain('label newer samples, then run `cascade profile` and `cascade plan`');
  expect(text).toContain('accuracy about 94.0 %');
  expect(text).toContain('the models may be wrong together, and only labels can show');
});

test('too few audits are described as too few', () => {
  expect(describeAudit({ ...measure, disagreement: null, accuracy: null })).toContain('too few to tell');
});
