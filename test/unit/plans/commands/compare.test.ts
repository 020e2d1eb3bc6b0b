import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ConfigError } from '../../../../engine/errors.ts';
import * as compare from '../../../../plans/commands/compare.ts';
import * as simulate from '../../../../plans/commands/simulate.ts';
import { runInProcess } from '../../../support/run-in-process.ts';
import { writeTiny } from '../../../support/tiny-deployment.ts';

const dir = mkdtempSync(join(tmpdir(), 'cascade-compare-'));
const at = (name: string): string => join(dir, name);

beforeAll(() => {
  writeTiny(dir, { devices: ['cpu0', 'cpu1'], load: '{ qpsMax: 1000, ranges: 4 }' });
  const rates = [100, 150, 800, 800, 150, 100];
  writeFileSync(at('trace.csv'), `second,qps\n${rates.map((qps, second) => `${second},${qps}\n`).join('')}`);
});

afterAll(() => rmSync(dir, { recursive: true }));

/** A small planning problem. */
const SMALL = ['--ranges', '2', '--p95', '100'];
const run = (...args: string[]) => runInProcess([compare, simulate], args);
const comparing = (...args: string[]) => run('compare', dir, '--trace', at('trace.csv'), ...args);

/** Each comparison makes dozens of plans. */
const TIMEOUT_MS = 300_000;

describe('cascade compare', { timeout: TIMEOUT_MS }, () => {
  test('refuses a folder for plans that cannot be made before it reads a profile', async () => {
    await expect(comparing('--profile', at('absent'), '--write-plan', at('trace.csv'))).rejects.toThrow(
      /--write-plan .*trace\.csv: cannot write into this folder: EEXIST/,
    );
  });

  test('all strategies side by side: JSON, page, and plans that can be simulated', async () => {
    const { stdout, stderr } = await comparing(
      '--devices',
      '1..2',
      ...SMALL,
      '--html',
      at('page.html'),
      '--write-plan',
      at('plans'),
      '--json',
      '-',
    );
    const result = JSON.parse(stdout);
    expect(Object.keys(result.strategies)).toEqual(['cascade', 'dynba', 'ms', 'cocktail', 'no-switching', 'no-cascade']);
    for (const report of Object.values<{ offered: number; completed: number; accuracy: number }>(result.strategies)) {
      expect(report.completed).toBe(report.offered);
      expect(report.accuracy).toBeGreaterThan(0.7);
    }
    expect(result).toMatchObject({
      deployment: 'tiny',
      synthetic: true,
      simulated: true,
      seed: 1,
      deviceCounts: [1, 2],
      goal: { p95Ms: 100 },
    });
    expect(result.cells).toHaveLength(result.p95LevelsMs.length * result.accuracyLevels.length);
    const page = readFileSync(at('page.html'), 'utf8');
    for (const shown of ['CascadeServe', 'DynBa', 'MS+', 'Cocktail+', 'Fig. 7', 'Synthetic', 'seed 1'])
      expect(page).toContain(shown);
    expect(page).not.toContain('NaN');
    // 2,100 requests, but only 250 samples: about 4 points in each direction at 90 %.
    const intervals = [...page.matchAll(/ % \((\d+\.\d+) - (\d+\.\d+) %\)/g)];
    expect(intervals).toHaveLength(6);
    for (const [, low, high] of intervals) expect(Number(high) - Number(low)).toBeGreaterThan(6);
    expect(stderr).toContain('cocktail has no gear plan');
    for (const name of ['cascade', 'dynba', 'ms', 'no-switching', 'no-cascade']) {
      const file = at(`plans/${name}.plan.json`);
      const again = await run('simulate', dir, '--plan', file, '--trace', at('trace.csv'), '--json', '-');
      expect(JSON.parse(again.stdout).offered).toBe(result.strategies[name].offered);
    }
  });

  test('the same seed gives the same comparison, except for planning time', async () => {
    const once = async () => {
      const { stdout } = await comparing('--strategies', 'ms,cascade', '--devices', '1', ...SMALL, '--json', '-');
      return { ...JSON.parse(stdout), planning: [] };
    };
    expect(await once()).toEqual(await once());
  });

  test('tables show devices and savings, and say what is synthetic', async () => {
    const { stdout } = await comparing(
      '--strategies',
      'cascade,dynba',
      '--devices',
      '1',
      '--p95',
      '50ms,100',
      '--accuracy',
      '0.8,0.85',
    );
    expect(stdout).toContain('synthetic');
    expect(stdout).toContain('saving');
    expect(stdout).toMatch(/of 4 cells/);
  });

  test('a baseline on its own is not said to reach what ours does not', async () => {
    const { stdout } = await comparing('--strategies', 'dynba', '--devices', '1', ...SMALL, '--html', at('dynba.html'));
    expect(stdout).toContain('DynBa');
    const page = readFileSync(at('dynba.html'), 'utf8');
    expect(page).toContain('DynBa 1<');
    for (const said of [stdout, page]) expect(said).not.toMatch(/baseline only|only a baseline|only ours/);
  });

  test.each([
    ['an unknown strategy', ['--strategies', 'cascade,best'], 'unknown strategy "best"'],
    ['a range of devices that descends', ['--devices', '4..2'], 'a range such as 1..8'],
    ['no devices', ['--devices', '0'], 'use a number above 0'],
    ['an invalid latency', ['--p95', '10ms,fast'], 'use milliseconds'],
    ['missing results', ['--results', 'absent'], 'absent: there is no such folder'],
  ])('refuses %s', async (_, args, says) => {
    await expect(comparing(...args)).rejects.toThrow(says);
  });

  test.each([
    ['a trace of zeros', ['--trace', at('silent.csv')], `--trace ${at('silent.csv')}: has no requests`],
    ['a load so low that no request arrives', ['--qps', '1e-9', '--seconds', '1'], 'the load has no requests'],
  ])('refuses %s', async (_, args, says) => {
    writeFileSync(at('silent.csv'), 'second,qps\n0,0\n1,0\n');
    await expect(run('compare', dir, ...args, '--strategies', 'ms', ...SMALL)).rejects.toThrow(says);
  });

  test('refuses a file that is not a bench result', async () => {
    writeFileSync(at('fidelity.json'), '{ "rows": 1 }');
    await expect(comparing('--results', dir)).rejects.toThrow(ConfigError);
  });
});
