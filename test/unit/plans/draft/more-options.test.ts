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
  const [heading, ...lines] = moreOptions(new Set(['certainty']), 100)
    .trimEnd()
    .split('\n');
  expect(heading).toMatch(/^# More options/);
  expect(lines.length).toBeGreaterThan(8);
  expect(lines.some((line) => line.startsWith('# certainty'))).toBe(false);
  const plain = loaded(SMALLEST);
  const off = lines.indexOf('# Off by default:');
  for (const [i, line] of lines.entries()) {
    if (i === off) continue;
    expect(line).toMatch(/^# \w+: .+ # [A-Z][^#]{10,}$/);
    const uncommented = loaded(`${SMALLEST}${line.slice(2)}\n`);
    if (i < off) expect(uncommented).toEqual(plain);
    else expect(uncommented).not.toEqual(plain);
  }
  const options = lines.filter((_, i) => i !== off);
  loaded(`${SMALLEST}${options.map((line) => line.slice(2)).join('\n')}\n`);
  rmSync(dir, { recursive: true });
});
