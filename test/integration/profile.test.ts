import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { profileDeployment, register } from '../../plans/commands/profile.ts';
import type { Deployment } from '../../plans/domain/deployment/deployment.ts';
import { loadDeployment } from '../../plans/domain/deployment/read-deployment.ts';
import { accuracyOf, type Profile } from '../../plans/domain/profile/profile.ts';
import { profileIsCurrent, readProfile } from '../../plans/domain/profile/profile-file.ts';
import { writeImageFamily } from '../fixtures/image-family.ts';
import { writeTextFamily } from '../fixtures/text-family.ts';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'cascade-profile-'));
});
afterAll(() => rmSync(dir, { recursive: true }));

/** A deployment with edited text. */
function changed(file: string, change: (yaml: string) => string): string {
  writeFileSync(file, change(readFileSync(file, 'utf8')));
  return file;
}

function expectSound({ models }: Deployment, profile: Profile): void {
  expect(profile.labels).toHaveLength(200);
  for (const { runtimes, predictions, certainties, memoryBytes } of profile.models) {
    for (const { batch, ms } of Object.values(runtimes)) {
      expect(batch[0]).toBe(1);
      expect(ms).toEqual(ms.toSorted((a, b) => a - b));
      expect(ms[0]).toBeGreaterThan(0);
    }
    expect(memoryBytes).toBeGreaterThan(0);
    expect(predictions).toHaveLength(200);
    expect(certainties.every((certainty) => certainty >= 0 && certainty <= 1)).toBe(true);
  }
  expect(profile.overhead.perRequestMs).toBeGreaterThan(0);
  // Larger models are more accurate. The fixtures list them by size; the profile orders them by measured time, which is noisy.
  const accuracies = models.map(({ name }) => accuracyOf(profile.models.find((model) => model.name === name)!));
  expect(accuracies).toEqual(accuracies.toSorted((a, b) => a - b));
  expect(accuracies[2] - accuracies[0]).toBeGreaterThan(0.15);
}

describe('profileDeployment', () => {
  it('profiles a text family with two ragged inputs', async () => {
    const deployment = loadDeployment(writeTextFamily(join(dir, 'text')));
    const steps: string[] = [];
    const profile = await profileDeployment(deployment, { quick: true, onProgress: (step) => steps.push(step) });
    expectSound(deployment, profile);
    expect(profile).toMatchObject({ deployment: 'text', classes: 4, synthetic: false });
    expect(profile.inputs.map((input) => input.name)).toEqual(['input_ids', 'attention_mask']);
    expect(profileIsCurrent(deployment, profile)).toBe(true);
    expect(steps).toContain('profiling cpu-1: loading tiny');
  });

  it('records the same answers again, however noisy the times', async () => {
    const deployment = loadDeployment(writeTextFamily(join(dir, 'again')));
    const [one, two] = [
      await profileDeployment(deployment, { quick: true }),
      await profileDeployment(deployment, { quick: true }),
    ];
    // They are ordered by time.
    const answers = ({ models }: Profile) => Object.fromEntries(models.map(({ name, predictions }) => [name, predictions]));
    expect(answers(one)).toEqual(answers(two));
  });

  it('gives emulated devices the runtimes of the device kind they imitate, and says so', async () => {
    const file = changed(writeImageFamily(join(dir, 'emulated')), (yaml) =>
      yaml.replace('kind: cpu, cores: [0]', 'kind: emulated, like: cpu-1'),
    );
    const profile = await profileDeployment(loadDeployment(file), { quick: true });
    expect(profile.synthetic).toBe(true);
    expect(Object.keys(profile.models[0].runtimes)).toEqual(['emulated:cpu-1']);
  });

  it.each<[string, (yaml: string) => string]>([
    ['classes: names 6 classes, but the models output 5 class scores', (yaml) => `${yaml}classes: [a, b, c, d, e, f]\n`],
    ['cores: 4095 is not available here', (yaml) => yaml.replace('cores: [0]', 'cores: [4095]')],
    ['like: cpu-4096 cannot be measured here', (yaml) => yaml.replace('kind: cpu, cores: [0]', 'kind: emulated, like: cpu-4096')],
    ['data: is missing; name labelled samples', (yaml) => yaml.replace(/data: .*\n/, '')],
    ['ONNXRUNTIME_NODE_INSTALL=cuda12', (yaml) => yaml.replace('kind: cpu, cores: [0]', 'kind: cuda')],
  ])('says "%s"', async (message, change) => {
    const file = changed(writeImageFamily(join(dir, 'wrong')), change);
    const error = await (async () => profileDeployment(loadDeployment(file), { quick: true }))().catch((reason) => reason);
    expect(error).toMatchObject({ name: 'ConfigError', message: expect.stringContaining(message) });
  });

  it('warns of likely mistakes', async () => {
    const file = changed(writeImageFamily(join(dir, 'odd')), (yaml) =>
      yaml.replace('scores: probabilities\n', '').replace('name: glance, file: glance.onnx', 'name: glance, file: study.onnx'),
    );
    const warnings: string[] = [];
    await profileDeployment(loadDeployment(file), { quick: true, onWarning: (warning) => warnings.push(warning) });
    expect(warnings).toContainEqual(expect.stringContaining('all scores look like probabilities; write `scores: probabilities`'));
    // Two models with the same file: which one is faster is chance.
    expect(warnings.join()).toMatch(/model (glance|study) is slower than (study|glance), and not more accurate/);
    expect(warnings.join()).toMatch(
      /the family is ordered by measured time: look, (glance, study|study, glance); .* another order/,
    );
  });
});

describe('cascade profile', () => {
  it('writes the profile next to the deployment, and its figures as JSON', async () => {
    const file = writeImageFamily(join(dir, 'image'));
    const json = join(dir, 'figures.json');
    const program = new Command('cascade');
    register(program);
    await program.parseAsync(['profile', file, '--quick', '--json', json], { from: 'user' });
    const profile = readProfile(join(dir, 'image', 'profile.json'));
    expectSound(loadDeployment(file), profile);
    expect(profile.inputs).toEqual([{ name: 'pixels', dtype: 'float32', shape: [3, 8, 8] }]);
    const figures = JSON.parse(readFileSync(json, 'utf8'));
    expect(figures.models.map((model: { name: string }) => model.name).toSorted()).toEqual(['glance', 'look', 'study']);
    expect(existsSync(figures.file)).toBe(true);
  });
});
