import { expect, test } from 'vitest';
import { parseTimeStamp, wrongUnit } from '../../../../plans/traces/time-stamp.ts';

test.each([
  // The formats of the Azure LLM inference traces of 2023 and 2024.
  ['2023-11-16 18:17:03.9799600', Date.UTC(2023, 10, 16, 18, 17, 3) / 1_000 + 0.97996],
  ['2024-05-10 00:00:00.009930+00:00', Date.UTC(2024, 4, 10) / 1_000 + 0.00993],
  ['2024-05-10T02:00:00+0200', Date.UTC(2024, 4, 10) / 1_000],
  ['2024-05-09T21:30:00-02:30', Date.UTC(2024, 4, 10) / 1_000],
  ['2024-02-29 00:00Z', Date.UTC(2024, 1, 29) / 1_000],
  [' 17.25 ', 17.25],
  ['-3', -3],
])('%s is a time', (text, seconds) => {
  expect(parseTimeStamp(text, 's')).toBeCloseTo(seconds, 6);
});

test('numbers are in the given unit', () => {
  expect(parseTimeStamp('1500', 'ms')).toBe(1.5);
  expect(parseTimeStamp('1500', 'us')).toBeCloseTo(0.0015, 12);
  expect(parseTimeStamp('1500', 'ns')).toBeCloseTo(0.0000015, 15);
});

test.each([
  '',
  '  ',
  'now',
  'NaN',
  'Infinity',
  '2023-02-29 00:00:00',
  '2023-13-01 00:00:00',
  '2023-11-16 24:00:00',
  '2023-11-16 10:60:00',
  '2023-11-16',
  '16.11.2023 18:17:03',
])('%j is not a time', (text) => expect(parseTimeStamp(text, 's')).toBeUndefined());

test.each([
  ['1700158623980', 's', 'it looks like milliseconds: write --unit ms'],
  ['-1700158623980000', 's', 'it looks like microseconds: write --unit us'],
  ['1700158623980000000', 'us', 'in microseconds; it looks like nanoseconds: write --unit ns'],
  ['1e300', 'ns', 'is beyond the year 5138 in every unit'],
] as const)('%s cannot be %s', (text, unit, why) => expect(wrongUnit(text, unit)).toContain(why));

test.each([
  ['1700158623.98', 's'],
  ['1700158623980', 'ms'],
  ['9999-12-31 00:00:00', 's'],
] as const)('%s can be %s', (text, unit) => expect(wrongUnit(text, unit)).toBeUndefined());
