import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadDeployment } from '../../../../plans/domain/deployment/read-deployment.ts';
import { moreOptions } from '../../../../plans/draft/more-options.ts';

const SMALLEST = `name: small
synthetic: { models: [ { name: a, accuracy: 0.8, fixed: 1ms, perSample: 1ms, memory: 1MiB } ] }
devices: [ { id: d0, kind: emulated, like: cpu-1, memory: 1GiB } ]
slo: { p95: 100ms }
load: { qpsMax: 100 }
`;

test('every line is an option that can be uncommented, with its default value', () => {
  const dir = mkdtempSync(join(tmpdir(), 'cascade-more-'));
  const loaded = (yaml: string) => {
    writeFileSync(join(dir, 'deployment.yaml'), yaml);
    return loadDeployment(dir);
  };
  const [heading, ...lines] = moreOptions(new Set(['certainty']))
    .trimEnd()
    .split('\n');
  expect(heading).toMatch(/^# More options/);
  expect(lines.length).toBeGreaterThan(8);
  expect(lines.some((line) => line.startsWith('# certainty'))).toBe(false);
  const plain = loaded(SMALLEST);
  // These three are off, or follow from the SLO, unless they are given.
  const off = { durable: undefined, audit: undefined, deadlineMs: 0, maxDeadlineMs: 0 };
  for (const line of lines) {
    expect(line).toMatch(/^# \w+: .+ # [A-Z][^#]{10,}$/);
    expect({ ...loaded(`${SMALLEST}${line.slice(2)}\n`), ...off }).toEqual({ ...plain, ...off });
  }
  loaded(`${SMALLEST}${lines.map((line) => line.slice(2)).join('\n')}\n`);
  rmSync(dir, { recursive: true });
});
