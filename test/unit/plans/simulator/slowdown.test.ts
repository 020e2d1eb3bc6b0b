import { describe, expect, test } from 'vitest';
import { ConfigError } from '../../../../engine/errors.ts';
import { parseSlowdown } from '../../../../plans/simulator/parse-slowdown.ts';
import { describeSlowdown, slowdownAt } from '../../../../plans/simulator/slowdown.ts';

const scope = { devices: ['cpu0', 'gpu-1'], seconds: 60 };
const parse = (text: string) => parseSlowdown(text, scope);
const toTheEnd = Number.POSITIVE_INFINITY;

describe('the value of --slowdown', () => {
  test.each([
    ['2', { device: undefined, factor: 2, fromMs: 0, toMs: toTheEnd }],
    ['gpu-1=1.5', { device: 'gpu-1', factor: 1.5, fromMs: 0, toMs: toTheEnd }],
    ['cpu0=.5@10-20.5', { device: 'cpu0', factor: 0.5, fromMs: 10_000, toMs: 20_500 }],
    ['3@-20', { device: undefined, factor: 3, fromMs: 0, toMs: 20_000 }],
    ['3@10-', { device: undefined, factor: 3, fromMs: 10_000, toMs: toTheEnd }],
    ['3@-', { device: undefined, factor: 3, fromMs: 0, toMs: toTheEnd }],
    ['3@10-900', { device: undefined, factor: 3, fromMs: 10_000, toMs: 900_000 }],
  ])('%s', (text, expected) => {
    expect(parse(text)).toEqual(expected);
  });

  test.each([
    ['', 'write [DEVICE=]FACTOR[@FROM-TO]'],
    ['cpu0=', 'write [DEVICE=]FACTOR[@FROM-TO]'],
    ['2@10', 'write [DEVICE=]FACTOR[@FROM-TO]'],
    ['2@1-2-3', 'write [DEVICE=]FACTOR[@FROM-TO]'],
    ['a=b=2', 'write [DEVICE=]FACTOR[@FROM-TO]'],
    ['cpu7=2', 'the plan has no device cpu7; its devices are cpu0, gpu-1'],
    ['cpu0', 'the factor cpu0 is not a number from 0.001 to 1000'],
    ['0', 'the factor 0 is not'],
    ['-2', 'the factor -2 is not'],
    ['Infinity', 'the factor Infinity is not'],
    ['1001', 'the factor 1001 is not'],
    ['2@soon-', 'FROM soon is not a time in seconds'],
    ['2@1-late', 'TO late is not a time in seconds'],
    ['2@20-10', 'it ends at 10 s but starts at 20 s; TO must be after FROM'],
    ['2@10-10', 'TO must be after FROM'],
    ['2@60-', 'it starts at 60 s, but the run is 60 s long'],
  ])('refuses %j: %s', (text, message) => {
    expect(() => parse(text)).toThrow(ConfigError);
    expect(() => parse(text)).toThrow(`--slowdown ${text}: `);
    expect(() => parse(text)).toThrow(message);
  });
});

test('overlapping slowdowns multiply', () => {
  const slowdowns = ['2@10-20', 'cpu0=3@15-', 'gpu-1=7'].map(parse);
  const cpu0 = [0, 10_000, 15_000, 19_999, 20_000].map((nowMs) => slowdownAt(slowdowns, 'cpu0', nowMs));
  expect(cpu0).toEqual([1, 2, 6, 6, 3]);
});

test.each([
  ['2', 'every device takes 2 times as long as profiled'],
  ['cpu0=2@10-', 'cpu0 takes 2 times as long as profiled, from 10 s'],
  ['cpu0=2@-20', 'cpu0 takes 2 times as long as profiled, to 20 s'],
  ['cpu0=2@10-20', 'cpu0 takes 2 times as long as profiled, from 10 s to 20 s'],
])('%s, for people', (text, expected) => {
  expect(describeSlowdown(parse(text))).toBe(expected);
});
