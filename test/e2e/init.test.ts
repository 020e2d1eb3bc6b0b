import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unzipSync, zipSync } from 'fflate';
import { afterAll, expect, test } from 'vitest';
import { createRandom } from '../../engine/random.ts';
import { readPlan } from '../../plans/domain/gear-plan/plan-file.ts';
import { readProfile } from '../../plans/domain/profile/profile-file.ts';
import { writeImageFamily } from '../fixtures/image-family.ts';
import { onnxModel } from '../fixtures/onnx-writer.ts';
import { type Ended, runCascade } from '../support/cascade.ts';

/** From a typical user's folder to a plan, with the commands alone. */

const dir = mkdtempSync(join(tmpdir(), 'cascade-init-'));
afterAll(() => rmSync(dir, { recursive: true }));

async function succeed(...args: readonly string[]): Promise<Ended> {
  const end = await runCascade(args);
  expect(end.code, end.stderr).toBe(0);
  return end;
}

/** The output of `init`, and the model accuracies in the resulting profile. */
async function planned(folder: string) {
  const said = await succeed('init', folder);
  await succeed('profile', folder, '--quick');
  await succeed('plan', folder);
  expect(readPlan(join(folder, 'plan.json')).gears.length).toBeGreaterThan(0);
  const { models } = readProfile(join(folder, 'profile.json'));
  const mean = (quality: Float32Array): number => quality.reduce((sum, value) => sum + value, 0) / quality.length;
  return { said, accuracies: Object.fromEntries(models.map(({ name, quality }) => [name, mean(quality)])) };
}

test('a Triton repository, an archive without labels, separate labels, a training log', async () => {
  const folder = join(dir, 'triton');
  writeImageFamily(folder);
  rmSync(join(folder, 'deployment.yaml'));
  for (const name of ['glance', 'study']) {
    mkdirSync(join(folder, 'models', name, '1'), { recursive: true });
    renameSync(join(folder, `${name}.onnx`), join(folder, 'models', name, '1', 'model.onnx'));
  }
  rmSync(join(folder, 'look.onnx'));
  const { 'pixels.npy': pixels, 'labels.npy': labels } = unzipSync(readFileSync(join(folder, 'data.npz')));
  writeFileSync(join(folder, 'data.npz'), zipSync({ 'x_test.npy': pixels }));
  writeFileSync(join(folder, 'labels.npy'), labels);
  writeFileSync(join(folder, 'train-log.jsonl'), '{"epoch": 1, "loss": 0.3}\n');
  const { said, accuracies } = await planned(folder);
  expect(said.stderr).toContain('train-log.jsonl: not used: has 2 columns of numbers');
  expect(said.stdout).toContain('between 0 and 1, so they are probabilities');
  expect(accuracies.study).toBeGreaterThan(accuracies.glance);
});

test('a table with class names', async () => {
  const folder = join(dir, 'table');
  mkdirSync(folder);
  const random = createRandom(3);
  const rows = Array.from({ length: 200 }, () => {
    const [a, b] = [random.normal(), random.normal()];
    return `${a},${b},${a > b ? 'ahead' : 'behind'}`;
  });
  writeFileSync(join(folder, 'races.csv'), `left,right,kind\n${rows.join('\n')}\n`);
  // The scores are the columns themselves: `ahead` if the first is larger.
  const model = onnxModel({
    inputs: [{ name: 'x', type: 'float32', shape: ['batch', 2] }],
    outputs: [{ name: 'scores', type: 'float32', shape: ['batch', 2] }],
    weights: [],
    nodes: [{ op: 'Identity', inputs: ['x'], outputs: ['scores'] }],
  });
  writeFileSync(join(folder, 'compare.onnx'), model);
  const { said, accuracies } = await planned(folder);
  expect(said.stdout).toContain('column kind of races.csv holds the labels');
  expect(accuracies).toEqual({ compare: 1 });
});
