import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { METRICS } from '../../../../actors/metrics/declarations.ts';
import { metricsPage } from '../../../../actors/metrics/reference.ts';
import { findProgram } from '../../../support/programs.ts';

const declared: readonly { readonly name: string; readonly type: string; readonly unit: string }[] = Object.values(METRICS);

test('docs/metrics.md is what the declarations say', async () => {
  await expect(metricsPage()).toMatchFileSnapshot('../../../../docs/metrics.md');
});

test('names follow the Prometheus conventions: one prefix, base units, _total for counters', () => {
  expect(new Set(declared.map(({ name }) => name)).size).toBe(declared.length);
  for (const { name, type, unit } of declared) {
    expect(name).toMatch(/^cascade_[a-z]+(_[a-z]+)*$/);
    expect(name.endsWith('_total'), name).toBe(type === 'counter');
    if (unit === 'seconds') expect(name).toMatch(/_seconds(_total)?$/);
    expect(name).not.toMatch(/_(ms|millis|percent)/);
  }
});

/** Names of the metrics that a text uses, without the suffixes of a histogram's series. */
function namesIn(text: string): string[] {
  const histograms = new Set(declared.filter(({ type }) => type === 'histogram').map(({ name }) => name));
  return [...new Set(text.match(/\bcascade_[a-z_]+/g))].map((used) => {
    const base = used.replace(/_(bucket|sum|count)$/, '');
    return histograms.has(base) && base !== used ? base : used;
  });
}

test.each(['docker/grafana/cascade.json', 'docker/prometheus/alerts.yml', 'docker/prometheus/alerts.test.yml'])(
  '%s uses only metrics that exist',
  (file) => {
    const used = namesIn(readFileSync(file, 'utf8'));
    expect(used.length).toBeGreaterThan(3);
    expect(used.filter((name) => !declared.some((each) => each.name === name))).toEqual([]);
  },
);

test('the Grafana dashboard shows each panel once, inside the grid', () => {
  const { panels } = JSON.parse(readFileSync('docker/grafana/cascade.json', 'utf8')) as {
    panels: { id: number; title: string; gridPos: { x: number; y: number; w: number; h: number } }[];
  };
  expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length);
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`),
  );
  expect(new Set(cells).size).toBe(cells.length);
  for (const { gridPos } of panels) expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
});

test.skipIf(!findProgram('promtool'))('promtool accepts the configuration, and the alerts fire when they should', () => {
  const run = (...args: string[]): string => execFileSync('promtool', args, { encoding: 'utf8', stdio: 'pipe' });
  expect(run('check', 'config', 'docker/prometheus/prometheus.yml')).toContain('is valid');
  expect(run('test', 'rules', 'docker/prometheus/alerts.test.yml')).toContain('SUCCESS');
});
