import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InvalidArgumentError } from 'commander';
import { afterAll, describe, expect, test } from 'vitest';
import { ConfigError } from '../../../../engine/errors.ts';
import { deviceCount, jsonFile, outputFile, rangeCount, traceOf, traceSeconds } from '../../../../plans/commands/options.ts';
import { MAX_REQUESTS } from '../../../../plans/traces/trace.ts';

const dir = mkdtempSync(join(tmpdir(), 'cascade-options-'));
const file = join(dir, 'there.json');
writeFileSync(file, '{}');

afterAll(() => rmSync(dir, { recursive: true }));

describe('a file to write', () => {
  test.each([file, join(dir, 'new.json')])('may be %s', (name) => expect(outputFile(name)).toBe(name));

  test('of --json is named, too', () => expect(() => jsonFile('')).toThrow('name a file'));

  test('of --json may be standard output', () => expect(jsonFile('-')).toBe('-'));

  test.each([
    ['-', 'name a file; for standard output, use --json -'],
    ['', 'name a file'],
    [' ', 'name a file'],
    [dir, 'it is a folder; name a file'],
    [join(dir, 'absent', 'new.json'), 'it cannot be written: ENOENT'],
    [join(file, 'new.json'), 'it cannot be written: ENOTDIR'],
  ])('is not %s', (name, why) => {
    expect(() => outputFile(name)).toThrow(InvalidArgumentError);
    expect(() => outputFile(name)).toThrow(why);
  });
});

test.each([
  [traceSeconds, '1e9', 'from 1 to 2678400'],
  [traceSeconds, '0', 'above 0'],
  [traceSeconds, 'NaN', 'above 0'],
  [rangeCount, '1025', 'from 1 to 1024'],
  [rangeCount, '2.5', 'whole number'],
  [deviceCount, '1e6', 'from 1 to 1024'],
])('%o refuses %s', (parse, text, why) => expect(() => parse(text)).toThrow(why));

describe('a load', () => {
  test('may be as large as memory holds', () =>
    expect(traceOf({ qps: MAX_REQUESTS / 2, seconds: 2 }).qps).toEqual(Float64Array.of(1e8, 1e8)));

  test('is refused beyond that, whether given as a rate or a trace', () => {
    const trace = join(dir, 'trace.csv');
    writeFileSync(trace, 'second,qps\n0,5\n1,1e300\n');
    for (const options of [{ qps: 1e12, seconds: 1 }, { trace }]) {
      expect(() => traceOf(options)).toThrow(ConfigError);
      expect(() => traceOf(options)).toThrow(/requests; at most 200000000 fit into one run/);
    }
  });
});
