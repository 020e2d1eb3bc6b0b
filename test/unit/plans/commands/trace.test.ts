import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import * as trace from '../../../../plans/commands/trace.ts';
import { parseTrace, peakQps } from '../../../../plans/traces/trace.ts';
import { runInProcess } from '../../../support/run-in-process.ts';

const dir = mkdtempSync(join(tmpdir(), 'cascade-trace-'));
const at = (name: string): string => join(dir, name);
writeFileSync(at('spike.csv'), 'second,qps\n42,50\n99,0\n');
writeFileSync(at('silent.csv'), 'second,qps\n99,0\n');

afterAll(() => rmSync(dir, { recursive: true }));

const run = (...args: string[]) => runInProcess([trace], ['trace', ...args]);

test('scale --seconds --peak of a trace with one busy second has that peak', async () => {
  await run('scale', at('spike.csv'), '--seconds', '10', '--peak', '100', '--out', at('short.csv'));
  const short = parseTrace(readFileSync(at('short.csv'), 'utf8'), 'short.csv');
  expect(short.qps).toHaveLength(10);
  expect(peakQps(short)).toBe(100);
});

test('import: without --unit, nothing is said about the unit of a file without time stamps', async () => {
  writeFileSync(at('day.csv'), 'HashOwner,HashApp,HashFunction,Trigger,1\no,a,f,http,60\n');
  const { stdout } = await run('import', at('day.csv'));
  expect(parseTrace(stdout, 'day.csv').qps).toHaveLength(60);
  await expect(run('import', at('day.csv'), '--unit', 's')).rejects.toThrow('--unit s:');
});

describe('a trace without requests is not written', () => {
  test.each([
    [['scale', at('silent.csv'), '--seconds', '10'], 'silent.csv: has no requests: nothing to scale'],
    [['cut', at('spike.csv'), '--seconds', '9'], 'the trace would have no requests'],
  ])('by %j', async (args, why) => {
    await expect(run(...args, '--out', at('none.csv'))).rejects.toThrow(why);
    expect(existsSync(at('none.csv'))).toBe(false);
  });
});

test.each([
  [['mmpp', '--rates', '1,2', '--stay', '1e-12'], 'use seconds of 0.01 or more'],
  [['flash-crowd', '--base', '10', '--peak', '5'], '--base 10 is above --peak 5: crowds would lower the load'],
  [['flash-crowd', '--base', '1', '--peak', '5', '--crowds', '61'], '--crowds 61: the trace has 60 seconds'],
  [['flash-crowd', '--base', '1', '--peak', '5', '--hold', '0'], '--hold 0: a crowd would bring no requests'],
  [['diurnal', '--low', '1', '--peak', '5', '--noise', '1e200'], 'a peak of NaN requests/s'],
])('make refuses %j', async (args, why) => {
  await expect(run('make', ...args, '--seconds', '60')).rejects.toThrow(why);
});

test('--out - is not a file', async () => {
  await expect(run('scale', at('spike.csv'), '--factor', '2', '--out', '-')).rejects.toThrow(
    'leave it out to write to standard output',
  );
});
