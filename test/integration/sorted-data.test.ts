import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readNpy } from '../../plans/data/npy.ts';
import { loadDeployment } from '../../plans/domain/deployment/read-deployment.ts';
import type { GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import { planGears } from '../../plans/planner/planner.ts';
import { planRequestOf } from '../../plans/planner/request-of-deployment.ts';
import { profileFamily } from '../../plans/profiling/profile-family.ts';
import { npyFile } from '../fixtures/npy-writer.ts';

const dir = mkdtempSync(join(tmpdir(), 'cascade-sorted-'));
afterAll(() => rmSync(dir, { recursive: true }));

const SAMPLES = 2_000;
const fashion = resolve('conf/fashion');

function example(name: string) {
  const array = readNpy(readFileSync(join(fashion, 'data', `${name}.npy`)), name);
  if (array.dtype === 'text') throw new Error(`${name} are texts`);
  return array;
}

/** The first 2,000 images of the example, in a given order. */
function written(name: string, order: readonly number[]): string {
  const images = example('images');
  const pixels = images.data as Uint8Array;
  const labels = example('labels').data as Uint8Array;
  const size = pixels.length / images.shape[0];
  const picked = Uint8Array.from({ length: SAMPLES * size }, (_, i) => pixels[order[Math.floor(i / size)] * size + (i % size)]);
  const classes = Int32Array.from(order, (i) => Number(labels[i]));
  writeFileSync(join(dir, `${name}.npy`), npyFile([SAMPLES, ...images.shape.slice(1)], picked));
  writeFileSync(join(dir, `${name}-labels.npy`), npyFile([SAMPLES], classes));
  const file = join(dir, `${name}.yaml`);
  writeFileSync(
    file,
    `name: sorted
models:
  - { name: linear, file: ${fashion}/models/linear.onnx, maxBatch: 8 }
  - { name: cnn-small, file: ${fashion}/models/cnn-small.onnx, maxBatch: 8 }
data: { inputs: { image: ${name}.npy }, labels: ${name}-labels.npy }
devices: [ { id: d, kind: emulated, like: cpu-1, memory: 1GiB } ]
slo: { p95: 200ms }
load: { qpsMax: 100, ranges: 2 }
`,
  );
  return file;
}

function labelOrder(): number[] {
  const labels = example('labels').data as Uint8Array;
  return Array.from({ length: SAMPLES }, (_, i) => i).sort((a, b) => Number(labels[a]) - Number(labels[b]));
}

async function planned(file: string): Promise<{ plan: GearPlan; classes: ReadonlySet<number> }> {
  const deployment = loadDeployment(file);
  const profile = await profileFamily(deployment, { quick: true });
  const result = await planGears(planRequestOf(deployment, profile, {}));
  if (result.type !== 'plan') throw new Error(result.reason);
  return { plan: result.plan, classes: new Set(profile.labels) };
}

test('data sorted by class give a plan with the same accuracy, within its interval, as the same data in another order', async () => {
  const sorted = await planned(written('sorted', labelOrder()));
  const mixed = await planned(
    written(
      'mixed',
      Array.from({ length: SAMPLES }, (_, i) => i),
    ),
  );
  expect(sorted.classes.size).toBe(10);
  for (const [one, other] of [
    [sorted, mixed],
    [mixed, sorted],
  ]) {
    const [low, high] = one.plan.expected.accuracyInterval;
    expect(other.plan.expected.accuracy).toBeGreaterThanOrEqual(low);
    expect(other.plan.expected.accuracy).toBeLessThanOrEqual(high);
  }
});
