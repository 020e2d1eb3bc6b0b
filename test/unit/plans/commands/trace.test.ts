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

describe('a trace without requests is not written', () => {
  test.each([
    [['scale', at('silent.csv'), '--seconds', '10'], 'silent.csv: has no requests: nothing to scale'],
    [['cut', at('spike.csv'), '--seconds', '9'], 'the trace would have no requests'],
  ])('by %j', async (args, why) => {
    await expect(run(...args, '--out', at('none.csv'))).rejects.toThrow(why);
    expect(existsSync(at('none.csv'))).toBe(false);
  });
});
