import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readBenchResults } from '../../../../plans/evaluation/bench-results.ts';
import { benchPart } from '../../../../plans/evaluation/page/bench-part.ts';

const machine = { date: '2026-11-26', cpu: 'a processor' };
const live = (strategy: string, accuracy: number, p95Ms: number | null) => ({
  strategy,
  settings: { model: 'cnn' },
  attainment: 0.97,
  p95Ms,
  accuracy,
  accuracyOutside: accuracy,
  accuracyInCrowd: accuracy - 0.01,
  refusedShare: 0,
  voidRuns: 1,
  runs: 2,
  simulated: { attainment: 1, p95Ms: 12, accuracy },
  seconds: [0, 1, 2].map((second) => ({ second, offered: 100, completed: 90, p95Ms: 20 + second, accuracy, metSlo: true })),
});
const strategies = {
  ...machine,
  sloMs: 100,
  calmQps: 1000,
  crowdQps: 4000,
  searchedAt: { timesTheLoad: 1.25, shareOfSlo: 0.5 },
  rounds: 2,
  besideOtherWork: true,
  strategies: [live('cascade', 0.944, 21), live('ms', 0.931, null)],
};
const scaling = {
  ...machine,
  besideOtherWork: false,
  planningCase: 'some case',
  servingCase: 'another case',
  planning: [1, 64].map((value) => ({ vary: 'devices', value, seconds: value, processorSeconds: 2 * value })),
  serving: [1, 4].map((value) => ({ vary: 'frontends', value, frontendsUs: 100, controllerUs: 0, devicesUs: 200 })),
};

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cascade-results-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function pageOf(files: Readonly<Record<string, object>>): string {
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, `${name}.json`), JSON.stringify(content));
  return benchPart(readBenchResults(folder), 1_000).join('');
}

describe('figures of benches on the page', () => {
  test('benches that were not run are left out', () => {
    expect(pageOf({})).toBe('');
  });

  test('live strategies: each with its figures, and a note that the machine was busy', () => {
    const page = pageOf({ strategies });
    for (const part of [
      'CascadeServe',
      '94.40',
      'MS+',
      'no answer',
      'with other work',
      '4000 in the crowd',
      '1 with a late generator',
    ])
      expect(page).toContain(part);
    expect(page.match(/<svg/g)).toHaveLength(3);
  });

  test('costs: a plot for each quantity that grew, even if a cost was too small to measure', () => {
    const page = pageOf({ scaling });
    expect(page.match(/<svg/g)).toHaveLength(2);
    for (const part of ['Time to plan by number of devices', 'by number of frontends', 'some case', 'another case'])
      expect(page).toContain(part);
    expect(page).not.toContain('with other work');
    expect(page).not.toMatch(/NaN|Infinity/);
  });

  test('names a file that is not a bench result', () => {
    expect(() => pageOf({ scaling: { ...scaling, planning: 'none' } })).toThrow(/scaling\.json is not a result of that bench/);
  });
});
