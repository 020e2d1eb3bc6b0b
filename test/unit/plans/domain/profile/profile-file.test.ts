import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadDeployment } from '../../../../../plans/domain/deployment/read-deployment.ts';
import { profileDigest } from '../../../../../plans/domain/profile/profile-digest.ts';
import { profileIsCurrent, readProfile, requireCurrent, writeProfile } from '../../../../../plans/domain/profile/profile-file.ts';
import { syntheticProfile } from '../../../../../plans/synthetic/synthetic.ts';
import { writeImageFamily } from '../../../../fixtures/image-family.ts';

let dir: string;
let file: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'cascade-profile-'));
  file = join(dir, 'profile.json');
});
afterAll(() => rmSync(dir, { recursive: true }));

const profile = syntheticProfile({
  models: [
    { name: 'a', accuracy: 0.5, fixedMs: 0.1, perSampleMs: 0.01, memoryBytes: 1000 },
    { name: 'b', accuracy: 0.9, fixedMs: 0.2, perSampleMs: 0.1, memoryBytes: 2000 },
  ],
  samples: 50,
  seed: 1,
});

describe('profile file', () => {
  it('reads back what was written, and leaves no other files', () => {
    writeProfile(file, profile);
    expect(readProfile(file)).toEqual(profile);
    expect(readdirSync(dir).filter((name) => name.startsWith('profile'))).toEqual(['profile.json']);
  });

  it('is readable except for the records of samples', () => {
    writeProfile(file, profile);
    const plain = JSON.parse(readFileSync(file, 'utf8'));
    expect(plain.models[1].runtimes['cpu-1'].batch).toEqual(profile.models[1].runtimes['cpu-1'].batch);
    expect(plain.models[1].predictions.int32).toMatch(/^[A-Za-z0-9+/=]+$/);
  });

  it.each<[string, (plain: Record<string, unknown>) => unknown]>([
    ['has schema 0; this version reads 2: run `cascade profile` again', (plain) => ({ ...plain, schema: 0 })],
    ['is not a valid profile', (plain) => ({ ...plain, classes: 'ten' })],
    ['is not a valid profile', (plain) => ({ ...plain, surprise: 1 })],
    [
      'model a has 50 predictions, 50 certainties and 50 qualities for 2 labels',
      (plain) => ({ ...plain, labels: { int32: 'AAAAAAAAAAA=' } }),
    ],
    ['is not a valid profile', (plain) => ({ ...plain, labels: { int32: 'AAAA' } })],
    ['has schema undefined', () => 'text'],
  ])('says "%s"', (message, change) => {
    writeProfile(file, profile);
    writeFileSync(file, JSON.stringify(change(JSON.parse(readFileSync(file, 'utf8')))));
    expect(() => readProfile(file)).toThrow(message);
  });

  it.each([
    ['labels[3] is -1; the classes are 0 to', { labels: Int32Array.from(profile.labels, (label, i) => (i === 3 ? -1 : label)) }],
    [
      'predictions of a[0] is 99; the classes are 0 to',
      { models: [{ ...profile.models[0], predictions: new Int32Array(50).fill(99) }] },
    ],
    [
      'certainties[0] of a is not a number',
      { models: [{ ...profile.models[0], certainties: new Float32Array(50).fill(Number.NaN) }] },
    ],
    ['models: a is there twice; expected each model once', { models: [profile.models[0], ...profile.models] }],
    [
      'labels: none; expected at least one validation sample',
      {
        labels: new Int32Array(),
        models: profile.models.map((model) => ({
          ...model,
          predictions: new Int32Array(),
          certainties: new Float32Array(),
          quality: new Float32Array(),
        })),
      },
    ],
    [
      'scores of a has 51 values; expected as many for each of 50 samples',
      { models: [{ ...profile.models[0], scores: new Float32Array(51) }] },
    ],
    ['runtimes of a: none; expected those on at least one class of device', { models: [{ ...profile.models[0], runtimes: {} }] }],
    [
      'inputs.x.pad is 0.5; expected a whole number from 0 to 255 (uint8)',
      { inputs: [{ name: 'x', dtype: 'uint8', shape: [null], pad: 0.5 }], warmUp: [] } as const,
    ],
    ['quality[0] of a is 2; expected 0 to 1', { models: [{ ...profile.models[0], quality: new Float32Array(50).fill(2) }] }],
  ])('says "%s"', (message, damage) => {
    writeProfile(file, { ...profile, ...damage });
    expect(() => readProfile(file)).toThrow(message);
  });

  it('says how to make a missing profile', () => {
    expect(() => readProfile(join(dir, 'none.json'))).toThrow(/none\.json does not exist; make it with `cascade profile`/);
  });

  it('says that a file is truncated', () => {
    writeProfile(file, profile);
    writeFileSync(file, readFileSync(file, 'utf8').slice(0, 200));
    expect(() => readProfile(file)).toThrow(/is not a profile .*run `cascade profile` again/);
  });
});

describe('profile digest', () => {
  it('changes with the measurements, and with nothing else', () => {
    const original = loadDeployment(writeImageFamily(join(dir, 'one')));
    const digest = profileDigest(original);
    const changed = (name: string, change: (text: string) => string): string => {
      cpSync(original.dir, join(dir, name), { recursive: true });
      const yaml = join(dir, name, 'deployment.yaml');
      writeFileSync(yaml, change(readFileSync(yaml, 'utf8')));
      return profileDigest(loadDeployment(yaml));
    };
    expect(changed('moved', (text) => text)).toBe(digest);
    expect(changed('slo', (text) => text.replace('accuracy: 0.8', 'p95: 10ms'))).toBe(digest);
    expect(changed('load', (text) => text.replace('qpsMax: 200', 'qpsMax: 300'))).toBe(digest);
    expect(changed('batch', (text) => text.replace('maxBatch: 32', 'maxBatch: 8'))).not.toBe(digest);
    expect(changed('certainty', (text) => `${text}certainty: entropy\n`)).not.toBe(digest);
    expect(changed('cores', (text) => text.replace('cores: [0]', 'cores: [0, 1]'))).not.toBe(digest);
    expect(changed('model', (text) => text.replace('file: look.onnx', 'file: study.onnx'))).not.toBe(digest);
    expect(profileDigest(loadDeployment(writeImageFamily(join(dir, 'two'), 2)))).not.toBe(digest);
  });

  it('changes with the recorded quality of the answers, and with whose it is', () => {
    const original = loadDeployment(writeImageFamily(join(dir, 'custom')));
    const [a, b] = ['a.npy', 'b.npy'].map((name) => join(original.dir, name));
    const withQuality = (quality: string | Record<string, string>, models = original.models): string =>
      profileDigest({ ...original, models, data: { ...original.data!, quality } });
    writeFileSync(a, 'the qualities of a');
    writeFileSync(b, 'the qualities of b');
    const [single, each] = [withQuality(a), withQuality({ a, b })];
    expect(single).not.toBe(profileDigest(original));
    expect(withQuality({ b, a })).toBe(each);
    expect(withQuality({ a: b, b: a })).not.toBe(each);
    expect(withQuality(a, original.models.toReversed())).not.toBe(single);
    writeFileSync(a, 'changed afterwards');
    expect(withQuality(a)).not.toBe(single);
    expect(withQuality({ a, b })).not.toBe(each);
  });

  it('distinguishes a changed deployment from an old measurement', () => {
    const deployment = loadDeployment(writeImageFamily(join(dir, 'one')));
    const models = deployment.models.map(({ name }) => ({ ...profile.models[0], name }));
    const current = { ...profile, models, deployment: 'image', digest: profileDigest(deployment) };
    expect(profileIsCurrent(deployment, current)).toBe(true);
    expect(() => requireCurrent(deployment, current, 'p.json')).not.toThrow();
    expect(() => requireCurrent(deployment, { ...current, digest: 'x' }, 'p.json')).toThrow(
      /p\.json was measured with different models/,
    );
    expect(() => requireCurrent(deployment, { ...current, deployment: 'other' }, 'p.json')).toThrow(
      /p\.json is a profile of deployment other/,
    );
    expect(() => requireCurrent(deployment, { ...current, models: models.slice(1) }, 'p.json')).toThrow(
      `p.json: models: look, study; ${deployment.file} has glance, look, study: run \`cascade profile\` again`,
    );
  });
});
